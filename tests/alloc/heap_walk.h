/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heap walk: what only tests have of the reference allocator. It is in build/walked/librefalloc.so,
 * which is the library's own objects and this.
 */
#ifndef ALLOCPATH_TESTS_HEAP_WALK_H
#define ALLOCPATH_TESTS_HEAP_WALK_H

#include <stddef.h>

/* What a walk through every block of every arena has found. */
struct refalloc_walk {
	size_t segments, blocks;
	size_t used_blocks, used_bytes; /* with headers; those in threads' caches among them */
	size_t cached_blocks, cached_bytes;
	size_t free_blocks, free_bytes; /* the tops among them */
	size_t top_bytes; /* of the break's heap */
	size_t heap_bytes, arena_bytes; /* segments on the break, and elsewhere */
};

/*
 * Checks every block against its neighbours and every bin against the blocks, under the arenas'
 * locks. NULL, or what is wrong; walk is filled as far as it came.
 */
const char *refalloc_walk(struct refalloc_walk *walk);

#endif

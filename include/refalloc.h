/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reference allocator has beside malloc's family. A program that is not linked with it
 * can find these by dlsym(RTLD_DEFAULT, ...) and learns so whether it was preloaded.
 */
#ifndef ALLOCPATH_REFALLOC_H
#define ALLOCPATH_REFALLOC_H

#include "refalloc_ledger.h"

/* The live ledger, the allocator's own; NULL where it was built without or could not be mapped. */
const struct refalloc_ledger *refalloc_ledger(void);

/*
 * Sums up the ledger; total is the caller's. -ENOENT: there is none. Exact where no other thread
 * is inside the allocator, and otherwise as true as the counters of each were when they were read.
 */
int refalloc_ledger_read(struct refalloc_slot *total);

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bins of free blocks: one for each size up to 240 bytes, then four for each power of two; the last
 * has all from 896 KiB on. A bit tells which are not empty. Included by the files that know arenas
 * from the inside.
 */
#ifndef REFALLOC_ARENA_BINS_H
#define REFALLOC_ARENA_BINS_H

#include <pthread.h>

#include "block.h"
#include "complain.h"
#include "thread.h"

#define NR_BINS 64u
#define MAX_TRIES 8u /* blocks that are looked at in a bin before one is taken from the next */

struct arena {
	pthread_mutex_t lock;
	unsigned int threads;
	struct block *top; /* free, in no bin, in front of the first fence; NULL: no segment */
	struct block *fences; /* newest segment's first, by next; prev: its segment's first block */
	size_t bytes; /* of all segments */
	const char *low, *high; /* they lie, and ever lay, between these */
	__u64 filled;
	struct block *bins[NR_BINS];
};

extern struct arena arenas[];

static inline unsigned int bin__of(size_t size)
{
	size_t units = size / ALIGNMENT;
	unsigned int power, bin;

	if (units < 16)
		return (unsigned int)units;
	power = 63 - (unsigned int)__builtin_clzll(units);
	bin = 4 * power + (units >> (power - 2) & 3);
	return bin < NR_BINS ? bin : NR_BINS - 1;
}

static inline void bin__put(struct arena *arena, struct block *block)
{
	unsigned int bin = bin__of(block__size(block));

	block->prev = NULL;
	block->next = arena->bins[bin];
	if (block->next)
		block->next->prev = block;
	arena->bins[bin] = block;
	arena->filled |= 1ULL << bin;
}

static inline bool arena__spans(const struct arena *arena, const struct block *block)
{
	return (char *)block >= arena->low && (char *)block < arena->high &&
	       !((uintptr_t)block % ALIGNMENT);
}

/* The next in its bin; a link is not followed to where no block can be. */
static inline struct block *bin__next(const struct arena *arena, const struct block *block)
{
	struct block *next = block->next;

	if (next && SELDOM(!arena__spans(arena, next) || next->prev != block))
		complain(block, BAD_LINKS);
	return next;
}

static inline void bin__remove(struct arena *arena, struct block *block)
{
	unsigned int bin = bin__of(block__size(block));
	struct block *prev = block->prev, *next = bin__next(arena, block), **link;

	link = prev ? &prev->next : &arena->bins[bin];
	if (SELDOM((prev && !arena__spans(arena, prev)) || *link != block))
		complain(block, BAD_LINKS);
	*link = next;
	if (next)
		next->prev = prev;
	if (!arena->bins[bin])
		arena->filled &= ~(1ULL << bin);
}

/* A free block of at least this size, the smallest of few that were looked at; NULL: none. */
static inline struct block *bin__find(const struct arena *arena, size_t size)
{
	unsigned int bin = bin__of(size), tries = bin < NR_BINS - 1 ? MAX_TRIES : ~0u;
	__u64 larger = arena->filled >> bin & ~1ULL; /* bins, from this one on */
	struct block *best = NULL, *block;

	for (block = arena->bins[bin]; block && tries--; block = bin__next(arena, block)) {
		if (block__size(block) >= size && (!best || block__size(block) < block__size(best)))
			best = block;
	}
	if (best || !larger)
		return best;
	return arena->bins[bin + (unsigned int)__builtin_ctzll(larger)];
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bins of free blocks: one for each size up to 256 bytes, then eight for each power of two, by the
 * profiler's size classes. A bit tells which are not empty. Included by the files that know arenas
 * from the inside.
 */
#ifndef REFALLOC_ARENA_BINS_H
#define REFALLOC_ARENA_BINS_H

#include <pthread.h>

#include "block.h"
#include "complain.h"
#include "thread.h"

#define NR_BINS ((unsigned int)NR_SIZE_CLASSES)
#define BIN_WORDS ((NR_BINS + 63) / 64)
#define MAX_TRIES 8 /* blocks that are looked at in a bin whose blocks differ in size */

struct segment {
	struct segment *next; /* older */
	size_t bytes; /* all of it, this and the fence included */
	bool on_break;
	char pad[15];
};

_Static_assert(sizeof(struct segment) % 16 == 0, "blocks are aligned");

struct arena {
	pthread_mutex_t lock;
	unsigned int threads;
	struct segment *segments; /* newest first: the top lies in the first */
	struct block *top; /* free, in no bin; NULL: there is no segment */
	const char *low, *high; /* all its segments, ever, lie between these */
	__u64 filled[BIN_WORDS];
	struct block *bins[NR_BINS];
};

extern struct arena arenas[];

static inline unsigned int bin__of(size_t size)
{
	return size_class__of(size / ALIGNMENT);
}

static inline void bin__put(struct arena *arena, struct block *block)
{
	unsigned int bin = bin__of(block__size(block));

	block->prev = NULL;
	block->next = arena->bins[bin];
	if (block->next)
		block->next->prev = block;
	arena->bins[bin] = block;
	arena->filled[bin / 64] |= 1ULL << bin % 64;
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
	struct block *prev = block->prev, *next = bin__next(arena, block);

	if (SELDOM(prev ? !arena__spans(arena, prev) || prev->next != block :
			  arena->bins[bin] != block))
		complain(block, BAD_LINKS);
	if (prev)
		prev->next = next;
	else
		arena->bins[bin] = next;
	if (next)
		next->prev = prev;
	if (!arena->bins[bin])
		arena->filled[bin / 64] &= ~(1ULL << bin % 64);
}

/* The first bin from this one on that is not empty; NR_BINS: none. */
static inline unsigned int bin__filled_from(const struct arena *arena, unsigned int bin)
{
	unsigned int word = bin / 64;
	__u64 bits;

	if (bin >= NR_BINS)
		return NR_BINS;
	bits = arena->filled[word] & ~0ULL << bin % 64;
	while (!bits) {
		if (++word == BIN_WORDS)
			return NR_BINS;
		bits = arena->filled[word];
	}
	return word * 64 + (unsigned int)__builtin_ctzll(bits);
}

/* A free block of at least this size, the smallest of few that were looked at; NULL: none. */
static inline struct block *bin__find(const struct arena *arena, size_t size)
{
	unsigned int bin = bin__of(size), tries = MAX_TRIES;
	struct block *best = NULL, *block;

	for (block = arena->bins[bin]; block && tries--; block = bin__next(arena, block)) {
		if (block__size(block) >= size && (!best || block__size(block) < block__size(best)))
			best = block;
	}
	if (best)
		return best;
	bin = bin__filled_from(arena, bin + 1);
	return bin == NR_BINS ? NULL : arena->bins[bin];
}

/* The fence of an arena's newest segment is where its top ends. */
static inline struct block *segment__first(struct segment *segment)
{
	return block__at(segment, sizeof(*segment));
}

static inline struct block *segment__fence(struct segment *segment)
{
	return block__at(segment, segment->bytes - HEADER_BYTES);
}

#endif

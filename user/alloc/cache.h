/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread's cache of small blocks: a stack for each size. What is in it is in use as far as its
 * arena knows, and coalesces with nothing. What a full stack has no room for goes back to its arena.
 */
#ifndef REFALLOC_CACHE_H
#define REFALLOC_CACHE_H

#include "block.h"
#include "complain.h"
#include "thread.h"

/* The link is there twice, once inverted: who writes to a freed block is met before it is followed. */
static inline void cache__link(struct block *block, struct block *next)
{
	block->next = next;
	block->prev = (struct block *)~(uintptr_t)next;
}

static inline struct block *cache__next(const struct block *block)
{
	if (SELDOM((uintptr_t)block->next != ~(uintptr_t)block->prev))
		complain(block, BAD_LINKS);
	return block->next;
}

/* Gives everything back, and makes room anew; or, where it is not to be open, leaves none. */
void cache__reset(bool open);

static inline void cache__push(size_t bin, struct block *block)
{
	block__set_word(block, block->word | BLOCK_CACHED);
	cache__link(block, thread.bins[bin]);
	thread.bins[bin] = block;
	thread.room[bin]--;
}

/* NULL: there is none. It stays marked. */
static inline struct block *cache__pop(size_t bin)
{
	struct block *block = thread.bins[bin];

	if (SELDOM(!block))
		return NULL;
	thread.bins[bin] = cache__next(block);
	thread.room[bin]++;
	return block;
}

/* Takes a block, which goes back to its arena where there is no room for it. */
void cache__put(struct block *block);

#endif

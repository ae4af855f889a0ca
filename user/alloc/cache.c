/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include "arena.h"
#include "config.h"
#include "ledger.h"

/* Nearly all that is asked for is found without a lock, in 3.4 MiB at most. */
static __u8 room_of(size_t bin)
{
	return bin <= cache__bin(512) ? 64 : bin <= cache__bin(1024) ? 32 : 16;
}

static void give_back(struct block *block)
{
	unsigned int arena = block__arena(block);

	block__set_word(block, block->word & ~BLOCK_CACHED);
	arena__lock(arena);
	arena__give_back(block);
	arena__unlock(arena);
}

/*
 * A full stack keeps the last freed. Where a program frees all in order that is the heap's end, which
 * would be trimmed, and asked for and touched again.
 */
void cache__put(struct block *block)
{
	size_t size = block__size(block), bin = cache__bin(size);
	struct block *over = block;

	if (size <= CACHE_MAX && (thread.room[bin] || thread.bins[bin])) {
		over = thread.room[bin] ? NULL : cache__pop(bin);
		cache__push(bin, block);
	}
	if (over)
		give_back(over);
}

/* Gives back what is in one stack, and makes room anew. */
static void flush(size_t bin, bool open)
{
	struct block *list = thread.bins[bin], *block;

	thread.bins[bin] = NULL;
	thread.room[bin] = open && config.cache ? room_of(bin) : 0;
	while (list) {
		block = list;
		list = cache__next(block);
		give_back(block);
	}
}

void cache__reset(bool open)
{
	for (size_t i = 0; i < CACHE_BINS; i++)
		flush(i, open);
}

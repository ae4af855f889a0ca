/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include "arena.h"
#include "config.h"
#include "ledger.h"

/* Of the larger ones few: most of what is asked for is found without a lock, in 1.6 MiB at most. */
static __u8 room_of(size_t bin)
{
	size_t size = BLOCK_MIN + bin * ALIGNMENT;

	return size <= 512 ? 32 : size <= 1024 ? 16 : 2;
}

static void give_back(struct block *list)
{
	while (list) {
		struct block *block = list;
		unsigned int arena = block__arena(block);

		list = cache__next(block);
		block__set_word(block, block->word & ~BLOCK_CACHED);
		arena__lock(arena);
		arena__give_back(block);
		arena__unlock(arena);
	}
}

/* Gives back what is in one stack, and makes room anew. */
static void flush(size_t bin, bool open)
{
	struct block *list = thread.bins[bin];

	thread.bins[bin] = NULL;
	thread.room[bin] = open && config.cache ? room_of(bin) : 0;
	give_back(list);
}

void cache__put(struct block *block)
{
	size_t bin = cache__bin(block__size(block));

	if (block__size(block) > CACHE_MAX || (!thread.room[bin] && !thread.bins[bin])) {
		cache__link(block, NULL);
		give_back(block);
		return;
	}
	if (!thread.room[bin])
		flush(bin, true);
	cache__push(bin, block);
}

void cache__reset(bool open)
{
	for (size_t i = 0; i < CACHE_BINS; i++)
		flush(i, open);
}

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
	unsigned int arena = ~0u;
	struct block *block;

	while (list) {
		block = list;
		list = cache__next(block);
		block__set_word(block, block->word & ~BLOCK_CACHED);
		if (block__arena(block) != arena) {
			if (arena != ~0u)
				arena__unlock(arena);
			arena = block__arena(block);
			arena__lock(arena);
		}
		arena__give_back(block);
	}
	if (arena != ~0u)
		arena__unlock(arena);
}

void cache__put(struct block *block)
{
	size_t bin = cache__bin(block__size(block));
	struct block *last, *list;

	if (block__size(block) > CACHE_MAX || (!thread.room[bin] && !thread.bins[bin])) {
		cache__link(block, NULL);
		give_back(block);
		return;
	}
	if (!thread.room[bin]) {
		/* The half that was freed last stays: it is likely still in the processor's cache. */
		last = thread.bins[bin];
		for (int i = 1; i < room_of(bin) / 2; i++)
			last = cache__next(last);
		list = cache__next(last);
		cache__link(last, NULL);
		thread.room[bin] = room_of(bin) - room_of(bin) / 2;
		give_back(list);
	}
	cache__push(bin, block);
}

void cache__reset(bool open)
{
	for (size_t i = 0; i < CACHE_BINS; i++) {
		struct block *list = thread.bins[i];

		thread.bins[i] = NULL;
		thread.room[i] = open && config.cache ? room_of(i) : 0;
		give_back(list);
	}
}

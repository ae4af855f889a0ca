/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap walk: every invariant of the drawing in block.h, checked on every block. */
#include <string.h>

#include "arena.h"
#include "arena_bins.h"
#include "heap_walk.h"

struct walker {
	struct arena *arena;
	struct refalloc_walk *walk;
	__u64 where; /* of all blocks of this segment */
	size_t binned; /* free blocks met that have to be in a bin */
	size_t bytes; /* of segments */
};

static const char *visit_block(struct walker *walker, struct block *block, size_t *before,
			       bool *after_free)
{
	size_t size = block__size(block);
	bool is_free = !block__is_used(block);

	if (block->before != (TAG | *before))
		return "a block does not have the size of the one before it";
	if (size < BLOCK_MIN || size % ALIGNMENT)
		return "a block's size is none";
	if ((block__word(block) & BLOCK_WHERE) != walker->where)
		return "a block has another arena than its segment";
	if (block__word(block) & BLOCK_MAPPED)
		return "a block in a segment has a mapping of its own";
	if (is_free && *after_free)
		return "two free blocks are neighbours";
	walker->walk->blocks++;
	if (is_free) {
		walker->walk->free_blocks++;
		walker->walk->free_bytes += size;
		if (block != walker->arena->top)
			walker->binned++;
	} else {
		walker->walk->used_blocks++;
		walker->walk->used_bytes += size;
		if (block__word(block) & BLOCK_CACHED) {
			walker->walk->cached_blocks++;
			walker->walk->cached_bytes += size;
		}
	}
	*before = size;
	*after_free = is_free;
	return NULL;
}

static const char *walk_segment(struct walker *walker, struct block *fence)
{
	size_t before = 0, bytes = (size_t)((char *)(fence + 1) - (char *)fence->prev);
	struct block *block = fence->prev;
	bool after_free = false;
	const char *wrong;

	walker->where = fence->word & BLOCK_WHERE;
	if (block__arena(fence) != walker->arena - arenas)
		return "a segment is another arena's";
	walker->walk->segments++;
	walker->bytes += bytes;
	if (fence->word & BLOCK_ELSEWHERE)
		walker->walk->arena_bytes += bytes;
	else
		walker->walk->heap_bytes += bytes;
	while (block < fence) {
		wrong = visit_block(walker, block, &before, &after_free);
		if (wrong)
			return wrong;
		block = block__next(block);
	}
	if (block != fence || fence->before != (TAG | before) || block__size(fence) ||
	    !block__is_used(fence))
		return "a segment does not end with its fence";
	return NULL;
}

static const char *walk_bins(struct walker *walker)
{
	size_t met = 0;

	for (unsigned int bin = 0; bin < NR_BINS; bin++) {
		struct block *prev = NULL, *block = walker->arena->bins[bin];

		if (!block != !(walker->arena->filled & 1ULL << bin))
			return "a bin's bit does not say whether it is empty";
		for (; block; prev = block, block = block->next) {
			if (block__is_used(block))
				return "a block in a bin is in use";
			if (bin__of(block__size(block)) != bin)
				return "a block is in the wrong bin";
			if (block->prev != prev)
				return "a bin's links do not lead back";
			if (++met > walker->binned)
				return "a bin holds blocks that no segment has";
		}
	}
	return met == walker->binned ? NULL : "a free block is in no bin";
}

static const char *walk_arena(struct arena *arena, struct refalloc_walk *walk)
{
	struct walker walker = { .arena = arena, .walk = walk };
	const char *wrong;

	if (!arena->fences != !arena->top)
		return "an arena has a top and no segment, or none and a segment";
	if (!arena->top)
		return NULL;
	for (struct block *fence = arena->fences; fence; fence = fence->next) {
		wrong = walk_segment(&walker, fence);
		if (wrong)
			return wrong;
	}
	if (walker.bytes != arena->bytes)
		return "the segments are not as long as the arena says";
	if (block__is_used(arena->top) || block__next(arena->top) != arena->fences)
		return "the top is not the free block at the end";
	if (!(arena->top->word & BLOCK_ELSEWHERE))
		walk->top_bytes = block__size(arena->top);
	return walk_bins(&walker);
}

REFALLOC_PUBLIC const char *refalloc_walk(struct refalloc_walk *walk)
{
	const char *wrong = NULL;

	memset(walk, 0, sizeof(*walk));
	thread__ready();
	for (unsigned int i = 0; !wrong && i < arenas__used(); i++) {
		arena__lock(i);
		wrong = walk_arena(&arenas[i], walk);
		arena__unlock(i);
	}
	return wrong;
}

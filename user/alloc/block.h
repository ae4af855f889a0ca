/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block: a header of 16 bytes, then what malloc returns. free() finds the size in the header.
 *
 *                 63     51 50    43 42 41                         4 3 2 1 0
 *   block ------> | tag          | 47  size of the block before it |        |
 *                 | slack  | arena | S | size of this, with header |E C M U |
 *   malloc's ---> | the bytes that were asked for, and slack: what is over |
 *                 |   (a free block has the links of its bin here)         |
 *   next block -> | tag            | size of this one again        | ...
 *
 * U in use, M a mapping of its own, C in a thread's cache, E elsewhere than on the break, S sampled.
 * The size stands at both ends (boundary tags), so that a free block finds both neighbours and
 * coalesces with them; where both ends disagree, somebody has written over a header.
 *
 * The heap is an arena's segments. Arena 0 has its segments on the break, the others, and arena 0
 * where the break cannot grow, in mappings. A second segment on the break begins where somebody
 * else has moved it.
 *
 *   | block | block | free | block | top (free)            | fence                       |
 *     first: none before it          ^ blocks are cut here   in use; links the segments  ^
 *                                                                               the break
 *
 * A block with a mapping of its own stands alone, and ends with it. The size before it is then the
 * distance to where the mapping begins:
 *
 *   | distance, for an alignment | block, and in its slack the rest of the last page |
 */
#ifndef REFALLOC_BLOCK_H
#define REFALLOC_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#define ALIGNMENT ((size_t)16)
#define HEADER_BYTES ((size_t)16)
#define BLOCK_MIN ((size_t)32) /* a free block holds two links */

/* Requests above FINE_MAX, up to COARSE_MAX, take whole steps: caches find more of few sizes. */
#define FINE_MAX ((size_t)1024)
#define COARSE_MAX ((size_t)8192)
#define COARSE_STEP ((size_t)256)

#define BLOCK_USED 1ULL
#define BLOCK_MAPPED 2ULL
#define BLOCK_CACHED 4ULL
#define BLOCK_ELSEWHERE 8ULL
#define BLOCK_SAMPLED (1ULL << 42)

#define SIZE_LIMIT ((size_t)1 << 42) /* heaps and blocks are smaller */
#define REQUEST_LIMIT (SIZE_LIMIT / 4) /* so that it fits with an alignment of that much */
#define SIZE_MASK (SIZE_LIMIT - ALIGNMENT)
#define TAG_MASK 0xffff000000000000ULL
#define TAG 0xb10c000000000000ULL
#define ARENA_SHIFT 43
#define BLOCK_WHERE (0xffULL << ARENA_SHIFT | BLOCK_ELSEWHERE)
#define SLACK_SHIFT 51 /* what is over: at most a page and some bytes */

struct block {
	__u64 before; /* the tag, the size of the block before */
	__u64 word; /* slack, arena, size, flags */
	struct block *next, *prev; /* of its bin, while it is free */
};

static inline struct block *block__of(void *memory)
{
	return (struct block *)((char *)memory - HEADER_BYTES);
}

static inline void *block__memory(struct block *block)
{
	return (char *)block + HEADER_BYTES;
}

/*
 * A header is read by who holds a neighbour and the arena's lock, while its owner sets flags without
 * it, and the size before it by its owner, while who holds that block cuts it: whole words at once.
 */
static inline __u64 block__word(const struct block *block)
{
	return __atomic_load_n(&block->word, __ATOMIC_RELAXED);
}

static inline void block__set_word(struct block *block, __u64 word)
{
	__atomic_store_n(&block->word, word, __ATOMIC_RELAXED);
}

static inline __u64 block__tagged_before(const struct block *block)
{
	return __atomic_load_n(&block->before, __ATOMIC_RELAXED);
}

static inline size_t block__size(const struct block *block)
{
	return block__word(block) & SIZE_MASK;
}

static inline size_t block__before(const struct block *block)
{
	return block__tagged_before(block) & SIZE_MASK;
}

static inline struct block *block__at(void *block, size_t bytes)
{
	return (struct block *)((char *)block + bytes);
}

static inline struct block *block__next(struct block *block)
{
	return block__at(block, block__size(block));
}

static inline struct block *block__previous(struct block *block)
{
	return (struct block *)((char *)block - block__before(block));
}

static inline bool block__is_used(const struct block *block)
{
	return block__word(block) & BLOCK_USED;
}

static inline unsigned int block__arena(const struct block *block)
{
	return (block__word(block) >> ARENA_SHIFT) & 0xff;
}

/* What was asked for. */
static inline size_t block__request(__u64 word)
{
	return (word & SIZE_MASK) - HEADER_BYTES - (word >> SLACK_SHIFT);
}

/* Block size for a request, which is below twice REQUEST_LIMIT. */
static inline size_t block__need(size_t request)
{
	size_t unit = request > FINE_MAX && request <= COARSE_MAX ? COARSE_STEP : ALIGNMENT;
	size_t need = ((request + unit - 1) & -unit) + HEADER_BYTES;

	return need < BLOCK_MIN ? BLOCK_MIN : need;
}

/* Makes it the caller's: in use, and with its slack. */
static inline void block__give(struct block *block, size_t request)
{
	__u64 word = block->word & (SIZE_MASK | BLOCK_WHERE | BLOCK_MAPPED);

	word |= ((word & SIZE_MASK) - HEADER_BYTES - request) << SLACK_SHIFT;
	block__set_word(block, word | BLOCK_USED);
}

/* Sets a header in an arena; where is its arena and BLOCK_ELSEWHERE. Returns the next block. */
static inline struct block *block__set(struct block *block, size_t size, __u64 where, __u64 flags)
{
	struct block *next = block__at(block, size);

	block__set_word(block, size | where | flags);
	__atomic_store_n(&next->before, TAG | size, __ATOMIC_RELAXED);
	return next;
}

/* Cuts one in use in two, and returns the second. */
static inline struct block *block__split(struct block *block, size_t size, __u64 second_flags)
{
	__u64 where = block->word & BLOCK_WHERE;
	size_t rest = block__size(block) - size;
	struct block *second = block__set(block, size, where, BLOCK_USED);

	block__set(second, rest, where, second_flags);
	return second;
}

#endif

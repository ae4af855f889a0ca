/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * malloc and its family, as glibc has them, corner cases too. Each public function that takes or
 * gives a block begins with a nop of one byte, which kernels emulate where a probe stands on it.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cache.h"
#include "complain.h"
#include "config.h"
#include "ledger.h"
#include "mapping.h"
#include "os.h"
#include "sample.h"

#define ENTRY REFALLOC_PUBLIC __attribute__((patchable_function_entry(1)))
#define SLOW __attribute__((noinline, cold))

#define ADDRESS_SPACE ((size_t)1 << 47) /* no kernel has more to give; sums of such do not wrap */

/* Of a block that may simply be put into the cache. */
#define PLAIN_MASK (BLOCK_USED | BLOCK_MAPPED | BLOCK_CACHED | BLOCK_SAMPLED)

static void *fail(int error)
{
	LEDGER_COUNT(failed, 1);
	errno = error;
	return NULL;
}

static void watch_request(struct block *block, size_t size, unsigned int did)
{
	PROBE_REQUEST(block__memory(block), size, did__path(did));
	if (sample__is_on())
		sample__request(block, size);
}

static bool is_watched(void)
{
	return PROBE_IS_ON(refalloc_request) || sample__is_on();
}

/* The block is the caller's from here on. */
static void *give(struct block *block, size_t size)
{
	if (!(block->word & BLOCK_MAPPED))
		block__give(block, size);
	ledger__request(size, block->word, thread.did);
	if (is_watched())
		watch_request(block, size, thread.did);
	return block__memory(block);
}

static bool wants_mapping(size_t size)
{
	if (config.policy == POLICY_HYBRID)
		return size >= CONFIG_GET(threshold);
	return config.policy == POLICY_MMAP;
}

/* The memory begins at a multiple of the alignment. */
static struct block *take_from(unsigned int arena, size_t size, size_t alignment)
{
	size_t need = block__need(size), lead;
	struct block *block, *aligned;
	uintptr_t memory;

	arena__lock(arena);
	if (alignment <= ALIGNMENT) {
		block = arena__take(arena, need);
		goto out;
	}
	block = arena__take(arena, need + alignment + BLOCK_MIN);
	if (!block)
		goto out;
	memory = ((uintptr_t)block__memory(block) + alignment - 1) & -alignment;
	lead = memory - (uintptr_t)block__memory(block);
	/* What is in front goes back, and so has to be large enough for a block. */
	if (lead && lead < BLOCK_MIN)
		lead += alignment;
	if (lead) {
		aligned = block__at(block, lead);
		block__set(aligned, block__size(block) - lead, block->word & BLOCK_WHERE,
			   BLOCK_USED);
		block__set(block, lead, block->word & BLOCK_WHERE, BLOCK_USED);
		arena__give_back(block);
		block = aligned;
	}
	arena__cut(block, need);
out:
	arena__unlock(arena);
	return block;
}

/* From the thread's arena; where the kernel gives it no more, from what the others still have. */
static struct block *take_from_arena(size_t size, size_t alignment)
{
	struct block *block;

	if (alignment <= ALIGNMENT && block__need(size) <= CACHE_MAX)
		block = cache__fill(block__need(size));
	else
		block = take_from(thread.arena, size, alignment);
	for (unsigned int i = 0; SELDOM(!block) && i < arenas__used(); i++) {
		if (i != thread.arena)
			block = take_from(i, size, alignment);
	}
	return block;
}

/* A request of any size, all that is not quick. *mapped: the memory is fresh from the kernel. */
static SLOW void *request(size_t size, size_t alignment, bool *mapped)
{
	struct block *block = NULL;

	thread__ready();
	thread.did = 0;
	if (size >= ADDRESS_SPACE || alignment >= ADDRESS_SPACE)
		return fail(ENOMEM);
	if (wants_mapping(size))
		block = mapping__new(size, alignment);
	if (!block && config.policy != POLICY_MMAP)
		block = take_from_arena(size, alignment);
	if (!block)
		return fail(ENOMEM);
	if (mapped)
		*mapped = block->word & BLOCK_MAPPED;
	return give(block, size);
}

/* From the thread's cache, or NULL. */
static inline __attribute__((always_inline)) void *quick_request(size_t size)
{
	struct block *block;
	size_t bin;

	if (size > CACHE_MAX - HEADER_BYTES)
		return NULL;
	bin = cache__bin(block__need(size));
	block = thread.bins[bin];
	if (SELDOM(!block))
		return NULL;
	thread.bins[bin] = cache__next(block);
	thread.room[bin]++;
	block__give(block, size);
	ledger__pool_request(size, block->word);
	if (SELDOM(is_watched()))
		watch_request(block, size, 0);
	return block__memory(block);
}

/* The block that the caller passes, or an end with a complaint. */
static inline struct block *check(void *memory)
{
	struct block *block = block__of(memory);
	size_t size;

	/* Where mappings' blocks begin there may be none any more, and so no header to look at. */
	if (SELDOM((uintptr_t)memory % PAGE == HEADER_BYTES && mapping__is_gone(memory)))
		complain__about(memory);
	if (SELDOM((uintptr_t)memory % ALIGNMENT || (block->before & TAG_MASK) != TAG ||
		   (block->word & (BLOCK_USED | BLOCK_CACHED)) != BLOCK_USED))
		complain__about(memory);
	size = block__size(block);
	if (block->word & BLOCK_MAPPED)
		return block;
	if (size - BLOCK_MIN > CACHE_MAX - BLOCK_MIN && SELDOM(!arena__holds(block)))
		complain__about(memory);
	if (SELDOM(block__at(block, size)->before != (TAG | size)))
		complain__about(memory);
	return block;
}

/* All that a release does but for counting it. */
static void put_away(struct block *block)
{
	if (block->word & BLOCK_MAPPED) {
		mapping__free(block);
		return;
	}
	block->word &= SIZE_MASK | BLOCK_WHERE | BLOCK_USED;
	cache__put(block);
}

static void watch_release(struct block *block, __u64 word, enum release release)
{
	PROBE_RELEASE(block__memory(block), block__request(word), release);
	if (word & BLOCK_SAMPLED)
		sample__release(block);
}

static SLOW void release(struct block *block)
{
	__u64 word = block->word;
	int error = errno;

	thread__ready();
	thread.did = 0;
	/* What was sampled is told before another thread can have it, the rest when it is known. */
	if (word & BLOCK_SAMPLED)
		sample__release(block);
	put_away(block);
	ledger__release(word, thread.did);
	watch_release(block, word & ~BLOCK_SAMPLED, did__release(thread.did));
	errno = error;
}

static inline __attribute__((always_inline)) void free_block(void *memory)
{
	struct block *block;
	size_t size, bin;

	if (!memory)
		return;
	block = check(memory);
	size = block__size(block);
	bin = cache__bin(size);
	if (SELDOM((block->word & PLAIN_MASK) != BLOCK_USED || size > CACHE_MAX ||
		   !thread.room[bin])) {
		release(block);
		return;
	}
	ledger__kept_release(block->word);
	PROBE_RELEASE(memory, block__request(block->word), RELEASE_KEPT);
	thread.room[bin]--;
	block->word |= BLOCK_CACHED;
	cache__link(block, thread.bins[bin]);
	thread.bins[bin] = block;
}

ENTRY void *malloc(size_t size)
{
	void *memory = quick_request(size);

	return memory ? memory : request(size, ALIGNMENT, NULL);
}

ENTRY void free(void *memory)
{
	free_block(memory);
}

static SLOW void *refuse(int error)
{
	thread__ready();
	return fail(error);
}

ENTRY void *calloc(size_t members, size_t size)
{
	bool mapped = false;
	void *memory;
	size_t bytes;

	if (SELDOM(__builtin_mul_overflow(members, size, &bytes)))
		return refuse(ENOMEM);
	memory = quick_request(bytes);
	if (!memory)
		memory = request(bytes, ALIGNMENT, &mapped);
	return memory && !mapped ? memset(memory, 0, bytes) : memory;
}

/* In place: true, with the block's new header. Shrinks it, or grows it into what is free behind. */
static bool resize_in_place(struct block *block, size_t size)
{
	size_t need = block__need(size);
	bool fits = need <= block__size(block);

	block->word &= ~((__u64)SLACK_MASK << SLACK_SHIFT);
	if (!fits || block__size(block) - need >= BLOCK_MIN) {
		arena__lock(block__arena(block));
		if (fits)
			arena__cut(block, need);
		else
			fits = arena__grow_in_place(block, need);
		arena__unlock(block__arena(block));
	}
	return fits;
}

static void *resize(void *memory, size_t size)
{
	struct block *block = check(memory), *resized = NULL;
	__u64 word = block->word;
	size_t usable;
	void *moved;

	thread__ready();
	thread.did = 0;
	if (size >= ADDRESS_SPACE)
		return fail(ENOMEM);
	if (word & BLOCK_MAPPED)
		resized = mapping__resize(block, size);
	else if (resize_in_place(block, size))
		resized = block;
	if (resized) {
		if (word & BLOCK_SAMPLED)
			sample__release(block__of(memory));
		ledger__release(word, thread.did);
		return give(resized, size);
	}
	block->word = word;
	if (wants_mapping(size))
		resized = mapping__new(size, ALIGNMENT);
	if (!resized && config.policy != POLICY_MMAP)
		resized = take_from_arena(size, ALIGNMENT);
	if (!resized)
		return fail(ENOMEM);
	if (!(resized->word & BLOCK_MAPPED))
		block__give(resized, size);
	moved = block__memory(resized);
	usable = malloc_usable_size(memory); /* all of which the caller may have filled */
	memcpy(moved, memory, usable < size ? usable : size);
	if (word & BLOCK_SAMPLED)
		sample__release(block);
	put_away(block);
	ledger__release(word, thread.did);
	return give(resized, size);
}

static void *reallocate(void *memory, size_t size)
{
	void *fresh;

	if (!memory) {
		fresh = quick_request(size);
		return fresh ? fresh : request(size, ALIGNMENT, NULL);
	}
	if (!size) {
		free_block(memory);
		return NULL;
	}
	return resize(memory, size);
}

ENTRY void *realloc(void *memory, size_t size)
{
	return reallocate(memory, size);
}

ENTRY void *reallocarray(void *memory, size_t members, size_t size)
{
	size_t bytes;

	if (SELDOM(__builtin_mul_overflow(members, size, &bytes)))
		return refuse(ENOMEM);
	return reallocate(memory, bytes);
}

/* Any alignment is rounded up to a power of two, as glibc does. */
static void *aligned(size_t alignment, size_t size)
{
	size_t power = ALIGNMENT;
	void *memory;

	if (alignment > SIZE_MAX / 2 + 1)
		return refuse(EINVAL);
	while (power < alignment)
		power *= 2;
	memory = power == ALIGNMENT ? quick_request(size) : NULL;
	return memory ? memory : request(size, power, NULL);
}

ENTRY void *memalign(size_t alignment, size_t size)
{
	return aligned(alignment, size);
}

ENTRY void *aligned_alloc(size_t alignment, size_t size)
{
	return aligned(alignment, size);
}

ENTRY int posix_memalign(void **memory, size_t alignment, size_t size)
{
	int error = errno;
	void *fresh;

	if (!alignment || alignment % sizeof(void *) || alignment & (alignment - 1)) {
		refuse(EINVAL);
		errno = error;
		return EINVAL;
	}
	fresh = aligned(alignment, size);
	errno = error;
	if (!fresh)
		return ENOMEM;
	*memory = fresh;
	return 0;
}

ENTRY void *valloc(size_t size)
{
	return aligned(PAGE, size);
}

ENTRY void *pvalloc(size_t size)
{
	if (SELDOM(size > SIZE_MAX - PAGE))
		return refuse(ENOMEM);
	return aligned(PAGE, page_up(size));
}

REFALLOC_PUBLIC size_t malloc_usable_size(void *memory)
{
	struct block *block;

	if (!memory)
		return 0;
	block = check(memory);
	if (block->word & BLOCK_MAPPED)
		return mapping__usable(block);
	return block__size(block) - HEADER_BYTES;
}

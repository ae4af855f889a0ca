/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * malloc and its family, as glibc has them, corner cases too. Each public function that takes or
 * gives a block begins with a nop of one byte, which kernels emulate where a probe stands on it.
 * "Claim N" in a comment here and elsewhere is README's "Nine claims", where the code makes it true.
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

/* Of a block that may simply be put into the cache. */
#define PLAIN_MASK (BLOCK_USED | BLOCK_MAPPED | BLOCK_CACHED | BLOCK_SAMPLED)

static SLOW void *fail(int error)
{
	thread__ready();
	ledger__add(&thread.slot->failed, 1);
	errno = error;
	return NULL;
}

/* The block is the caller's from here on. */
static inline void *give(struct block *block, size_t size, enum alloc_path path)
{
	block__give(block, size);
	ledger__request(size, block->word, path);
	PROBE(refalloc, request, block__memory(block), size, path);
	if (SELDOM(sample__is_on()))
		sample__request(block, size);
	return block__memory(block);
}

/*
 * Claim 2: the break below the threshold, a mapping of its own from it on. Claims 8 and 9 are what
 * the other policies cost: always a mapping, never one.
 */
static bool wants_mapping(size_t size)
{
	if (config.policy == POLICY_HYBRID)
		return size >= CONFIG_GET(threshold);
	return config.policy == POLICY_MMAP;
}

/* The memory begins at a multiple of the alignment. */
static struct block *take_from(unsigned int arena, size_t need, size_t alignment)
{
	struct block *block, *front;
	size_t lead;

	arena__lock(arena);
	block = arena__take(arena, need + (alignment > ALIGNMENT ? alignment + BLOCK_MIN : 0));
	if (block) {
		lead = -(uintptr_t)block__memory(block) & (alignment - 1);
		/* What is in front goes back, and so has to be large enough for a block. */
		if (lead && lead < BLOCK_MIN)
			lead += alignment;
		if (lead) {
			front = block;
			block = block__split(front, lead, BLOCK_USED);
			arena__give_back(front);
		}
		arena__resize(block, need);
	}
	arena__unlock(arena);
	return block;
}

/* A mapping from the threshold on, below it a part of the heap: the policy may say otherwise. */
static struct block *take(size_t size, size_t alignment, size_t unit)
{
	size_t need = block__need((size + unit - 1) & -unit);
	struct block *block = NULL;

	if (size >= REQUEST_LIMIT)
		return NULL;
	/* No heap has room for such an alignment: the kernel is to say whether there is any. */
	if (wants_mapping(size) || alignment >= REQUEST_LIMIT)
		block = mapping__new(size, alignment);
	if (block || config.policy == POLICY_MMAP)
		return block;
	block = take_from(thread.arena, need, alignment);
	/* Where the kernel gives the thread's arena no more, from what the others still have. */
	for (unsigned int i = 0; SELDOM(!block) && i < arenas__used(); i++) {
		if (i != thread.arena)
			block = take_from(i, need, alignment);
	}
	return block;
}

/* All that is not quick. The block has room for whole units. */
static SLOW void *request(size_t size, size_t alignment, size_t unit)
{
	struct block *block;

	thread__ready();
	thread__did_nothing();
	block = take(size, alignment, unit);
	return block ? give(block, size, thread.path) : fail(ENOMEM);
}

/* Claim 1: malloc is not a system call. From the thread's cache, without a lock, if it has one. */
static inline __attribute__((always_inline)) void *take_block(size_t size)
{
	struct block *block = NULL;

	if (size <= CACHE_MAX - HEADER_BYTES)
		block = cache__pop(cache__bin(block__need(size)));
	return block ? give(block, size, PATH_POOL) : request(size, ALIGNMENT, 1);
}

/* The block that the caller passes, or an end with a complaint. */
static inline struct block *check(void *memory)
{
	struct block *block = block__of(memory);
	uintptr_t at = (uintptr_t)memory % PAGE;
	size_t size;

	/* Where mappings' blocks lie, at the header or an alignment, there may be nothing any more. */
	if (SELDOM(!(at & (at - 1))) && SELDOM(mapping__is_gone(memory)))
		complain__about(memory);
	if (SELDOM((uintptr_t)memory % ALIGNMENT ||
		   (block__tagged_before(block) & TAG_MASK) != TAG ||
		   (block->word & (BLOCK_USED | BLOCK_CACHED)) != BLOCK_USED))
		complain__about(memory);
	size = block__size(block);
	/* A block that is larger than those of the cache may end where there is no memory. */
	if (!(block->word & BLOCK_MAPPED) &&
	    SELDOM((size - BLOCK_MIN > CACHE_MAX - BLOCK_MIN && !arena__holds(block)) ||
		   block__tagged_before(block__at(block, size)) != (TAG | size)))
		complain__about(memory);
	return block;
}

static inline void tell_release(void *memory, __u64 word, enum release how)
{
	ledger__release(word, how);
	PROBE(refalloc, release, memory, block__request(word), how);
}

/* All that is not quick. errno is kept, as glibc does. */
static SLOW void release(struct block *block)
{
	int error = errno;
	__u64 word = block->word;

	thread__ready();
	thread__did_nothing();
	/* What was sampled is told before another thread can have it, the rest when it is known. */
	if (word & BLOCK_SAMPLED)
		PROBE(otel_memory, free, block__memory(block));
	if (word & BLOCK_MAPPED) {
		mapping__free(block);
	} else {
		block__set_word(block, word & (SIZE_MASK | BLOCK_WHERE | BLOCK_USED));
		cache__put(block);
	}
	tell_release(block__memory(block), word, thread.release);
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
	/* Claim 6: a freed small block stays in the pool. */
	tell_release(memory, block->word, RELEASE_KEPT);
	cache__push(bin, block);
}

ENTRY void *malloc(size_t size)
{
	return take_block(size);
}

ENTRY void free(void *memory)
{
	free_block(memory);
}

ENTRY void *calloc(size_t members, size_t size)
{
	void *memory;
	size_t bytes;

	if (SELDOM(__builtin_mul_overflow(members, size, &bytes)))
		return fail(ENOMEM);
	memory = take_block(bytes);
	/* Claim 4: a fresh mapping is zero without being touched. */
	if (memory && !(block__of(memory)->word & BLOCK_MAPPED))
		memset(memory, 0, bytes);
	return memory;
}

static void *resize(void *memory, size_t size)
{
	struct block *block = check(memory), *resized = NULL;
	unsigned int arena = block__arena(block);
	__u64 word = block->word;
	enum alloc_path path;
	size_t usable;

	thread__ready();
	thread__did_nothing();
	if (size < REQUEST_LIMIT && word & BLOCK_MAPPED) {
		resized = mapping__resize(block, size);
	} else if (size < REQUEST_LIMIT) {
		arena__lock(arena);
		resized = arena__resize(block, block__need(size)) ? block : NULL;
		arena__unlock(arena);
	}
	if (resized) {
		if (word & BLOCK_SAMPLED)
			PROBE(otel_memory, free, memory);
		tell_release(memory, word, thread.release);
		return give(resized, size, thread.path);
	}
	resized = take(size, ALIGNMENT, 1);
	if (!resized)
		return fail(ENOMEM);
	path = thread.path;
	usable = block__size(block) - HEADER_BYTES; /* all of which the caller may have filled */
	memcpy(block__memory(resized), memory, usable < size ? usable : size);
	release(block);
	return give(resized, size, path);
}

ENTRY void *realloc(void *memory, size_t size)
{
	if (memory && size)
		return resize(memory, size);
	if (!memory)
		return take_block(size);
	free_block(memory);
	return NULL;
}

/* As glibc's, it calls realloc: so a probe there sees it too. */
ENTRY void *reallocarray(void *memory, size_t members, size_t size)
{
	size_t bytes;

	if (SELDOM(__builtin_mul_overflow(members, size, &bytes)))
		return fail(ENOMEM);
	return realloc(memory, bytes);
}

/* Any alignment is rounded up to a power of two, as glibc does. */
static void *aligned(size_t alignment, size_t size)
{
	size_t power = ALIGNMENT;

	if (alignment > SIZE_MAX / 2 + 1)
		return fail(EINVAL);
	while (power < alignment)
		power *= 2;
	return power == ALIGNMENT ? take_block(size) : request(size, power, 1);
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
	bool is_right = alignment >= sizeof(void *) && !(alignment & (alignment - 1));
	int kept = errno, error;
	void *fresh = is_right ? aligned(alignment, size) : fail(EINVAL);

	error = fresh ? 0 : errno;
	if (fresh)
		*memory = fresh;
	errno = kept;
	return error;
}

ENTRY void *valloc(size_t size)
{
	return aligned(PAGE, size);
}

/* The request is the argument, and the caller may fill the page that it ends in. */
ENTRY void *pvalloc(size_t size)
{
	return request(size, PAGE, PAGE);
}

REFALLOC_PUBLIC size_t malloc_usable_size(void *memory)
{
	return memory ? block__size(check(memory)) - HEADER_BYTES : 0;
}

REFALLOC_PUBLIC int malloc_trim(size_t pad)
{
	bool some = false;

	thread__ready();
	cache__reset(thread.state == THREAD_READY);
	for (unsigned int i = 0; i < arenas__used(); i++) {
		arena__lock(i);
		some |= arena__trim(i, pad);
		arena__unlock(i);
	}
	return some;
}

/* The older mallinfo, of ints, is left to libc, whose figures are of its own blocks. */
REFALLOC_PUBLIC struct mallinfo2 mallinfo2(void)
{
	struct mallinfo2 info = { 0 };

	thread__ready();
	for (unsigned int i = 0; i < arenas__used(); i++) {
		arena__lock(i);
		arena__figures(i, &info);
		arena__unlock(i);
	}
	info.uordblks = info.arena - info.fordblks;
	mapping__figures(&info.hblks, &info.hblkhd);
	return info;
}

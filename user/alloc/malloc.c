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

#define ADDRESS_SPACE ((size_t)1 << 47) /* no kernel has more to give; sums of such do not wrap */

/* Of a block that may simply be put into the cache. */
#define PLAIN_MASK (BLOCK_USED | BLOCK_MAPPED | BLOCK_CACHED | BLOCK_SAMPLED)

static void *fail(int error)
{
	ledger__add(&thread.slot->failed, 1);
	errno = error;
	return NULL;
}

static inline void *watched(struct block *block, size_t size, enum alloc_path path)
{
	PROBE(refalloc, request, block__memory(block), size, path);
	if (SELDOM(sample__is_on()))
		sample__request(block, size);
	return block__memory(block);
}

/* The block is the caller's from here on. */
static void *give(struct block *block, size_t size)
{
	if (!(block->word & BLOCK_MAPPED))
		block__give(block, size);
	ledger__request(size, block->word, thread.path);
	return watched(block, size, thread.path);
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
		arena__cut(block, need);
	}
	arena__unlock(arena);
	return block;
}

/* A mapping from the threshold on, below it a part of the heap: the policy may say otherwise. */
static struct block *take(size_t size, size_t alignment)
{
	size_t need = block__need(size);
	struct block *block = NULL;

	if (wants_mapping(size))
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

/* A request of any size, all that is not quick. *mapped: the memory is fresh from the kernel. */
static SLOW void *request(size_t size, size_t alignment, bool *mapped)
{
	struct block *block = NULL;

	thread__ready();
	thread__did_nothing();
	if (size < ADDRESS_SPACE && alignment < ADDRESS_SPACE)
		block = take(size, alignment);
	if (!block)
		return fail(ENOMEM);
	if (mapped)
		*mapped = block->word & BLOCK_MAPPED;
	return give(block, size);
}

/* Claim 1: malloc is not a system call. From the thread's cache, without a lock; or NULL. */
static inline __attribute__((always_inline)) void *quick_request(size_t size)
{
	struct block *block;

	if (size > CACHE_MAX - HEADER_BYTES)
		return NULL;
	block = cache__pop(cache__bin(block__need(size)));
	if (SELDOM(!block))
		return NULL;
	block__give(block, size);
	ledger__request(size, block->word, PATH_POOL);
	return watched(block, size, PATH_POOL);
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
	if (block->word & BLOCK_MAPPED)
		return block;
	if (size - BLOCK_MIN > CACHE_MAX - BLOCK_MIN && SELDOM(!arena__holds(block)))
		complain__about(memory);
	if (SELDOM(block__tagged_before(block__at(block, size)) != (TAG | size)))
		complain__about(memory);
	return block;
}

static void tell_release(void *memory, __u64 word)
{
	ledger__release(word, thread.release);
	PROBE(refalloc, release, memory, block__request(word), (int)thread.release);
}

static void put_away(struct block *block)
{
	__u64 word = block->word;

	/* What was sampled is told before another thread can have it, the rest when it is known. */
	if (word & BLOCK_SAMPLED)
		PROBE(otel_memory, free, block__memory(block));
	if (word & BLOCK_MAPPED) {
		mapping__free(block);
	} else {
		block__set_word(block, word & (SIZE_MASK | BLOCK_WHERE | BLOCK_USED));
		cache__put(block);
	}
	tell_release(block__memory(block), word);
}

static SLOW void release(struct block *block)
{
	int error = errno;

	thread__ready();
	thread__did_nothing();
	put_away(block);
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
	ledger__release(block->word, RELEASE_KEPT);
	PROBE(refalloc, release, memory, block__request(block->word), RELEASE_KEPT);
	cache__push(bin, block);
}

static inline void *take_block(size_t size)
{
	void *memory = quick_request(size);

	return memory ? memory : request(size, ALIGNMENT, NULL);
}

ENTRY void *malloc(size_t size)
{
	return take_block(size);
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
	/* Claim 4: a fresh mapping is zero without being touched. */
	return memory && !mapped ? memset(memory, 0, bytes) : memory;
}

/* In place: true, with the block's new header. Shrinks it, or grows it into what is free behind. */
static bool resize_in_place(struct block *block, size_t size)
{
	size_t need = block__need(size);
	bool fits = need <= block__size(block);

	block__set_word(block, block->word & ~((__u64)SLACK_MASK << SLACK_SHIFT));
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

	thread__ready();
	thread__did_nothing();
	if (size >= ADDRESS_SPACE)
		return fail(ENOMEM);
	if (word & BLOCK_MAPPED)
		resized = mapping__resize(block, size);
	else if (resize_in_place(block, size))
		resized = block;
	if (resized) {
		if (word & BLOCK_SAMPLED)
			PROBE(otel_memory, free, memory);
		tell_release(memory, word);
		return give(resized, size);
	}
	block__set_word(block, word);
	resized = take(size, ALIGNMENT);
	if (!resized)
		return fail(ENOMEM);
	usable = malloc_usable_size(memory); /* all of which the caller may have filled */
	memcpy(block__memory(resized), memory, usable < size ? usable : size);
	put_away(block);
	return give(resized, size);
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
		return refuse(ENOMEM);
	return realloc(memory, bytes);
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

/*
 * The request is the argument, and the caller may fill the page that it ends in: which a header in
 * the heap has no room to say, and a mapping says by where it ends. So it is one by each policy.
 */
ENTRY void *pvalloc(size_t size)
{
	struct block *block = NULL;

	thread__ready();
	thread__did_nothing();
	if (size < ADDRESS_SPACE)
		block = mapping__new(size, PAGE);
	return block ? give(block, size) : fail(ENOMEM);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The truth, part 2: allocation calls that keep the ledger. They go through volatile pointers, so
 * that the compiler can neither drop a pair of malloc and free nor warn of an absurd size.
 * In a threaded program the caller holds a lock around them: statm is the whole process's.
 */
#ifndef TRUTH_CALLS_H
#define TRUTH_CALLS_H

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "truth.h"

static void *(*volatile libc_malloc)(size_t) = malloc;
static void *(*volatile libc_calloc)(size_t, size_t) = calloc;
static void *(*volatile libc_realloc)(void *, size_t) = realloc;
static void *(*volatile libc_reallocarray)(void *, size_t, size_t) = reallocarray;
static void (*volatile libc_free)(void *) = free;
static void *(*volatile libc_memalign)(size_t, size_t) = memalign;
static void *(*volatile libc_aligned_alloc)(size_t, size_t) = aligned_alloc;
static int (*volatile libc_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile libc_valloc)(size_t) = valloc;
#ifdef __GLIBC__
static void *(*volatile libc_pvalloc)(size_t) = pvalloc;
static int (*volatile libc_malloc_trim)(size_t) = malloc_trim;
#else /* musl has neither, and no mallopt: cases for it do without */
static void *(*volatile libc_pvalloc)(size_t) = valloc;
#define libc_malloc_trim(pad) (pad)
#define mallopt(parameter, value) ((void)(parameter), (value))
#endif

ALWAYS_INLINE uintptr_t t_malloc(size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_malloc(size);

	truth_request(before, block, size);
	return block;
}

ALWAYS_INLINE uintptr_t t_calloc(size_t count, size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_calloc(count, size);

	truth_request(before, block, count * size);
	return block;
}

ALWAYS_INLINE uintptr_t t_memalign(size_t alignment, size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_memalign(alignment, size);

	truth_request(before, block, size);
	return block;
}

ALWAYS_INLINE uintptr_t t_aligned_alloc(size_t alignment, size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_aligned_alloc(alignment, size);

	truth_request(before, block, size);
	return block;
}

ALWAYS_INLINE uintptr_t t_posix_memalign(size_t alignment, size_t size)
{
	struct truth_pages before = truth_pages();
	void *result = NULL;
	uintptr_t block;

	block = libc_posix_memalign(&result, alignment, size) ? 0 : (uintptr_t)result;
	truth_request(before, block, size);
	return block;
}

ALWAYS_INLINE uintptr_t t_valloc(size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_valloc(size);

	truth_request(before, block, size);
	return block;
}

/* The request is what the caller said, not the whole pages that pvalloc makes of it. */
ALWAYS_INLINE uintptr_t t_pvalloc(size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)libc_pvalloc(size);

	truth_request(before, block, size);
	return block;
}

ALWAYS_INLINE void t_free(uintptr_t block)
{
	struct truth_old old = truth_old(block);

	libc_free((void *)block);
	if (!block)
		return;
	truth_book_release(block,
			   old.header & CHUNK_MAPPED ? RELEASE_MUNMAP : truth_release_in_pool(old));
}

/* Not a release: nobody's block was given back by it. */
ALWAYS_INLINE void t_malloc_trim(void)
{
	uintptr_t before = truth_break();

	libc_malloc_trim(0);
	truth.shrunk_pages += (before - truth_break()) / PAGE;
}

/*
 * A block that had a mapping: glibc keeps it there by mremap, whatever the new size. Only where
 * mremap fails it takes another block, and unmaps the old one.
 */
ALWAYS_INLINE void truth_realloc_mapped(struct truth_old old, uintptr_t old_break, uintptr_t block,
					size_t size)
{
	struct truth_pages after = truth_pages();
	enum truth_path path = PATH_POOL;
	enum truth_release release = RELEASE_KEPT;
	uintptr_t new_break = truth_break();

	if (truth.mremap_denied && block != old.address) {
		release = RELEASE_MUNMAP;
		if (chunk_mapped(block))
			path = PATH_MMAP;
		else if (new_break > old_break)
			path = PATH_BRK;
		truth.grown_pages += (new_break - old_break) / PAGE;
	} else if (after.total != old.pages.total) {
		path = PATH_REMAP;
		release = RELEASE_REMAP;
	}
	truth_book_release(old.address, release);
	truth_book_request(block, size, path, truth_home_of(block));
}

/*
 * A block that had no mapping. The one call may grow (for the new block) and shrink (the old one
 * or the rest of it freed), so the break is asked, not summed up.
 */
ALWAYS_INLINE void truth_realloc_pooled(struct truth_old old, uintptr_t old_break, uintptr_t block,
					size_t size)
{
	struct truth_pages after = truth_pages();
	enum truth_path path = PATH_POOL;
	enum truth_release release = RELEASE_KEPT;
	uintptr_t new_break = truth_break();

	if (chunk_mapped(block)) {
		path = PATH_MMAP;
	} else if (chunk_header(block) & CHUNK_ARENA) {
		if (after.data > old.pages.data)
			path = PATH_ARENA;
	} else if (new_break > old_break) {
		path = PATH_BRK;
		truth.grown_pages += (new_break - old_break) / PAGE;
	} else if (after.data > old.pages.data) {
		path = PATH_ARENA;
	}
	if (!(old.header & CHUNK_ARENA) && new_break < old_break) {
		release = RELEASE_TRIM;
		truth.shrunk_pages += (old_break - new_break) / PAGE;
	} else if (old.header & CHUNK_ARENA) {
		old.pages = after; /* a heap never goes in a realloc of this program */
		release = truth_release_in_pool(old);
	}
	truth_book_release(old.address, release);
	truth_book_request(block, size, path, truth_home_of(block));
}

/* To size 0 some give a block, as any other, and some only free. */
ALWAYS_INLINE void truth_realloc_foreign(uintptr_t block, uintptr_t result, size_t size)
{
	if (size && !result) {
		truth.failed++;
		return;
	}
	truth_book_release(block, RELEASE_KEPT);
	if (result)
		truth_book_request(result, size, PATH_POOL, HOME_HEAP);
}

/* A failed one changes nothing; one to size 0 frees; one of NULL is a malloc. */
ALWAYS_INLINE uintptr_t t_realloc(uintptr_t block, size_t size)
{
	struct truth_old old = truth_old(block);
	uintptr_t old_break = truth_break();
	uintptr_t result = (uintptr_t)libc_realloc((void *)block, size);

	if (!block)
		truth_request(old.pages, result, size);
	else if (truth.foreign)
		truth_realloc_foreign(block, result, size);
	else if (!size)
		truth_book_release(block, old.header & CHUNK_MAPPED ? RELEASE_MUNMAP :
								      truth_release_in_pool(old));
	else if (!result)
		truth.failed++;
	else if (old.header & CHUNK_MAPPED)
		truth_realloc_mapped(old, old_break, result, size);
	else
		truth_realloc_pooled(old, old_break, result, size);
	return result;
}

/* To the allocator a realloc of the product. An overflow never gets there: it is no request. */
ALWAYS_INLINE uintptr_t t_reallocarray(uintptr_t block, size_t count, size_t size)
{
	struct truth_old old = truth_old(block);
	uintptr_t old_break = truth_break();
	uintptr_t result = (uintptr_t)libc_reallocarray((void *)block, count, size);

	if (!result)
		return 0;
	if (!block)
		truth_request(old.pages, result, count * size);
	else if (truth.foreign)
		truth_realloc_foreign(block, result, count * size);
	else if (old.header & CHUNK_MAPPED)
		truth_realloc_mapped(old, old_break, result, count * size);
	else
		truth_realloc_pooled(old, old_break, result, count * size);
	return result;
}

/*
 * glibc allocates one thing for a thread with a new stack: the vector of its TLS blocks, by
 * calloc: 14 spare entries, two of its own and one for each module with TLS (libc, and what is
 * preloaded), 16 bytes each. A stack from the cache still has its vector. Main thread only.
 */
#define TLS_VECTOR_BYTES ((14 + 2 + truth_tls_modules) * 16ul)
#define THREAD_STACK_BYTES (128ul << 10) /* small: glibc's cache of 40 MiB never overflows */

struct truth_thread {
	struct truth_pages pages;
	uintptr_t old_break;
};

ALWAYS_INLINE struct truth_thread truth_thread_before(void)
{
	return (struct truth_thread){ .pages = truth_pages(), .old_break = truth_break() };
}

static unsigned long truth_tls_modules;

static inline int truth_see_module(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (info->dlpi_tls_modid > truth_tls_modules)
		truth_tls_modules = info->dlpi_tls_modid;
	return 0;
}

/* A thread has been created: with a new stack, or with one of the cache? */
ALWAYS_INLINE void truth_thread_after(struct truth_thread before)
{
	uintptr_t new_break;

	if (truth_pages().total == before.pages.total)
		return;
#ifndef __GLIBC__
	return; /* musl has it in the thread's mapping */
#endif
	dl_iterate_phdr(truth_see_module, NULL);
	new_break = truth_break();
	truth.grown_pages += (new_break - before.old_break) / PAGE;
	truth_book_request(0, TLS_VECTOR_BYTES, new_break > before.old_break ? PATH_BRK : PATH_POOL,
			   HOME_HEAP);
}

ALWAYS_INLINE int t_pthread_create(pthread_t *thread, void *(*routine)(void *), void *argument)
{
	struct truth_thread before = truth_thread_before();
	pthread_attr_t attributes;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	error = pthread_create(thread, &attributes, routine, argument);
	pthread_attr_destroy(&attributes);
	if (!error)
		truth_thread_after(before);
	return error;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cases of adversary.c, a function each: bigger frames over a stale slot, and calls that share
 * an instruction or a frame with malloc's. adversary_flow.h has the rest.
 */
#ifndef ADVERSARY_CASES_H
#define ADVERSARY_CASES_H

#include <alloca.h>
#include <dlfcn.h>
#include <locale.h>
#include <sys/mman.h>

#include "truth_calls.h"
#include "truth_print.h"

#define MAX_THREADS 100ul
#define SMALL 64
#define LARGE 200000 /* above the threshold: a mapping of its own */
#define ODD 77777 /* no size that libc asks for itself */
#define BIG_FRAME 16384

static unsigned long rounds = 200;
static unsigned long stale;
static unsigned long handled;

/* Where malloc's return address was, and what it was. */
static volatile uintptr_t *slot;
static uintptr_t return_address;

ALWAYS_INLINE uintptr_t stack_pointer(void)
{
	uintptr_t value = 0;

#if defined(__x86_64__)
	__asm__ volatile("mov %%rsp, %0" : "=r"(value));
#endif
	return value;
}

/* Right after a call, in the frame that made it. */
ALWAYS_INLINE void note_slot(void)
{
	if (!stack_pointer())
		return;
	slot = (volatile uintptr_t *)(stack_pointer() - sizeof(uintptr_t));
	return_address = *slot;
}

/* In a bigger frame, right after the call that is to be none of malloc's. */
ALWAYS_INLINE void count_stale(void)
{
	if (slot && (uintptr_t)slot >= stack_pointer() && *slot == return_address)
		stale++;
}

static void print(const char *name, bool partial, bool expects_stale)
{
	truth_put_identity("adversary", name);
	if (stack_pointer() && expects_stale)
		truth_put_field("stale", stale);
	if (handled)
		truth_put_field("handled", handled);
	if (partial) {
		truth_put(", \"partial\": true");
		truth_put_sizes();
	} else {
		truth_put_ledger();
	}
	truth_send();
}

/* Makes the frame be there, and writes nothing into it. */
ALWAYS_INLINE void occupy(char *frame)
{
	__asm__ volatile("" : : "r"(frame) : "memory");
}

static NOINLINE uintptr_t deep_malloc(size_t size)
{
	uintptr_t block = t_malloc(size);

	note_slot();
	return block;
}

static void use_mapping(void)
{
	char *area = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(area, PAGE, PROT_READ | PROT_WRITE);
	munmap(area, 3 * PAGE);
}

static NOINLINE void own_same(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = t_malloc(SMALL);
		char *area = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		mprotect(area, PAGE, PROT_READ | PROT_WRITE);
		munmap(area, 3 * PAGE);
		t_free(block);
	}
}

/* The slot lies in this frame's array, which nobody writes to up there. */
static NOINLINE void deep_mapping(void)
{
	char frame[BIG_FRAME];
	char *area;

	occupy(frame);
	area = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(area, PAGE, PROT_READ | PROT_WRITE);
	munmap(area, 3 * PAGE);
	count_stale();
}

static NOINLINE void deep_sbrk(void)
{
	char frame[BIG_FRAME];

	occupy(frame);
	if (sbrk(PAGE) == (void *)-1)
		_exit(3);
	count_stale();
}

static NOINLINE void own_deep(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = deep_malloc(SMALL);

		if (i % 2)
			deep_sbrk();
		else
			deep_mapping();
		t_free(block);
		t_free(t_malloc(ODD));
	}
}

static NOINLINE void alloca_once(unsigned long round)
{
	uintptr_t block = t_malloc(SMALL);
	volatile char *area;

	note_slot();
	area = alloca(BIG_FRAME + round % 16);
	area[0] = 0;
	if (round % 2)
		sbrk(PAGE);
	else
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	count_stale();
	t_free(block);
}

static NOINLINE void own_alloca(void)
{
	for (unsigned long i = 0; i < rounds; i++)
		alloca_once(i);
}

static pthread_barrier_t barrier;
static pthread_t threads[MAX_THREADS];
static unsigned long nr_threads;

/* All live to the end, so that each has a new stack: a mapping that libc makes, not malloc. */
static void *idle(void *unused)
{
	pthread_barrier_wait(&barrier);
	return unused;
}

static void join_threads(void)
{
	pthread_barrier_wait(&barrier);
	while (nr_threads)
		pthread_join(threads[--nr_threads], NULL);
}

static NOINLINE void deep_pthread(void)
{
	char frame[BIG_FRAME];

	occupy(frame);
	if (t_pthread_create(&threads[nr_threads++], idle, NULL))
		_exit(3);
	count_stale();
}

static NOINLINE void frame_pthread(void)
{
	pthread_barrier_init(&barrier, NULL, (unsigned int)rounds + 1);
	for (unsigned long i = 0; i < rounds; i++) {
		deep_malloc(SMALL);
		deep_pthread();
	}
	join_threads();
}

static NOINLINE void deep_free(uintptr_t block)
{
	char frame[BIG_FRAME];

	occupy(frame);
	t_free(block);
	count_stale();
}

static NOINLINE void frame_free(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t mapped = t_malloc(LARGE), block = deep_malloc(SMALL);

		deep_free(mapped);
		t_free(block);
	}
}

static NOINLINE void deep_trim(void)
{
	char frame[BIG_FRAME];

	occupy(frame);
	t_malloc_trim();
	count_stale();
}

static NOINLINE void frame_trim(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		t_free(t_malloc(5000));
		t_free(deep_malloc(SMALL));
		deep_malloc(SMALL);
		deep_trim();
	}
}

static NOINLINE void deep_setlocale(unsigned long round)
{
	char frame[BIG_FRAME];

	occupy(frame);
	setlocale(LC_ALL, round % 2 ? "C" : "C.UTF-8");
	count_stale();
}

static NOINLINE void frame_setlocale(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = deep_malloc(ODD);

		deep_setlocale(i);
		t_free(block);
	}
}

static NOINLINE void deep_dlopen(void)
{
	char frame[BIG_FRAME];
	void *library;

	occupy(frame);
	library = dlopen("libm.so.6", RTLD_NOW);
	if (!library || dlclose(library))
		_exit(3);
	count_stale();
}

static NOINLINE void frame_dlopen(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = deep_malloc(ODD);

		deep_dlopen();
		t_free(block);
	}
}

typedef long (*any_function)(long, long, long, long, long, long);

#define ANY(function) ((any_function)(uintptr_t)(function))

/* The one call instruction for everything. */
static NOINLINE long one_call(any_function function, long a, long b, long c, long d, long e, long f)
{
	volatile long result = function(a, b, c, d, e, f);

	return result;
}

ALWAYS_INLINE uintptr_t one_call_malloc(size_t size)
{
	struct truth_pages before = truth_pages();
	uintptr_t block = (uintptr_t)one_call(ANY(libc_malloc), (long)size, 0, 0, 0, 0, 0);

	truth_request(before, block, size);
	return block;
}

static NOINLINE void call_mmap(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = one_call_malloc(SMALL);
		long area =
			one_call(ANY(mmap), 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		one_call(ANY(munmap), area, PAGE, 0, 0, 0, 0);
		t_free(block);
	}
}

static NOINLINE void call_free(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = one_call_malloc(i % 2 ? LARGE : SMALL);

		one_call(ANY(libc_free), (long)block, 0, 0, 0, 0, 0);
		truth_book_release(block, i % 2 ? RELEASE_MUNMAP : RELEASE_KEPT);
	}
}

static NOINLINE void call_pthread(void)
{
	pthread_attr_t attributes;

	pthread_barrier_init(&barrier, NULL, (unsigned int)rounds + 1);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	for (unsigned long i = 0; i < rounds; i++) {
		struct truth_thread before;

		one_call_malloc(SMALL);
		before = truth_thread_before();
		if (one_call(ANY(pthread_create), (long)&threads[nr_threads++], (long)&attributes,
			     (long)idle, 0, 0, 0))
			_exit(3);
		truth_thread_after(before);
	}
	join_threads();
}

/* At -O2 both are jumps: malloc and mmap see this function's caller as theirs. */
static NOINLINE __attribute__((optimize("O2"))) void *jump(bool map, size_t size)
{
	if (map)
		return mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return libc_malloc(size);
}

static NOINLINE void tail_wrapper(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		struct truth_pages before = truth_pages();
		uintptr_t block = (uintptr_t)jump(false, SMALL);

		truth_request(before, block, SMALL);
		munmap(jump(true, PAGE), PAGE);
		t_free(block);
	}
}

#endif

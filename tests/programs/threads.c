/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads CASE: allocation in several threads, exact to the path. Every call is made under one
 * lock, because the judgement looks at the whole process; the threads still run beside each other
 * and each keeps its arena.
 *
 *   arenas       4 threads fill and empty an arena each: growth, own mappings, shrinking
 *   cross        what one thread allocated another frees
 *   exit         threads end with full caches: freeing those is not a release
 *   reuse        threads one after the other get the same arena
 *   realloc      in place, moved, shrunk, into a mapping, to 0, in an arena
 *   failed       1 EiB, asked for in a thread and in the main thread
 *   first_free   a thread whose first call is free: the arena it makes belongs to no request
 *   first_mapped a thread whose first request gets a mapping of its own and an arena besides
 */
#include "truth_calls.h"
#include "truth_print.h"

#define NR_THREADS 4
#define EXBIBYTE (1ul << 60)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static uintptr_t handed[NR_THREADS][64];

static uintptr_t l_malloc(size_t size)
{
	uintptr_t block;

	pthread_mutex_lock(&lock);
	block = t_malloc(size);
	pthread_mutex_unlock(&lock);
	return block;
}

static uintptr_t l_calloc(size_t count, size_t size)
{
	uintptr_t block;

	pthread_mutex_lock(&lock);
	block = t_calloc(count, size);
	pthread_mutex_unlock(&lock);
	return block;
}

static uintptr_t l_memalign(size_t alignment, size_t size)
{
	uintptr_t block;

	pthread_mutex_lock(&lock);
	block = t_memalign(alignment, size);
	pthread_mutex_unlock(&lock);
	return block;
}

static uintptr_t l_realloc(uintptr_t block, size_t size)
{
	pthread_mutex_lock(&lock);
	block = t_realloc(block, size);
	pthread_mutex_unlock(&lock);
	return block;
}

static void l_free(uintptr_t block)
{
	pthread_mutex_lock(&lock);
	t_free(block);
	pthread_mutex_unlock(&lock);
}

static void *arenas(void *unused)
{
	uintptr_t blocks[80];
	int n = 0;

	pthread_barrier_wait(&barrier);
	blocks[n++] = l_malloc(100);
	for (int i = 0; i < 40; i++)
		blocks[n++] = l_malloc(100000);
	blocks[n++] = l_malloc(200000);
	blocks[n++] = l_calloc(300, 1000);
	blocks[n++] = l_memalign(4096, 10000);
	while (n > 10)
		l_free(blocks[--n]);
	/* again over ground that is still writable: no call, so the pool */
	for (int i = 0; i < 20; i++)
		blocks[n++] = l_calloc(1, 100000);
	pthread_barrier_wait(&barrier);
	return unused;
}

static void *cross(void *argument)
{
	unsigned long me = (unsigned long)argument;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 64; i++)
		handed[me][i] = l_malloc(i % 8 ? 500ul * (unsigned long)i : 150000);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 64; i++)
		l_free(handed[(me + 1) % NR_THREADS][i]);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void *full_caches(void *unused)
{
	uintptr_t blocks[7];

	for (size_t size = 16; size <= 1024; size += 48) {
		for (int i = 0; i < 7; i++)
			blocks[i] = l_malloc(size);
		for (int i = 0; i < 7; i++)
			l_free(blocks[i]);
	}
	return unused;
}

static void *resize(void *unused)
{
	uintptr_t block = l_malloc(100), wall;

	block = l_realloc(block, 104);
	wall = l_malloc(100);
	block = l_realloc(block, 50000);
	block = l_realloc(block, 120000);
	block = l_realloc(block, 1000);
	block = l_realloc(block, 300000);
	block = l_realloc(block, 600000);
	block = l_realloc(block, 600004);
	l_realloc(block, EXBIBYTE);
	l_realloc(block, 0);
	l_realloc(wall, 0);
	l_realloc(l_realloc(0, 77), 0);
	return unused;
}

static void *failed(void *unused)
{
	l_malloc(EXBIBYTE);
	l_free(l_malloc(100));
	l_malloc(EXBIBYTE);
	l_calloc(EXBIBYTE, 16);
	return unused;
}

static void *first_free(void *number)
{
	l_free(handed[0][(unsigned long)number]);
	l_malloc(100);
	return NULL;
}

static void *first_mapped(void *unused)
{
	uintptr_t block;

	/* all are alive, so none gets an arena that another has left */
	pthread_barrier_wait(&barrier);
	block = l_malloc(200000);
	l_malloc(100);
	l_free(block);
	return unused;
}

static void together(void *(*routine)(void *), bool in_turn)
{
	pthread_t threads[NR_THREADS];

	for (unsigned long i = 0; i < NR_THREADS; i++) {
		pthread_mutex_lock(&lock);
		if (t_pthread_create(&threads[i], routine, (void *)i))
			_exit(2);
		pthread_mutex_unlock(&lock);
		if (in_turn)
			pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < NR_THREADS && !in_turn; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "arenas";

	truth_start();
	/* any value fixes the threshold: one thread's free shall not move it for the others */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	l_malloc(10);
	if (!strcmp(name, "arenas")) {
		together(arenas, false);
	} else if (!strcmp(name, "cross")) {
		together(cross, false);
	} else if (!strcmp(name, "exit")) {
		together(full_caches, false);
		together(full_caches, false);
	} else if (!strcmp(name, "reuse")) {
		together(full_caches, true);
		together(resize, true);
	} else if (!strcmp(name, "realloc")) {
		together(resize, false);
	} else if (!strcmp(name, "failed")) {
		together(failed, false);
		failed(NULL);
	} else if (!strcmp(name, "first_free")) {
		for (int i = 0; i < NR_THREADS; i++)
			handed[0][i] = l_malloc(50);
		together(first_free, true);
	} else if (!strcmp(name, "first_mapped")) {
		together(first_mapped, false);
	} else {
		return 2;
	}
	truth_print("threads", name);
	truth_wait();
	return 0;
}

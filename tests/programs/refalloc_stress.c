/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refalloc_stress THREADS STEPS SEED [unwalked]: random calls of the whole family, with contents that
 * are checked, blocks handed from thread to thread, and the heap walked: after every step with one
 * thread, at the end with more. Ends by holding the ledger against what it has counted itself.
 * Exit 0: all was right; 77: the allocator is not refalloc; else a line on stderr says what is wrong.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/refalloc.h"
#include "../alloc/heap_walk.h"

#define SLOTS 300
#define SHARED 64

struct held {
	unsigned char *memory;
	size_t size;
	size_t usable; /* all of it is filled, and has to outlive a realloc */
	unsigned char fill;
};

struct worker {
	pthread_t thread;
	uint64_t random;
	unsigned long steps;
	struct held held[SLOTS];
	uint64_t requests, bytes, releases, released_bytes;
};

static const char *(*walk)(struct refalloc_walk *walk);
static int (*ledger_read)(struct refalloc_slot *total);
static struct held *shared[SHARED];
static int nr_workers;

#define DIE(...)                                                                                   \
	do {                                                                                       \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fputc('\n', stderr);                                                               \
		exit(1);                                                                           \
	} while (0)

static uint64_t draw(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random;
}

/* Mostly small, some that the heap has to grow for, few with a mapping of their own. */
static size_t draw_size(struct worker *worker)
{
	uint64_t kind = draw(worker) % 100, value = draw(worker);

	if (kind < 70)
		return value % 600;
	if (kind < 90)
		return value % 5000;
	if (kind < 98)
		return value % 100000;
	return value % 400000;
}

static void check_contents(const struct held *held, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (held->memory[i] != (unsigned char)(held->fill + i))
			DIE("byte %zu of a block of %zu has changed", i, held->size);
	}
}

static void fill(struct held *held)
{
	for (size_t i = 0; i < held->usable; i++)
		held->memory[i] = (unsigned char)(held->fill + i);
}

static void count_request(struct worker *worker, struct held *held, size_t alignment)
{
	if (!held->memory)
		DIE("no memory for %zu bytes", held->size);
	if ((uintptr_t)held->memory % alignment)
		DIE("%p is not aligned to %zu", (void *)held->memory, alignment);
	held->usable = malloc_usable_size(held->memory);
	if (held->usable < held->size)
		DIE("less than %zu bytes are usable", held->size);
	worker->requests++;
	worker->bytes += held->size;
}

static void count_release(struct worker *worker, const struct held *held)
{
	worker->releases++;
	worker->released_bytes += held->size;
}

static void release(struct worker *worker, struct held *held)
{
	check_contents(held, held->usable);
	if (held->memory)
		count_release(worker, held);
	errno = 123;
	free(held->memory);
	if (errno != 123)
		DIE("free has changed errno");
	memset(held, 0, sizeof(*held));
}

static void request(struct worker *worker, struct held *held)
{
	size_t alignment = 16;
	void *memory = NULL;

	held->size = draw_size(worker);
	held->fill = (unsigned char)draw(worker);
	switch (draw(worker) % 8) {
	case 0:
		held->memory = calloc(1, held->size);
		for (size_t i = 0; held->memory && i < held->size; i++) {
			if (held->memory[i])
				DIE("calloc: byte %zu of %zu is not zero", i, held->size);
		}
		break;
	case 1:
		alignment = (size_t)16 << draw(worker) % 10;
		held->memory = memalign(alignment, held->size);
		break;
	case 2:
		alignment = (size_t)16 << draw(worker) % 14;
		if (posix_memalign(&memory, alignment, held->size))
			DIE("posix_memalign(%zu, %zu)", alignment, held->size);
		held->memory = memory;
		break;
	case 3:
		held->memory = realloc(NULL, held->size);
		break;
	default:
		held->memory = malloc(held->size);
	}
	count_request(worker, held, alignment);
	fill(held);
}

static void resize(struct worker *worker, struct held *held)
{
	struct held old = *held;

	held->size = draw_size(worker) + 1;
	held->memory = realloc(held->memory, held->size);
	if (old.memory)
		count_release(worker, &old);
	count_request(worker, held, 16);
	check_contents(held, old.usable < held->size ? old.usable : held->size);
	fill(held);
}

/* What is exchanged lies in memory of the allocator's too. */
static void hand_over(struct worker *worker, struct held *held)
{
	struct held *mine, *other;

	if (!held->memory)
		return;
	mine = malloc(sizeof(*mine));
	worker->requests++;
	worker->bytes += sizeof(*mine);
	*mine = *held;
	memset(held, 0, sizeof(*held));
	other = __atomic_exchange_n(&shared[draw(worker) % SHARED], mine, __ATOMIC_ACQ_REL);
	if (!other)
		return;
	*held = *other;
	free(other);
	worker->releases++;
	worker->released_bytes += sizeof(*other);
	release(worker, held);
}

static void check_heap(void)
{
	struct refalloc_walk figures;
	const char *wrong;

	if (!walk)
		return;
	wrong = walk(&figures);
	if (wrong)
		DIE("%s", wrong);
	if (figures.used_bytes + figures.free_bytes > figures.heap_bytes + figures.arena_bytes)
		DIE("the blocks are more than the segments");
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	for (unsigned long step = 0; step < worker->steps; step++) {
		struct held *held = &worker->held[draw(worker) % SLOTS];

		switch (draw(worker) % 4) {
		case 0:
			resize(worker, held);
			break;
		case 1:
			hand_over(worker, held);
			break;
		default:
			if (held->memory)
				release(worker, held);
			else
				request(worker, held);
		}
		if (step % 5000 == 4999)
			malloc_trim(0);
		if (nr_workers == 1)
			check_heap();
	}
	for (int i = 0; i < SLOTS; i++)
		release(worker, &worker->held[i]);
	return NULL;
}

static void add_total(struct refalloc_slot *total, uint64_t sums[4])
{
	if (ledger_read(total))
		DIE("there is no ledger");
	for (int i = 0; i < NR_SIZE_CLASSES; i++) {
		for (int path = 0; path < NR_PATHS; path++)
			sums[0] += total->rows[i].count[path];
		sums[1] += total->rows[i].bytes;
	}
	for (int i = 0; i < NR_RELEASES; i++)
		sums[2] += total->releases[i];
	sums[3] = total->release_bytes;
}

int main(int argc, char **argv)
{
	uint64_t before[4] = { 0 }, after[4] = { 0 }, own[4] = { 0 };
	static struct refalloc_slot total;
	struct worker *workers;

	if (argc != 4 && argc != 5)
		DIE("usage: refalloc_stress THREADS STEPS SEED [unwalked]");
	walk = (const char *(*)(struct refalloc_walk *))dlsym(RTLD_DEFAULT, "refalloc_walk");
	ledger_read = (int (*)(struct refalloc_slot *))dlsym(RTLD_DEFAULT, "refalloc_ledger_read");
	if ((!walk && argc == 4) || !ledger_read)
		return 77;
	nr_workers = atoi(argv[1]);
	workers = calloc((size_t)nr_workers, sizeof(*workers));
	for (int i = 0; i < nr_workers; i++) {
		workers[i].random =
			strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15 + (uint64_t)i + 1;
		workers[i].steps = strtoul(argv[2], NULL, 0);
	}
	/* Threads themselves take memory: that is in before, or (with one) there are none. */
	add_total(&total, before);
	if (nr_workers == 1)
		work(&workers[0]);
	for (int i = 0; nr_workers > 1 && i < nr_workers; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			DIE("pthread_create");
	}
	for (int i = 0; nr_workers > 1 && i < nr_workers; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < SHARED; i++) {
		if (!shared[i])
			continue;
		release(&workers[0], shared[i]);
		count_release(&workers[0], &(struct held){ .size = sizeof(struct held) });
		free(shared[i]);
	}
	add_total(&total, after);
	check_heap();
	for (int i = 0; i < nr_workers; i++) {
		own[0] += workers[i].requests;
		own[1] += workers[i].bytes;
		own[2] += workers[i].releases;
		own[3] += workers[i].released_bytes;
	}
	/* pthread_create's own: the vectors of threads' storage, which are kept with their stacks. */
	for (int i = 0; i < 4; i++) {
		if (nr_workers == 1 ? after[i] - before[i] != own[i] :
				      after[i] - before[i] < own[i])
			DIE("figure %d: the ledger has %lu, the program %lu", i,
			    (unsigned long)(after[i] - before[i]), (unsigned long)own[i]);
	}
	printf("%lu requests of %lu bytes, %lu releases of %lu\n", (unsigned long)own[0],
	       (unsigned long)own[1], (unsigned long)own[2], (unsigned long)own[3]);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -O2 -fno-builtin-malloc -fno-builtin-realloc -fno-builtin-free */
/*
 * alloc_patterns PATTERN N: what programs do with an allocator, N times. Every block is written to
 * at both ends. Sizes and order are the same in every run.
 *
 *   fixed     a ring of 1,000 blocks of 64 bytes: the oldest is freed, a new one taken
 *   mixed     of 10,000 blocks a random one is freed, and one of another size taken
 *   batch     100,000 blocks are taken, then freed in the same order; N is of such batches
 *   handover  larson: two threads replace random blocks of theirs, end, and leave what they hold
 *             to the other's successor; N is of generations
 *   grow      16 arrays grow by half, one after the other, up to 1 MiB, and are filled; N is of such sets
 *   threads   mixed in two threads at once
 *   retain    400 blocks of 256 KiB, all written to, and a small one behind each; the large are
 *             freed, and the program goes on with small ones N times
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_RING 1000
#define MIXED_KEPT 10000
#define BATCH 100000
#define HANDOVER_KEPT 5000
#define HANDOVER_STEPS 50000
#define ARRAYS 16
#define RETAINED 400
#define RETAINED_BYTES (256 << 10)

static uint64_t draw(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static void *take(size_t size)
{
	char *block = malloc(size);

	if (!block)
		abort();
	block[0] = 1;
	block[size - 1] = 1;
	return block;
}

/* Sizes as programs have them: most small, some of a few KiB, few large. */
static size_t draw_size(uint64_t random)
{
	size_t kind = (random >> 20) % 1000, spread = (random >> 40) % 4096;

	if (kind < 800)
		return 8 + spread % 248;
	if (kind < 990)
		return 256 + spread;
	return kind < 999 ? 16384 + 8 * spread : 131072 + 32 * spread;
}

static void run_fixed(unsigned long count)
{
	void *ring[FIXED_RING] = { NULL };

	for (unsigned long i = 0; i < count; i++) {
		free(ring[i % FIXED_RING]);
		ring[i % FIXED_RING] = take(64);
	}
	for (int i = 0; i < FIXED_RING; i++)
		free(ring[i]);
}

static void replace_random(void **kept, unsigned int nr, unsigned long count, uint64_t *random)
{
	for (unsigned long i = 0; i < count; i++) {
		uint64_t value = draw(random);

		free(kept[value % nr]);
		kept[value % nr] = take(draw_size(value));
	}
}

static void run_mixed_seeded(unsigned long count, uint64_t random)
{
	void **kept = calloc(MIXED_KEPT, sizeof(*kept));

	if (!kept)
		abort();
	replace_random(kept, MIXED_KEPT, count, &random);
	for (int i = 0; i < MIXED_KEPT; i++)
		free(kept[i]);
	free(kept);
}

static void run_mixed(unsigned long count)
{
	run_mixed_seeded(count, 88172645463325252);
}

static void run_batch(unsigned long count)
{
	static void *blocks[BATCH];
	uint64_t random = 88172645463325252;

	while (count--) {
		for (int i = 0; i < BATCH; i++)
			blocks[i] = take(8 + draw(&random) % 248);
		for (int i = 0; i < BATCH; i++)
			free(blocks[i]);
	}
}

struct larson {
	pthread_t thread;
	void **kept;
	uint64_t random;
};

static void *larson__run(void *context)
{
	struct larson *larson = context;

	replace_random(larson->kept, HANDOVER_KEPT, HANDOVER_STEPS, &larson->random);
	return NULL;
}

static void run_handover(unsigned long count)
{
	static void *kept[2][HANDOVER_KEPT];
	struct larson larsons[2] = { { .random = 88172645463325252 },
				     { .random = 1442695040888963407 } };

	for (unsigned long i = 0; i < count; i++) {
		for (int j = 0; j < 2; j++) {
			larsons[j].kept = kept[(i + j) % 2];
			if (pthread_create(&larsons[j].thread, NULL, larson__run, &larsons[j]))
				abort();
		}
		for (int j = 0; j < 2; j++)
			pthread_join(larsons[j].thread, NULL);
	}
}

static void run_grow(unsigned long count)
{
	char *arrays[ARRAYS] = { NULL };

	while (count--) {
		for (size_t before = 0, size = 16; size < 1 << 20;
		     before = size, size += size / 2) {
			for (int i = 0; i < ARRAYS; i++) {
				arrays[i] = realloc(arrays[i], size);
				if (!arrays[i])
					abort();
				memset(arrays[i] + before, 1, size - before);
			}
		}
		for (int i = 0; i < ARRAYS; i++) {
			free(arrays[i]);
			arrays[i] = NULL;
		}
	}
}

static unsigned long threads_count;

static void *run_one_of_two(void *seed)
{
	run_mixed_seeded(threads_count, *(uint64_t *)seed);
	return NULL;
}

static void run_threads(unsigned long count)
{
	static uint64_t seeds[2] = { 88172645463325252, 1442695040888963407 };
	pthread_t threads[2];

	threads_count = count;
	for (int i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, run_one_of_two, &seeds[i]))
			abort();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void run_retain(unsigned long count)
{
	static void *large[RETAINED], *small[RETAINED];

	for (int i = 0; i < RETAINED; i++) {
		large[i] = take(RETAINED_BYTES);
		memset(large[i], 1, RETAINED_BYTES);
		small[i] = take(64);
	}
	for (int i = 0; i < RETAINED; i++)
		free(large[i]);
	for (unsigned long i = 0; i < count; i++) {
		free(small[i % RETAINED]);
		small[i % RETAINED] = take(64);
	}
}

static const struct pattern {
	const char *name;
	void (*run)(unsigned long count);
} patterns[] = {
	{ "fixed", run_fixed },	      { "mixed", run_mixed }, { "batch", run_batch },
	{ "handover", run_handover }, { "grow", run_grow },   { "threads", run_threads },
	{ "retain", run_retain },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (!strcmp(argv[1], patterns[i].name)) {
			patterns[i].run(strtoul(argv[2], NULL, 10));
			return 0;
		}
	}
	fputs("usage: alloc_patterns PATTERN N\n", stderr);
	return 2;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moves SEED OPERATIONS THREADS STOPS [set]: random requests around glibc's threshold, from several
 * threads: malloc, calloc, realloc, memalign, free, sizes up to 48 MiB; with "set" mallopt at random
 * times too, of the threshold in the middle. The first thread stops the process (SIGSTOP) STOPS
 * times, for someone to look at it; where these are several once more when the others have ended.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR_BLOCKS 64

static unsigned long nr_operations, nr_stops;
static int sets;
static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Mostly near 128 KiB, sometimes far above, often small. */
static size_t random_size(uint64_t *state)
{
	switch (next_random(state) % 8) {
	case 0:
		return next_random(state) % (48 << 20);
	case 1:
		return 131000 + next_random(state) % 120;
	case 2:
	case 3:
		return 100000 + next_random(state) % 400000;
	case 4:
		return next_random(state) % (2 << 20);
	default:
		return next_random(state) % 20000;
	}
}

static void set_something(uint64_t *state, int sets_threshold)
{
	static const int parameters[] = { M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD,
					  M_MMAP_MAX };
	int parameter = sets_threshold ? M_MMAP_THRESHOLD : parameters[next_random(state) % 4];
	int value = (int)(next_random(state) % (1 << 20));

	if (parameter == M_MMAP_MAX)
		value = (int)(next_random(state) % 20);
	mallopt(parameter, value);
}

static void *operate(void *argument)
{
	unsigned long first = (unsigned long)(uintptr_t)argument;
	uint64_t state = seed * 7919 + first * 104729 + 1;
	void **blocks = calloc(NR_BLOCKS, sizeof(*blocks));

	for (unsigned long i = 0; blocks && i < nr_operations; i++) {
		void **block = &blocks[next_random(&state) % NR_BLOCKS];
		size_t size = random_size(&state), alignment = 16UL << next_random(&state) % 9;
		void *larger;

		if (!first && nr_stops && i % (nr_operations / nr_stops + 1) == 0)
			kill(getpid(), SIGSTOP);
		if (sets && !first &&
		    (next_random(&state) % (nr_operations / 3 + 1) == 0 || i == nr_operations / 2))
			set_something(&state, i == nr_operations / 2);
		switch (next_random(&state) % 8) {
		case 0:
			larger = realloc(*block, size + 1);
			*block = larger ? larger : *block;
			break;
		case 1:
			free(*block);
			*block = calloc(1, size);
			break;
		case 2:
			free(*block);
			*block = memalign(alignment, size);
			break;
		case 3:
		case 4:
			free(*block);
			*block = NULL;
			break;
		default:
			free(*block);
			*block = malloc(size);
		}
	}
	for (int i = 0; blocks && i < NR_BLOCKS; i++)
		free(blocks[i]);
	free(blocks);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[16];
	unsigned long nr_threads;

	if (argc < 5)
		return 2;
	seed = strtoul(argv[1], NULL, 10);
	nr_operations = strtoul(argv[2], NULL, 10);
	nr_threads = strtoul(argv[3], NULL, 10);
	nr_stops = strtoul(argv[4], NULL, 10);
	sets = argc > 5 && strcmp(argv[5], "set") == 0;
	for (unsigned long i = 1; i < nr_threads && i < 16; i++)
		if (pthread_create(&threads[i], NULL, operate, (void *)(uintptr_t)i))
			return 1;
	operate(NULL);
	for (unsigned long i = 1; i < nr_threads && i < 16; i++)
		pthread_join(threads[i], NULL);
	if (nr_stops > 1)
		kill(getpid(), SIGSTOP);
	return 0;
}

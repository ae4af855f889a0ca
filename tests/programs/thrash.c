/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thrash [-o PARAMETER VALUE]... KIND ROUNDS: what another threshold or trim threshold would spare.
 * Every byte is written. Says "faults N" on stderr: page faults since main began.
 *
 *   map    a block of 256 KiB is asked for and freed, ROUNDS times
 *   mixed  the same with sizes from 100 KiB to 1 MiB, up to eight of them at once
 *   lifo   10,000 blocks of 2,000 bytes are asked for, and freed from the last one back
 *   fifo   the same, freed from the first one on
 *   calm   the same without the freeing, and 20 large blocks that are kept
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NR_BLOCKS 10000
#define BLOCK_BYTES 2000
#define NR_MIXED 8
#define NR_LARGE 20

static char *blocks[NR_BLOCKS];

static char *take(size_t size)
{
	char *block = malloc(size);

	if (!block)
		exit(1);
	memset(block, 1, size);
	return block;
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void take_all(void)
{
	for (int i = 0; i < NR_BLOCKS; i++)
		blocks[i] = take(BLOCK_BYTES);
}

static int run(const char *kind, unsigned long rounds)
{
	uint64_t state = 1;

	for (unsigned long i = 0; i < rounds; i++) {
		if (!strcmp(kind, "map")) {
			free(take(262144));
		} else if (!strcmp(kind, "mixed")) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			free(blocks[i % NR_MIXED]);
			blocks[i % NR_MIXED] = take(102400 + (state >> 33) % 946176);
		} else if (!strcmp(kind, "lifo")) {
			take_all();
			for (int j = NR_BLOCKS; j-- > 0;)
				free(blocks[j]);
		} else if (!strcmp(kind, "fifo")) {
			take_all();
			for (int j = 0; j < NR_BLOCKS; j++)
				free(blocks[j]);
		} else if (!strcmp(kind, "calm")) {
			take_all();
			for (int j = 0; j < NR_LARGE; j++)
				take(1 << 20);
		} else {
			return 2;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	long before = faults();
	int status, at = 1;

	for (; at + 2 < argc && !strcmp(argv[at], "-o"); at += 3)
		mallopt(atoi(argv[at + 1]), atoi(argv[at + 2]));
	if (at + 2 != argc)
		return 2;
	status = run(argv[at], strtoul(argv[at + 1], NULL, 10));
	fprintf(stderr, "faults %ld\n", faults() - before);
	return status;
}

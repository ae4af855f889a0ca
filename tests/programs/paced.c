/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paced US SECONDS: asks for a block of 64 or, one in four, 1000 bytes, then computes for US
 * microseconds, and so on for SECONDS; prints how many requests that were, how many large, and the
 * CPU time of it all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* By CPU time: what is taken away from this thread is not work. */
static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Rounds of an empty loop that take a second here. */
static double calibrate(void)
{
	double begin_s = cpu_s();

	for (volatile unsigned long i = 0; i < 20000000; i++)
		;
	return 20000000 / (cpu_s() - begin_s);
}

int main(int argc, char **argv)
{
	double us = argc == 3 ? strtod(argv[1], NULL) : 0;
	double end_s = now_s() + (argc == 3 ? strtod(argv[2], NULL) : 0);
	unsigned long rounds = (unsigned long)(us * 1e-6 * calibrate()), requests = 0, large = 0;
	double begin_cpu_s = cpu_s();

	while (now_s() < end_s) {
		for (int i = 0; i < 64; i++) {
			void *volatile block = malloc(i % 4 ? 64 : 1000);

			free(block);
			large += i % 4 == 0;
			requests++;
			for (volatile unsigned long j = 0; j < rounds; j++)
				;
		}
	}
	printf("{\"requests\": %lu, \"large\": %lu, \"cpu_s\": %.6f}\n", requests, large,
	       cpu_s() - begin_cpu_s);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sample.h"

#include "config.h"
#include "os.h"
#include "thread.h"

#define MAX_POINTS 10000

__attribute__((section(".probes"))) volatile unsigned short refalloc_request_semaphore,
	refalloc_release_semaphore, refalloc_grow_semaphore, refalloc_shrink_semaphore,
	refalloc_map_semaphore, refalloc_unmap_semaphore, otel_memory_alloc_semaphore,
	otel_memory_free_semaphore;

/* -ln(x), for x in (0, 1]: within 1e-7. No libm in a library that is preloaded into everything. */
static double minus_ln(double x)
{
	double power, square, sum = 0;
	int halvings = 0;

	while (x < 1) {
		x *= 2;
		halvings++;
	}
	/* ln x, of x in [1, 2), is 2 artanh((x - 1) / (x + 1)): a series in its odd powers */
	power = (x - 1) / (x + 1);
	square = power * power;
	for (int i = 1; i < 16; i += 2, power *= square)
		sum += power / i;
	return halvings * 0.69314718055994530942 - 2 * sum;
}

/* xorshift64*; the low bits are the weak ones. */
static __u64 draw(void)
{
	thread.random ^= thread.random >> 12;
	thread.random ^= thread.random << 25;
	thread.random ^= thread.random >> 27;
	return thread.random * 0x2545f4914f6cdd1dULL;
}

static long draw_distance(void)
{
	double uniform = (double)((draw() >> 11) + 1) / (double)(1ULL << 53);

	return (long)(minus_ln(uniform) * (double)config.sample) + 1;
}

void sample__begin(void)
{
	thread.random = (os__boot_ns() ^ (uintptr_t)&thread) | 1;
	for (int i = 0; i < 4; i++)
		draw();
	thread.countdown = draw_distance();
}

void sample__request(struct block *block, size_t bytes)
{
	size_t points = 0, bytes_left = bytes;

	if (bytes / config.sample > MAX_POINTS) {
		/* A draw for each would take long, and tell no more. */
		points = bytes / config.sample;
		bytes_left = 0;
	}
	thread.countdown -= bytes_left ? (long)bytes_left : 1;
	while (thread.countdown <= 0) {
		points++;
		thread.countdown += draw_distance();
	}
	if (!points)
		return;
	block__set_word(block, block->word | BLOCK_SAMPLED);
	PROBE(otel_memory, alloc, block__memory(block), bytes, points * config.sample);
}

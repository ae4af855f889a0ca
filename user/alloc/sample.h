/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Poisson sampling by bytes: points lie on the bytes that a thread asks for at exponential
 * distances, 512 KiB in the mean. A request that has points on it is sampled, and stands for their
 * number times the mean: the sum is an unbiased estimate of the bytes asked for. A sampled block
 * is marked, so that its free is told too. Nothing is done but while a probe is attached.
 */
#ifndef REFALLOC_SAMPLE_H
#define REFALLOC_SAMPLE_H

#include "block.h"
#include "probes.h"

void sample__begin(void); /* in a thread */
void sample__request(struct block *block, size_t bytes); /* zero bytes count as one */

static inline bool sample__is_on(void)
{
	return __builtin_expect(otel_memory_alloc_semaphore, 0);
}

#endif

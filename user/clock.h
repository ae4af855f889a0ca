/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_CLOCK_H
#define ALLOCPATH_CLOCK_H

#include <linux/types.h>
#include <time.h>

/* CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns. */
static inline __u64 clock__now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

#endif

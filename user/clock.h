/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_CLOCK_H
#define ALLOCPATH_CLOCK_H

#include <linux/types.h>
#include <time.h>

static inline __u64 clock__ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

/* CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns. */
static inline __u64 clock__now_ns(void)
{
	return clock__ns(CLOCK_MONOTONIC);
}

#endif

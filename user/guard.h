/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends what costs too much: in a host-wide run without a budget, traps may take a twentieth of the
 * host's CPU time over one second.
 */
#ifndef ALLOCPATH_GUARD_H
#define ALLOCPATH_GUARD_H

#include <linux/types.h>

#define GUARD_SAMPLES 10 /* of 100 ms */

struct collector;

/* All zero is one that has seen nothing. */
struct guard {
	__u64 traps[GUARD_SAMPLES + 1]; /* newest first */
	unsigned int nr;
	__u64 next_ns;
};

/*
 * Looks, if it is time, and detaches the collector's allocation probes if they cost too much: says
 * so on stderr and in detached_why. now_ns: CLOCK_MONOTONIC. The collector's bare_trap_ns is not 0.
 */
void guard__poll(struct guard *guard, struct collector *collector, __u64 now_ns);

#endif

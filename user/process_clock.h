/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU time of other processes, to the nanosecond, by their clocks; and how busy the host is. */
#ifndef ALLOCPATH_PROCESS_CLOCK_H
#define ALLOCPATH_PROCESS_CLOCK_H

#include <linux/types.h>
#include <stddef.h>
#include <sys/types.h>

struct process_clock {
	pid_t pid;
	double cpu_s;
};

/* CPU time of all threads of a process, running ones included. 0 or -errno: it is gone. */
int process_clock__read(pid_t pid, double *cpu_s);

/* All processes of the host, sorted by pid; the caller frees. 0 or -errno. */
int process_clock__read_all(struct process_clock **clocks, size_t *nr);

/* That of one of them; 0 where it is none. */
double process_clock__find(const struct process_clock *clocks, size_t nr, pid_t pid);

/* A start by CLOCK_BOOTTIME, in seconds of CLOCK_MONOTONIC. */
double process_clock__started_s(__u64 start_ns);

/*
 * CPUs that were busy on average since the last call, whose state the two hold. 1 where that
 * cannot be known.
 */
double process_clock__host_busy(double *busy_s, double *at_s);

#endif

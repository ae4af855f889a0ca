/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The windows of a budget: attaches the allocation probes of all files at the times that the plan
 * gives, detaches them again, and keeps what each window told of each process.
 */
#ifndef ALLOCPATH_WINDOWS_H
#define ALLOCPATH_WINDOWS_H

#include <pthread.h>

#include "window_plan.h"
#include "window_sums.h"

#define MAX_CLOSERS 32

struct collector;
struct process_clock;
struct window_process;

struct windows {
	struct collector *collector;
	struct window_plan plan;
	struct window_costs costs;
	struct profile_budget budget;
	double next_s, period_s; /* of the next window: CLOCK_MONOTONIC, and what it stands for */
	struct window_times *times; /* of all windows */
	size_t times_room;
	struct process_clock *first_clocks; /* CPU time of processes that were there before */
	size_t nr_first_clocks;
	struct window_process *processes; /* that asked for something; sorted by number */
	size_t nr_processes, processes_room;
	/* Detaching goes on behind the window's end. */
	int *closing;
	size_t nr_closing;
	pthread_t closers[MAX_CLOSERS];
	size_t nr_closers;
	__u64 closers_cpu_ns;
	double closed_s; /* when that began */
	int warming; /* descriptor of our own function's link while attached, or below 0 */
	bool own_calls_hit; /* while attached: this process is probed as all are */
	double busy_s; /* of the host's CPUs, when it was last looked at */
	double busy_at_s;
};

/* After the probes of the first files are chosen and before the run starts. 0 or -errno. */
int windows__open(struct windows *windows, struct collector *collector, double budget);

/* Runs the next window if it is due. 0 or -errno. */
int windows__poll(struct windows *windows);

/* Milliseconds until one is due, at most most_ms. */
int windows__due_ms(const struct windows *windows, int most_ms);

/* Waits for what is still being detached. */
void windows__finish(struct windows *windows);

/*
 * What the windows told of a process until now; sums->whole_d is that of now. The number of shares
 * is returned, which stay the windows'.
 */
size_t windows__of(struct windows *windows, const struct process *process,
		   struct profile_windows *sums, const struct profile_share **shares);

/* Forgets a process that was folded away. */
void windows__forget(struct windows *windows, __u32 id);

void windows__close(struct windows *windows);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the allocation probes are attached, where a budget bounds what they cost: in short windows,
 * one at a random time in each period. Times are seconds of CLOCK_MONOTONIC; no clock is read here.
 */
#ifndef ALLOCPATH_WINDOW_PLAN_H
#define ALLOCPATH_WINDOW_PLAN_H

#include <linux/types.h>
#include <stdbool.h>

/* What the edges of a window cost on this host, as measured. */
struct window_costs {
	double attach_s; /* wall time: a thread may meet probes all of it */
	double tail_s; /* from the begin of detaching until no probe is hit any more */
	double cpu_s; /* CPU time of attaching and detaching together */
	unsigned int nr_cpus;
};

struct window_plan {
	double budget; /* share of a thread's time, 0.01 for 1 % */
	double window_s; /* planned length */
	double exposure_s; /* of one thread to one window, its edges included */
	double period_s;
	double edges; /* what they take of one CPU, where the period is not stretched */
	double stretch; /* of the period, on a host that does little; 1: none */
	double period_start_s; /* of the period that is being planned */
	bool began; /* false: there was no window yet */
	__u64 random; /* state, never 0 */
};

/* budget is a share; seed is any number. */
void window_plan__init(struct window_plan *plan, double budget, __u64 seed);

/* Window and period from the costs of edges; takes effect with the next period. */
void window_plan__set_costs(struct window_plan *plan, const struct window_costs *costs);

/* Uniform in [0, 1). */
double window_plan__random(struct window_plan *plan);

/*
 * Where the next window starts: uniform in the next period, less what a window needs at its end.
 * A periodic program cannot keep in step with that. *period_s is the time that the window stands
 * for, which is its weight.
 */
double window_plan__next(struct window_plan *plan, double now_s, double *period_s);

/*
 * Close early? Where traps have taken half of all CPUs' time of the planned window. The time that
 * it was open is then the window's length, and its weight the greater.
 */
bool window_plan__is_spent(const struct window_plan *plan, double traps_s, unsigned int nr_cpus);

/*
 * After a window: periods up to 8 times as long while edges take more than two budgets' share of
 * what the host does, at most twice as long as before. busy is the share of one CPU that the host
 * was busy since the window before, own work included.
 */
void window_plan__adapt(struct window_plan *plan, double busy);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "window_plan.h"

#define LEAST_WINDOW_S 0.010
#define MOST_WINDOW_S 0.050
#define MOST_STRETCH 8
#define EDGES_OF_BUSY 2 /* budgets: the share of what the host does that edges may take */
#define SPENT_SHARE 0.5 /* of the CPUs' time in one window */

void window_plan__init(struct window_plan *plan, double budget, __u64 seed)
{
	*plan = (struct window_plan){
		.budget = budget,
		.window_s = LEAST_WINDOW_S,
		.exposure_s = LEAST_WINDOW_S,
		.period_s = LEAST_WINDOW_S / budget,
		.stretch = 1,
		.random = seed ? seed : 1,
	};
}

static double clamp(double value, double least, double most)
{
	if (value < least)
		return least;
	return value > most ? most : value;
}

void window_plan__set_costs(struct window_plan *plan, const struct window_costs *costs)
{
	double stolen_s = costs->nr_cpus ? costs->cpu_s / costs->nr_cpus : costs->cpu_s;

	plan->window_s = clamp(costs->cpu_s, LEAST_WINDOW_S, MOST_WINDOW_S);
	plan->exposure_s = plan->window_s + costs->attach_s + costs->tail_s;
	/* What the edges take from a busy host's CPUs is charged too. */
	plan->period_s = (plan->exposure_s + stolen_s) / plan->budget;
	plan->edges = costs->cpu_s / plan->period_s;
}

/* xorshift64*; the upper 53 bits. */
double window_plan__random(struct window_plan *plan)
{
	plan->random ^= plan->random >> 12;
	plan->random ^= plan->random << 25;
	plan->random ^= plan->random >> 27;
	return (double)((plan->random * 2685821657736338717ULL) >> 11) * 0x1p-53;
}

double window_plan__next(struct window_plan *plan, double now_s, double *period_s)
{
	double period = plan->period_s * plan->stretch, room, first;

	room = period > plan->exposure_s ? period - plan->exposure_s : 0;
	/*
	 * A period that was slept through has no window, its time is nobody's. Nor has one whose last
	 * start is past: a window that begins as soon as the one before is gone begins at a tick.
	 */
	if (!plan->began || plan->period_start_s + room < now_s)
		plan->period_start_s = now_s;
	plan->began = true;
	first = plan->period_start_s > now_s ? plan->period_start_s : now_s;
	room -= first - plan->period_start_s;
	plan->period_start_s += period;
	*period_s = period;
	return first + window_plan__random(plan) * room;
}

bool window_plan__is_spent(const struct window_plan *plan, double traps_s, unsigned int nr_cpus)
{
	return traps_s > SPENT_SHARE * plan->window_s * nr_cpus;
}

void window_plan__adapt(struct window_plan *plan, double busy)
{
	double most = busy > 0 ? plan->edges / (EDGES_OF_BUSY * plan->budget * busy) : MOST_STRETCH;

	if (most > 2 * plan->stretch)
		most = 2 * plan->stretch;
	plan->stretch = clamp(most, 1, MOST_STRETCH);
}

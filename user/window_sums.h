/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What windows have told of one process so far: sums that the estimator needs, in constant room
 * however long the run. Times are seconds.
 */
#ifndef ALLOCPATH_WINDOW_SUMS_H
#define ALLOCPATH_WINDOW_SUMS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "profile.h"

/* One window, and one process in it. */
struct window_part {
	double window_s; /* that it was open */
	double weight; /* time that it stands for, over its length and its probability */
	double cpu_s; /* the process's CPU time in it, traps and all; below 0: not known */
	double trap_s; /* cost of one trap */
	__u64 traps; /* of the process, in it */
	__u64 count, bytes; /* of its requests */
};

/* Requests of one size class in the same window. */
struct window_class {
	__u32 size_class;
	__u64 count;
};

/* A process's windows. Zeroed to begin with; window_sums__free at the end. */
struct window_sums {
	struct profile_windows sums;
	struct profile_share *shares; /* sorted by class */
	size_t nr_shares, room;
};

/* Takes in a window. classes are sorted, their counts sum to part->count. 0 or -ENOMEM. */
int window_sums__add(struct window_sums *sums, const struct window_part *part,
		     const struct window_class *classes, size_t nr_classes);

/* Takes in nr windows in which the process asked for nothing, and had cpu_s of time in all. */
void window_sums__add_empty(struct window_sums *sums, double nr, double cpu_s);

void window_sums__free(struct window_sums *sums);

#endif

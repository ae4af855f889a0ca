/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a profile says of a budget: its windows, and what they told of each process. */
#ifndef ALLOCPATH_PROFILE_WINDOWS_H
#define ALLOCPATH_PROFILE_WINDOWS_H

#include <linux/types.h>
#include <stdbool.h>

#include "estimate.h"

/* Of one window, CLOCK_MONOTONIC: a process may pay for it from attach_s to gone_s. */
struct window_times {
	double attach_s; /* attaching began */
	double open_s, close_s; /* requests were counted between */
	double gone_s; /* all was detached */
};

/* Of the whole run; nr 0 and share 0 without a budget. */
struct profile_budget {
	const struct window_times *times; /* of nr windows; NULL in a recording. Of the session's */
	double share; /* of a thread's time, 0.01 for 1 % */
	__u64 nr; /* windows */
	__u64 nr_early; /* closed early, since traps took too much of the host */
	double open_s; /* all windows together */
	double window_s, period_s; /* as planned last */
	double attach_s, tail_s; /* edges of a window, as planned with */
	double edge_cpu_s; /* own CPU time of attaching and detaching, all windows together */
};

/* Sums over the windows of one process; they add up and subtract as long as nothing is estimated. */
struct profile_windows {
	struct estimate_sums count, bytes;
	double counted, counted_bytes; /* in windows, exact */
	double traps_s; /* its traps, by what one costs */
	double dilated; /* requests, each by the share of traps in its window */
	double whole_d; /* own time of all the run, without traps */
	double share_d, share_dd; /* of all its requests; see struct estimate_share */
	double plain_d, most_d;
};

/* The same of one of its size classes. */
struct profile_share {
	__u32 size_class;
	double x, xx, xd;
	double plain_x, most_x;
};

#endif

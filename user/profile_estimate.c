/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile_estimate.h"

static double process__dilation(const struct profile_process *process)
{
	const struct profile_windows *windows = &process->windows;

	return windows->counted > 0 ? windows->dilated / windows->counted : 0;
}

static struct estimate_input process__input(const struct profile_process *process, bool of_bytes)
{
	const struct profile_windows *windows = &process->windows;

	return (struct estimate_input){
		.sums = of_bytes ? windows->bytes : windows->count,
		.counted = of_bytes ? windows->counted_bytes : windows->counted,
		.whole_d = windows->whole_d,
		.dilation = process__dilation(process),
		.clock_error = ESTIMATE_CLOCK_ERROR,
	};
}

static __u64 scaled(__u64 value, double scale)
{
	double product = (double)value * scale;

	return product < 1.8e19 ? (__u64)(product + 0.5) : ~0ULL;
}

static __u64 row__count(const struct size_row *row)
{
	__u64 count = 0;

	for (int path = 0; path < NR_PATHS; path++)
		count += row->count[path];
	return count;
}

/* A row keeps its mean size, which lies in its class. */
static void row__scale(struct size_row *row, double scale)
{
	__u64 before = row__count(row);

	for (int path = 0; path < NR_PATHS; path++)
		row->count[path] = scaled(row->count[path], scale);
	if (before)
		row->bytes = scaled(row->bytes, (double)row__count(row) / (double)before);
}

/* Rows first, and the sums of paths from them, so that both agree to the unit. */
static void process__scale(struct profile_process *process, double scale)
{
	struct process_counters *counters = &process->counters;
	__u64 in_rows = 0, in_paths = 0;
	int largest = 0;

	for (int path = 0; path < NR_PATHS; path++)
		counters->paths[path].count = 0;
	for (size_t i = 0; i < process->nr_sizes; i++) {
		struct size_row *row = &process->sizes[i].row;

		row__scale(row, scale);
		in_rows += row->bytes;
		for (int path = 0; path < NR_PATHS; path++)
			counters->paths[path].count += row->count[path];
	}
	for (int path = 0; path < NR_PATHS; path++) {
		counters->paths[path].bytes = scaled(counters->paths[path].bytes, scale);
		in_paths += counters->paths[path].bytes;
		if (counters->paths[path].bytes > counters->paths[largest].bytes)
			largest = path;
	}
	/* What rounding leaves. */
	counters->paths[largest].bytes += in_rows - in_paths;
	counters->failed = scaled(counters->failed, scale);
	counters->unknown_result = scaled(counters->unknown_result, scale);
	/* Down, so that they never are more than the rows. */
	for (size_t i = 0; i < process->nr_calls; i++) {
		process->calls[i].count = (__u64)((double)process->calls[i].count * scale);
		process->calls[i].bytes = (__u64)((double)process->calls[i].bytes * scale);
	}
}

void profile_process__estimate(struct profile_process *process)
{
	const struct profile_windows *windows = &process->windows;
	struct estimate_input requests = process__input(process, false);
	struct estimate_input bytes = process__input(process, true);

	if (process->is_estimated)
		return;
	process->is_estimated = true;
	process->requests_estimate = estimate__total(&requests);
	process->bytes_estimate = estimate__total(&bytes);
	if (windows->counted > 0)
		process__scale(process, process->requests_estimate.value / windows->counted);
}

void profile__estimate(struct profile *profile)
{
	if (!(profile->budget.share > 0))
		return;
	for (size_t i = 0; i < profile->nr_processes; i++)
		profile_process__estimate(&profile->processes[i]);
}

static const struct profile_share *process__find_share(const struct profile_process *process,
						       __u32 size_class)
{
	size_t low = 0, high = process->nr_shares;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (process->shares[middle].size_class < size_class)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == process->nr_shares || process->shares[low].size_class != size_class)
		return NULL;
	return &process->shares[low];
}

struct estimate profile_process__share(const struct profile_process *process, __u32 size_class)
{
	const struct profile_share *of = process__find_share(process, size_class);
	const struct profile_windows *windows = &process->windows;
	struct estimate_input input = process__input(process, false);
	struct estimate none = { .kind = ESTIMATE_FEW };
	struct estimate_share share = {
		.plain_d = windows->plain_d,
		.most_d = windows->most_d,
		.dilation = process__dilation(process),
	};

	if (!process->is_estimated)
		none.kind = ESTIMATE_EXACT;
	if (!process->is_estimated || !of)
		return none;
	share.sums = (struct estimate_sums){
		.nr = windows->count.nr,
		.x = of->x,
		.xx = of->xx,
		.xd = of->xd,
		.d = windows->share_d,
		.dd = windows->share_dd,
	};
	share.plain_x = of->plain_x;
	share.most_x = of->most_x;
	share.effective = estimate_sums__effective(&windows->count);
	share.is_alike = estimate__is_alike(&input);
	return estimate__share(&share);
}

static void subtract_doubles(void *from, const void *taken, size_t size)
{
	double *to = from;
	const double *values = taken;

	for (size_t i = 0; i < size / sizeof(double); i++)
		to[i] = fmax(to[i] - values[i], 0);
}

_Static_assert(sizeof(struct profile_windows) % sizeof(double) == 0, "doubles only");

void profile_process__subtract_windows(struct profile_process *now,
				       const struct profile_process *before)
{
	subtract_doubles(&now->windows, &before->windows, sizeof(now->windows));
	for (size_t i = 0; i < before->nr_shares; i++) {
		const struct profile_share *old = &before->shares[i];
		struct profile_share *share =
			(struct profile_share *)process__find_share(now, old->size_class);

		if (!share)
			continue;
		subtract_doubles(&share->x, &old->x, 5 * sizeof(double));
	}
}

void profile_budget__subtract(struct profile_budget *now, const struct profile_budget *before)
{
	if (now->times)
		now->times += before->nr;
	now->nr -= before->nr;
	now->nr_early -= before->nr_early;
	now->open_s -= before->open_s;
	now->edge_cpu_s -= before->edge_cpu_s;
}

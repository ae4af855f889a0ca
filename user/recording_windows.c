/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "recording_windows.h"
#include "size_class.h"

static void fill_sums(Recording__EstimateSums *into, const struct estimate_sums *from)
{
	recording__estimate_sums__init(into);
	into->nr = from->nr;
	into->x = from->x;
	into->xx = from->xx;
	into->d = from->d;
	into->dd = from->dd;
	into->xd = from->xd;
}

static void fill_estimate(Recording__Estimate *into, const struct estimate *from)
{
	recording__estimate__init(into);
	into->kind = from->kind;
	into->value = from->value;
	into->low = from->low;
	into->high = from->high;
}

static void fill_share(Recording__Share *into, const struct profile_share *from)
{
	recording__share__init(into);
	into->min = size_class__min(from->size_class);
	into->x = from->x;
	into->xx = from->xx;
	into->xd = from->xd;
	into->plain_x = from->plain_x;
	into->most_x = from->most_x;
}

int recording_windows__fill(struct recording_windows *windows,
			    const struct profile_process *process)
{
	Recording__Windows *message = &windows->message;
	const struct profile_windows *from = &process->windows;

	windows->shares = calloc(process->nr_shares + 1, sizeof(*windows->shares));
	windows->share_list = calloc(process->nr_shares + 1, sizeof(*windows->share_list));
	if (!windows->shares || !windows->share_list)
		return -ENOMEM;
	recording__windows__init(message);
	fill_sums(&windows->count, &from->count);
	fill_sums(&windows->bytes, &from->bytes);
	fill_estimate(&windows->requests, &process->requests_estimate);
	fill_estimate(&windows->request_bytes, &process->bytes_estimate);
	message->count = &windows->count;
	message->bytes = &windows->bytes;
	message->requests = &windows->requests;
	message->request_bytes = &windows->request_bytes;
	message->counted = from->counted;
	message->counted_bytes = from->counted_bytes;
	message->traps_s = from->traps_s;
	message->dilated = from->dilated;
	message->whole_d = from->whole_d;
	message->share_d = from->share_d;
	message->share_dd = from->share_dd;
	message->plain_d = from->plain_d;
	message->most_d = from->most_d;
	for (size_t i = 0; i < process->nr_shares; i++) {
		fill_share(&windows->shares[i], &process->shares[i]);
		windows->share_list[i] = &windows->shares[i];
	}
	message->share = windows->share_list;
	message->n_share = process->nr_shares;
	return 0;
}

void recording_windows__free(struct recording_windows *windows)
{
	free(windows->shares);
	free(windows->share_list);
}

void recording_windows__fill_budget(Recording__Budget *message, const struct profile_budget *budget)
{
	recording__budget__init(message);
	message->share = budget->share;
	message->nr = budget->nr;
	message->nr_early = budget->nr_early;
	message->open_s = budget->open_s;
	message->window_s = budget->window_s;
	message->period_s = budget->period_s;
	message->attach_s = budget->attach_s;
	message->tail_s = budget->tail_s;
	message->edge_cpu_s = budget->edge_cpu_s;
}

/* Sums of what is not negative. */
static bool is_sum(double value)
{
	return isfinite(value) && value >= 0;
}

/* What views write as whole numbers. */
static bool is_count(double value)
{
	return is_sum(value) && value < 0x1p63;
}

static bool are_sums(const double *values, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!is_sum(values[i]))
			return false;
	return true;
}

static int parse_sums(const Recording__EstimateSums *from, struct estimate_sums *into)
{
	if (!from)
		return 0;
	into->nr = from->nr;
	into->x = from->x;
	into->xx = from->xx;
	into->d = from->d;
	into->dd = from->dd;
	into->xd = from->xd;
	return are_sums(&into->nr, sizeof(*into) / sizeof(double)) ? 0 : -EINVAL;
}

static int parse_estimate(const Recording__Estimate *from, struct estimate *into)
{
	if (!from)
		return 0;
	if (from->kind > ESTIMATE_AT_LEAST || !is_count(from->value) || !is_count(from->low) ||
	    !is_count(from->high))
		return -EINVAL;
	into->kind = from->kind;
	into->value = from->value;
	into->low = from->low;
	into->high = from->high;
	return 0;
}

static int parse_share(const Recording__Share *from, struct profile_share *into)
{
	into->size_class = size_class__of(from->min);
	into->x = from->x;
	into->xx = from->xx;
	into->xd = from->xd;
	into->plain_x = from->plain_x;
	into->most_x = from->most_x;
	if (size_class__min(into->size_class) != from->min || !are_sums(&into->x, 5))
		return -EINVAL;
	return 0;
}

int recording_windows__parse(const Recording__Windows *message, struct profile_process *process)
{
	struct profile_windows *into = &process->windows;
	int error;

	error = parse_sums(message->count, &into->count);
	if (!error)
		error = parse_sums(message->bytes, &into->bytes);
	if (!error)
		error = parse_estimate(message->requests, &process->requests_estimate);
	if (!error)
		error = parse_estimate(message->request_bytes, &process->bytes_estimate);
	into->counted = message->counted;
	into->counted_bytes = message->counted_bytes;
	into->traps_s = message->traps_s;
	into->dilated = message->dilated;
	into->whole_d = message->whole_d;
	into->share_d = message->share_d;
	into->share_dd = message->share_dd;
	into->plain_d = message->plain_d;
	into->most_d = message->most_d;
	if (!are_sums(&into->counted, 9) || !is_count(into->counted) ||
	    !is_count(into->counted_bytes) || !is_count(into->count.nr))
		return -EINVAL;
	process->is_estimated = true;
	for (size_t i = 0; !error && i < message->n_share; i++) {
		struct profile_share *share = &process->shares[i];

		error = parse_share(message->share[i], share);
		/* Views rest on their order. */
		if (i && share->size_class <= share[-1].size_class)
			error = -EINVAL;
		process->nr_shares++;
	}
	return error;
}

int recording_windows__parse_budget(const Recording__Budget *message, struct profile_budget *budget)
{
	double values[] = { message->share,	message->open_s,   message->window_s,
			    message->period_s,	message->attach_s, message->tail_s,
			    message->edge_cpu_s };

	if (!are_sums(values, sizeof(values) / sizeof(values[0])))
		return -EINVAL;
	budget->share = message->share;
	budget->nr = message->nr;
	budget->nr_early = message->nr_early;
	budget->open_s = message->open_s;
	budget->window_s = message->window_s;
	budget->period_s = message->period_s;
	budget->attach_s = message->attach_s;
	budget->tail_s = message->tail_s;
	budget->edge_cpu_s = message->edge_cpu_s;
	return 0;
}

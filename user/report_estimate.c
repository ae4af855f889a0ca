/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Estimates, as people and programs read them. */
#include "estimate.h"
#include "json.h"
#include "profile_estimate.h"
#include "report_estimate.h"
#include "text.h"

#define MAX_WINDOW_TIMES 4096

/* [low, high], or null where there is no interval. */
static void json__interval(struct json *json, const char *name, const struct estimate *estimate)
{
	if (estimate->kind != ESTIMATE_INTERVAL) {
		json__null(json, name);
		return;
	}
	json__begin_array(json, name);
	json__double(json, NULL, estimate->low);
	json__double(json, NULL, estimate->high);
	json__end_array(json);
}

void report_estimate__write_json(struct json *json, const struct profile_process *process)
{
	const struct profile_windows *windows = &process->windows;
	double whole = windows->counted;

	if (!process->is_estimated)
		return;
	json__interval(json, "count_ci95", &process->requests_estimate);
	json__interval(json, "bytes_ci95", &process->bytes_estimate);
	json__bool(json, "at_least", process->requests_estimate.kind == ESTIMATE_AT_LEAST);
	json__u64(json, "counted", (__u64)whole);
	json__u64(json, "counted_bytes", (__u64)windows->counted_bytes);
	json__u64(json, "windows", (__u64)windows->count.nr);
	json__double(json, "effective_windows", estimate_sums__effective(&windows->count));
	json__double(json, "dilation", whole > 0 ? windows->dilated / whole : 0);
}

/* The last ones: of a day they would be most of a document. */
static void write_json_times(struct json *json, const struct profile_budget *budget)
{
	__u64 first = budget->nr > MAX_WINDOW_TIMES ? budget->nr - MAX_WINDOW_TIMES : 0;

	json__begin_array(json, "times_ns");
	for (__u64 i = first; budget->times && i < budget->nr; i++) {
		const struct window_times *times = &budget->times[i];

		json__begin_array(json, NULL);
		json__u64(json, NULL, (__u64)(times->attach_s * 1e9));
		json__u64(json, NULL, (__u64)(times->open_s * 1e9));
		json__u64(json, NULL, (__u64)(times->close_s * 1e9));
		json__u64(json, NULL, (__u64)(times->gone_s * 1e9));
		json__end_array(json);
	}
	json__end_array(json);
}

void report_estimate__write_json_budget(struct json *json, const struct profile *profile)
{
	const struct profile_budget *budget = &profile->budget;

	if (!(budget->share > 0)) {
		json__null(json, "budget");
		return;
	}
	json__begin_object(json, "budget");
	json__double(json, "percent", 100 * budget->share);
	json__u64(json, "windows", budget->nr);
	json__u64(json, "closed_early", budget->nr_early);
	json__double(json, "open_s", budget->open_s);
	json__double(json, "window_s", budget->window_s);
	json__double(json, "period_s", budget->period_s);
	json__double(json, "attach_s", budget->attach_s);
	json__double(json, "tail_s", budget->tail_s);
	json__double(json, "edge_cpu_s", budget->edge_cpu_s);
	write_json_times(json, budget);
	json__end_object(json);
}

void report_estimate__write_json_share(struct json *json, const struct profile_process *process,
				       __u32 size_class)
{
	struct estimate share = profile_process__share(process, size_class);

	if (share.kind == ESTIMATE_EXACT)
		return;
	if (share.value > 0)
		json__double(json, "share", share.value);
	else
		json__null(json, "share");
	json__interval(json, "share_ci95", &share);
}

/* What was looked at of the time, and that all that is said of requests comes from it. */
void report_estimate__write_budget(FILE *out, const struct profile *profile)
{
	const struct profile_budget *budget = &profile->budget;
	char share[TEXT_CELL], window[TEXT_CELL], period[TEXT_CELL];

	if (!budget->nr) {
		fputs("no window of the budget came in this time: requests are not known\n", out);
		return;
	}
	fprintf(out,
		"requests are estimates, from %llu window%s of %s, one in each %s: %s of this time\n",
		budget->nr, budget->nr == 1 ? "" : "s",
		text__seconds(window, sizeof(window), budget->open_s / (double)budget->nr),
		text__seconds(period, sizeof(period), budget->period_s),
		text__percent(share, sizeof(share), profile->coverage, 1));
	if (budget->nr < ESTIMATE_LEAST_WINDOWS)
		fprintf(out,
			"too few for intervals, which take %d; for all requests: --budget none\n",
			ESTIMATE_LEAST_WINDOWS);
}

static void write_interval(FILE *out, const struct profile_process *process, unsigned int width)
{
	const struct estimate *requests = &process->requests_estimate;
	const struct profile_windows *windows = &process->windows;
	double effective = estimate_sums__effective(&windows->count);
	char low[TEXT_CELL], high[TEXT_CELL], share[TEXT_CELL];

	if (requests->kind == ESTIMATE_INTERVAL)
		text__item(
			out, width, "",
			"95 of 100 such intervals hold the truth: %.0f to %.0f requests, %s to %s",
			requests->low, requests->high,
			text__bytes(low, sizeof(low), (__u64)process->bytes_estimate.low),
			text__bytes(high, sizeof(high), (__u64)process->bytes_estimate.high));
	else if (requests->kind == ESTIMATE_AT_LEAST)
		text__item(out, width, "",
			   "more, since traps took %s of its time in windows, where it asks for "
			   "less: see shares, or measure with --budget none",
			   text__percent(share, sizeof(share), windows->dilated, windows->counted));
	else
		text__item(out, width, "",
			   "no interval: %.0f windows, of which %.0f count, and %d and %d are "
			   "needed",
			   windows->count.nr, effective, ESTIMATE_LEAST_WINDOWS,
			   ESTIMATE_LEAST_EFFECTIVE);
}

void report_estimate__write(FILE *out, const struct profile_process *process, unsigned int width)
{
	char bytes[TEXT_CELL], counted[TEXT_CELL];
	bool is_bound = process->requests_estimate.kind == ESTIMATE_AT_LEAST;

	text__item(out, width, "requests", "%s %llu for %s; in windows %.0f for %s were counted",
		   is_bound ? "at least" : "about", profile_process__requests(process),
		   text__bytes(bytes, sizeof(bytes), profile_process__request_bytes(process)),
		   process->windows.counted,
		   text__bytes(counted, sizeof(counted), (__u64)process->windows.counted_bytes));
	if (process->windows.counted > 0)
		write_interval(out, process, width);
}

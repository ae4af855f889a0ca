/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON of "allocpath threshold --json", schema 1. What is not known is null, never 0. */
#include <errno.h>
#include <stdlib.h>

#include "json.h"
#include "report.h"
#include "report_moves.h"
#include "report_threshold.h"
#include "threshold.h"

#define SCHEMA 1

static void write_agreement(struct json *json, const struct threshold *threshold, bool is_followed)
{
	const struct rule *followed = is_followed ? &threshold->rule->followed : NULL;

	json__u64_or_null(json, "judged", followed, followed ? followed->judged : 0);
	json__u64_or_null(json, "agree", followed, followed ? followed->agree : 0);
	if (followed) {
		json__begin_object(json, "disagree");
		for (int i = 0; i < NR_RULE_REASONS; i++)
			json__u64(json, rule_reason__name(i), followed->disagree[i]);
		json__end_object(json);
	} else {
		json__null(json, "disagree");
	}
	json__u64_or_null(json, "unexplained", followed, followed ? followed->unexplained : 0);
	json__u64_or_null(json, "undecided", followed, followed ? followed->undecided : 0);
	json__u64_or_null(json, "crossings", followed, followed ? followed->crossings : 0);
	if (followed) {
		json__begin_object(json, "bracket");
		json__u64(json, "low", followed->state.low);
		json__u64_or_null(json, "high", followed->state.high != ~0ULL,
				  followed->state.high);
		json__end_object(json);
	} else {
		json__null(json, "bracket");
	}
}

static void write_advice(struct json *json, const struct threshold_advice *advice)
{
	if (!advice->given) {
		json__null(json, "advice");
		return;
	}
	json__begin_object(json, "advice");
	json__string(json, "setting", advice->setting);
	json__begin_object(json, "saves");
	json__u64(json, "calls", advice->calls);
	json__u64(json, "faults", advice->faults);
	json__u64(json, "bytes", advice->bytes);
	json__end_object(json);
	json__u64(json, "holds", advice->holds);
	json__end_object(json);
}

static int write_process(struct json *json, const struct threshold *threshold,
			 const struct profile *profile, struct symbols *symbols)
{
	const struct profile_process *process = threshold->process;
	enum probe_depth depth = profile_process__depth(process, profile->depth);
	const struct profile_rule *rule = threshold->rule;
	bool is_followed = rule && rule->is_glibc && depth == DEPTH_FULL;
	int error;

	json__begin_object(json, NULL);
	json__u64(json, "id", process->id);
	json__u64(json, "pid", process->pid);
	json__string(json, "comm", process->comm);
	json__string(json, "allocator", process->allocator);
	json__bool(json, "exited", process->exited);
	json__u64_or_null(json, "default", threshold->initial, threshold->initial);
	json__u64_or_null(json, "predicted", threshold->is_predicted, threshold->predicted);
	json__u64_or_null(json, "read", rule && rule->is_read, rule ? rule->read_threshold : 0);
	json__u64_or_null(json, "trim_threshold", threshold->is_predicted,
			  threshold->trim_threshold);
	json__u64_or_null(json, "read_trim_threshold", rule && rule->is_read,
			  rule ? rule->read_trim_threshold : 0);
	json__u64_or_null(json, "largest_not_mapped", threshold->has_not_mapped,
			  threshold->largest_not_mapped);
	json__u64_or_null(json, "smallest_mapped", threshold->has_mapped,
			  threshold->smallest_mapped);
	json__u64_or_null(json, "requests", depth != DEPTH_KERNEL,
			  profile_process__requests(process));
	write_agreement(json, threshold, is_followed);
	error = report_moves__write_json(json, profile, process, is_followed, symbols);
	json__string(json, "verdict", threshold->verdict);
	if (depth == DEPTH_KERNEL)
		json__null(json, "mapped_per_s");
	else
		json__double(json, "mapped_per_s", threshold->mapped_per_s);
	json__u64_or_null(json, "refaulted_bytes", rule, threshold->refaulted_bytes);
	write_advice(json, &threshold->advice);
	json__end_object(json);
	return error;
}

int report_threshold__write_json(FILE *out, const struct profile *profile, struct symbols *symbols)
{
	struct threshold *all = threshold__all(profile);
	struct json json = { .out = out };
	__u64 lost = 0;
	int error = 0;

	if (!all)
		return -ENOMEM;
	for (int i = 0; i < NR_LOSSES; i++)
		lost += profile->losses[i];
	json__begin_object(&json, NULL);
	json__u64(&json, "schema", SCHEMA);
	json__string(&json, "tool", "allocpath");
	json__string(&json, "version", ALLOCPATH_VERSION);
	json__string(&json, "probes", probe_depth__name(profile->depth));
	json__u64(&json, "start_ns", profile->start_ns);
	json__double(&json, "duration_s", profile->duration_s);
	json__u64(&json, "lost", lost);
	json__begin_array(&json, "processes");
	for (size_t i = 0; !error && i < profile->nr_processes; i++)
		error = write_process(&json, &all[i], profile, symbols);
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	free(all);
	return error ? error : report__flush(out);
}

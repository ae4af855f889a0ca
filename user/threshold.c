/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threshold.h"
#include "threshold_advice.h"

static const struct {
	const char *name;
	__u64 initial;
} defaults[] = {
	{ "glibc 2", 131072 }, /* bytes of chunk; of the others bytes of request */
	{ "musl 1.1", 229344 },
	{ "musl", 131052 },
	{ "mimalloc", 16777216 },
};

static __u64 allocator__initial(const char *allocator)
{
	for (size_t i = 0; allocator && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!strncmp(allocator, defaults[i].name, strlen(defaults[i].name)))
			return defaults[i].initial;
	return 0;
}

static __u64 less(__u64 from, __u64 taken)
{
	return from > taken ? from - taken : 0;
}

static void threshold__find_bracket(struct threshold *threshold, enum probe_depth depth)
{
	const struct profile_process *process = threshold->process;
	const struct profile_rule *rule = threshold->rule;
	__u64 min, max;

	if (depth == DEPTH_FULL && rule && rule->is_glibc) {
		threshold->has_not_mapped = rule->followed.largest_not_mapped;
		threshold->largest_not_mapped = rule->followed.largest_not_mapped - 1;
		threshold->has_mapped = rule->followed.smallest_mapped;
		threshold->smallest_mapped = ~rule->followed.smallest_mapped;
		return;
	}
	for (int path = 0; path < NR_PATHS; path++) {
		if (path == PATH_REMAP || !profile_process__limits(process, path, &min, &max))
			continue;
		if (path == PATH_MMAP) {
			threshold->has_mapped = true;
			threshold->smallest_mapped = min;
		} else {
			threshold->has_not_mapped = true;
			if (max > threshold->largest_not_mapped)
				threshold->largest_not_mapped = max;
		}
	}
}

/* What pins it, in the words that set it. */
static const char *pins__name(__u32 pins, char *text, size_t size)
{
	static const char *const names[][4] = {
		{ "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_",
		  "MALLOC_MMAP_MAX_" },
		{ "mallopt(M_TRIM_THRESHOLD)", "mallopt(M_TOP_PAD)", "mallopt(M_MMAP_THRESHOLD)",
		  "mallopt(M_MMAP_MAX)" },
		{ "glibc.malloc.trim_threshold", "glibc.malloc.top_pad",
		  "glibc.malloc.mmap_threshold", "glibc.malloc.mmap_max" },
	};
	static const int shifts[] = { 0, RULE_PIN_CALLED, RULE_PIN_TUNED };
	size_t used = 0;

	*text = 0;
	for (int how = 0; how < 3; how++)
		for (int i = 0; i < 4; i++)
			if (pins & (1U << i << shifts[how]) && used < size)
				used += (size_t)snprintf(text + used, size - used, "%s%s",
							 used ? ", " : "", names[how][i]);
	return text;
}

/* What is in mp_, where the rule was not followed. */
static void threshold__say_read(struct threshold *threshold)
{
	const struct profile_rule *rule = threshold->rule;
	char *verdict = threshold->verdict;

	if (rule->read_is_pinned)
		snprintf(verdict, THRESHOLD_TEXT, "pinned at %llu (read)", rule->read_threshold);
	else if (rule->read_threshold != threshold->initial)
		snprintf(verdict, THRESHOLD_TEXT, "raised to %llu (read)", rule->read_threshold);
	else
		snprintf(verdict, THRESHOLD_TEXT, "default (read)");
}

static void threshold__say_unknown(struct threshold *threshold)
{
	const struct rule_state *state = &threshold->rule->followed.state;
	char *verdict = threshold->verdict;
	int used;

	if (state->origin == RULE_PENDING)
		used = snprintf(verdict, THRESHOLD_TEXT,
				"unknown: its environment sets it, and could not be read");
	else if (state->origin != RULE_LATE)
		used = snprintf(verdict, THRESHOLD_TEXT,
				"unknown: two threads moved it at the same time");
	else
		used = snprintf(verdict, THRESHOLD_TEXT, "unknown: attached after start");
	if (state->low || state->high != ~0ULL)
		used += snprintf(verdict + used, (size_t)(THRESHOLD_TEXT - used),
				 "; by what was seen from %llu", state->low);
	if (state->high != ~0ULL)
		snprintf(verdict + used, (size_t)(THRESHOLD_TEXT - used), " to %llu", state->high);
	else if (state->low)
		snprintf(verdict + used, (size_t)(THRESHOLD_TEXT - used), " on");
}

static void threshold__say_known(struct threshold *threshold)
{
	const struct profile_rule *rule = threshold->rule;
	const struct rule_state *state = &rule->followed.state;
	char *verdict = threshold->verdict, by[128];

	pins__name(state->pins, by, sizeof(by));
	if (state->pins && !state->maps_max)
		snprintf(verdict, THRESHOLD_TEXT, "never mapped: M_MMAP_MAX is 0, by %s", by);
	else if (state->pins)
		snprintf(verdict, THRESHOLD_TEXT, "pinned at %llu by %s", state->low, by);
	else if (rule->followed.moves)
		snprintf(verdict, THRESHOLD_TEXT,
			 "raised to %llu by the free of a mapping of that size", state->low);
	else if (state->low != threshold->initial)
		snprintf(verdict, THRESHOLD_TEXT, "raised to %llu before its fork", state->low);
	else
		snprintf(verdict, THRESHOLD_TEXT, "default");
}

static void threshold__say(struct threshold *threshold, enum probe_depth depth)
{
	const struct profile_rule *rule = threshold->rule;
	const char *allocator = threshold->process->allocator;
	char *verdict = threshold->verdict;

	if (allocator && strncmp(allocator, "glibc", 5))
		snprintf(verdict, THRESHOLD_TEXT, "not glibc: %s", allocator);
	else if (!rule || !rule->is_glibc)
		snprintf(verdict, THRESHOLD_TEXT, "unknown: no allocator was seen");
	else if (depth != DEPTH_FULL && rule->is_read)
		threshold__say_read(threshold);
	else if (depth != DEPTH_FULL)
		snprintf(verdict, THRESHOLD_TEXT, "unknown: followed at --probes full only");
	else if (!threshold->is_predicted)
		threshold__say_unknown(threshold);
	else
		threshold__say_known(threshold);
}

/* First touches in own mappings, of requests. */
static __u64 process__own_touched(const struct profile_process *process)
{
	__u64 bytes = 0;

	for (size_t i = 0; i < process->nr_sizes; i++)
		bytes += process->sizes[i].row.own_touched_bytes;
	return bytes;
}

/* What was touched beyond the most that there ever was at once has been touched again. */
static void threshold__find_refaults(struct threshold *threshold, enum probe_depth depth)
{
	const struct process_counters *counters = &threshold->process->counters;
	const struct profile_rule *rule = threshold->rule;

	if (!rule || threshold->process->members > 1)
		return;
	threshold->heap_refaulted = less(counters->growth_touched_bytes, rule->heap_peak);
	if (depth == DEPTH_FULL)
		threshold->mapped_refaulted =
			less(process__own_touched(threshold->process), rule->followed.mapped_peak);
	threshold->refaulted_bytes = threshold->mapped_refaulted + threshold->heap_refaulted;
	/* At depth kernel nobody knows whose a mapping is: what is not resident was given back. */
	if (depth == DEPTH_KERNEL && rule->resident_anon)
		threshold->refaulted_bytes = less(counters->first_touch_bytes, rule->resident_anon);
	if (threshold->refaulted_bytes < threshold->heap_refaulted)
		threshold->refaulted_bytes = threshold->heap_refaulted;
}

void threshold__of(struct threshold *threshold, const struct profile_process *process,
		   const struct profile *profile)
{
	enum probe_depth depth = profile_process__depth(process, profile->depth);
	const struct profile_rule *rule = process->rule;

	memset(threshold, 0, sizeof(*threshold));
	threshold->process = process;
	threshold->rule = rule;
	threshold->initial = allocator__initial(process->allocator);
	if (!threshold->initial && rule && rule->is_glibc)
		threshold->initial = defaults[0].initial;
	if (rule && rule->is_glibc && depth == DEPTH_FULL && profile_rule__is_known(rule)) {
		threshold->is_predicted = true;
		threshold->predicted = rule->followed.state.low;
		threshold->trim_threshold = rule->followed.state.trim_threshold;
	}
	threshold__find_bracket(threshold, depth);
	if (profile->duration_s > 0)
		threshold->mapped_per_s =
			(double)(rule && depth == DEPTH_FULL && rule->is_glibc ?
					 rule->followed.mapped :
					 process->counters.paths[PATH_MMAP].count) /
			profile->duration_s;
	threshold__find_refaults(threshold, depth);
	threshold__say(threshold, depth);
	threshold__advise(threshold, depth);
}

static int threshold__compare(const void *left, const void *right)
{
	const struct threshold *a = left, *b = right;
	__u64 saves_a = a->advice.calls + a->advice.faults;
	__u64 saves_b = b->advice.calls + b->advice.faults;

	if (saves_a != saves_b)
		return saves_a > saves_b ? -1 : 1;
	if (a->refaulted_bytes != b->refaulted_bytes)
		return a->refaulted_bytes > b->refaulted_bytes ? -1 : 1;
	return a->process->id < b->process->id ? -1 : a->process->id > b->process->id;
}

struct threshold *threshold__all(const struct profile *profile)
{
	struct threshold *all = calloc(profile->nr_processes + 1, sizeof(*all));

	for (size_t i = 0; all && i < profile->nr_processes; i++)
		threshold__of(&all[i], &profile->processes[i], profile);
	if (all && profile->nr_processes)
		qsort(all, profile->nr_processes, sizeof(*all), threshold__compare);
	return all;
}

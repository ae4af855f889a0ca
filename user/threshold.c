/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threshold.h"

#define PAGE_BYTES 4096ULL
#define TOP_PAD (128ULL << 10)
#define GROWTH_BYTES (132ULL << 10) /* by which the break grows for small blocks */
#define MOST_DYNAMIC (32ULL << 20)

/* Below these no setting is worth its line. */
#define LEAST_CALLS 200
#define LEAST_BYTES (4ULL << 20)

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

/* The next power of two that is larger. */
static __u64 power_above(__u64 value)
{
	__u64 power = PAGE_BYTES;

	while (power <= value && power < 1ULL << 62)
		power *= 2;
	return power;
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

static const char *pins__name(__u32 pins, char *text, size_t size)
{
	static const char *const names[] = { "TRIM_THRESHOLD", "TOP_PAD", "MMAP_THRESHOLD",
					     "MMAP_MAX" };
	size_t used = 0;

	*text = 0;
	for (int called = 0; called < 2; called++)
		for (int i = 0; i < 4; i++)
			if (pins & (1U << i << called * RULE_PIN_CALLED) && used < size)
				used += (size_t)snprintf(text + used, size - used,
							 called ? "%smallopt(M_%s)" :
								  "%sMALLOC_%s_",
							 used ? ", " : "", names[i]);
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
static void threshold__find_refaults(struct threshold *threshold, enum probe_depth depth,
				     __u64 *mapped, __u64 *broken)
{
	const struct process_counters *counters = &threshold->process->counters;
	const struct profile_rule *rule = threshold->rule;

	*mapped = *broken = 0;
	if (!rule || threshold->process->members > 1)
		return;
	*broken = less(counters->growth_touched_bytes, rule->heap_peak);
	if (depth == DEPTH_FULL)
		*mapped =
			less(process__own_touched(threshold->process), rule->followed.mapped_peak);
	threshold->refaulted_bytes = *mapped + *broken;
	/* At depth kernel nobody knows whose a mapping is: what is not resident was given back. */
	if (depth == DEPTH_KERNEL && rule->resident_anon)
		threshold->refaulted_bytes = less(counters->first_touch_bytes, rule->resident_anon);
	if (threshold->refaulted_bytes < *broken)
		threshold->refaulted_bytes = *broken;
}

static void advice__set(struct threshold_advice *advice, const struct rule_state *state,
			__u64 mmap_threshold, __u64 trim_threshold)
{
	bool called = state->pins >> RULE_PIN_CALLED;
	size_t used = 0;

	/* What the program sets itself overrides the environment. */
	if (mmap_threshold)
		used = (size_t)snprintf(advice->setting, THRESHOLD_TEXT,
					called ? "mallopt(M_MMAP_THRESHOLD, %llu), " :
						 "MALLOC_MMAP_THRESHOLD_=%llu ",
					mmap_threshold);
	snprintf(advice->setting + used, THRESHOLD_TEXT - used,
		 called ? "mallopt(M_TRIM_THRESHOLD, %llu)" : "MALLOC_TRIM_THRESHOLD_=%llu",
		 trim_threshold);
	advice->given = true;
}

/*
 * Mappings made and given back again and again: a threshold above the largest of them keeps them
 * in the heap, as long as the break is not lowered between. The break to and fro: a trim threshold
 * above its swing keeps it up. What is needed once for the most at once stays.
 */
static void threshold__advise(struct threshold *threshold, enum probe_depth depth, __u64 mapped,
			      __u64 broken)
{
	const struct profile_rule *rule = threshold->rule;
	struct threshold_advice *advice = &threshold->advice;
	__u64 mmap_threshold = 0, need, calls;
	const struct rule *followed;
	bool raises;

	if (!rule || !rule->is_glibc || threshold->process->members > 1)
		return;
	followed = &rule->followed;
	need = rule->heap_peak / GROWTH_BYTES + 1;
	calls = less(followed->brk_growths + followed->brk_trims, need);
	if (!followed->brk_trims)
		calls = 0; /* it only grew */
	raises = depth == DEPTH_FULL && followed->mapped_released && followed->mapped_largest &&
		 (2 * followed->mapped_released >= LEAST_CALLS || mapped >= LEAST_BYTES);
	if (raises) {
		mmap_threshold = power_above(followed->mapped_largest);
		calls += less(followed->mapped + followed->mapped_released,
			      followed->mapped_peak / followed->mapped_largest + 1);
	} else if (threshold->is_predicted && threshold->predicted != threshold->initial) {
		/* A trim threshold that is set pins the other, which would have moved. */
		mmap_threshold = threshold->predicted;
	}
	if (calls < LEAST_CALLS && (raises ? mapped : 0) + broken < LEAST_BYTES)
		return;
	advice->calls = calls;
	advice->bytes = (raises ? mapped : 0) + (followed->brk_trims ? broken : 0);
	advice->faults = advice->bytes / PAGE_BYTES;
	advice->holds = rule->heap_peak + (raises ? followed->mapped_peak : 0);
	advice__set(advice, &followed->state, mmap_threshold,
		    power_above(advice->holds + 2 * TOP_PAD));
}

void threshold__of(struct threshold *threshold, const struct profile_process *process,
		   const struct profile *profile)
{
	enum probe_depth depth = profile_process__depth(process, profile->depth);
	const struct profile_rule *rule = process->rule;
	__u64 mapped, broken;

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
	threshold__find_refaults(threshold, depth, &mapped, &broken);
	threshold__say(threshold, depth);
	threshold__advise(threshold, depth, mapped, broken);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "threshold_advice.h"

#define PAGE_BYTES 4096ULL
#define TOP_PAD (128ULL << 10)
#define GROWTH_BYTES (132ULL << 10) /* by which the break grows for small blocks */

/* Below these no setting is worth its line. */
#define LEAST_CALLS 200
#define LEAST_BYTES (4ULL << 20)

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

/* In the words of what is in force already: mallopt overrides a tunable, and that a variable. */
static void advice__set(struct threshold_advice *advice, __u32 pins, __u64 mmap_threshold,
			__u64 trim_threshold)
{
	static const char *const forms[3][2] = {
		{ "MALLOC_MMAP_THRESHOLD_=%llu ", "MALLOC_TRIM_THRESHOLD_=%llu" },
		{ "glibc.malloc.mmap_threshold=%llu:", "glibc.malloc.trim_threshold=%llu" },
		{ "mallopt(M_MMAP_THRESHOLD, %llu), ", "mallopt(M_TRIM_THRESHOLD, %llu)" },
	};
	bool called = pins >> RULE_PIN_CALLED & RULE_PIN_MASK;
	bool tuned = pins >> RULE_PIN_TUNED & RULE_PIN_MASK;
	const char *const *form = forms[called ? 2 : tuned ? 1 : 0];
	size_t used = 0;

	if (tuned && !called)
		used += (size_t)snprintf(advice->setting, THRESHOLD_TEXT, "GLIBC_TUNABLES=");
	if (mmap_threshold)
		used += (size_t)snprintf(advice->setting + used, THRESHOLD_TEXT - used, form[0],
					 mmap_threshold);
	snprintf(advice->setting + used, THRESHOLD_TEXT - used, form[1], trim_threshold);
	advice->given = true;
}

/*
 * A trim threshold that is set keeps the other one from moving: it has to be set to where it has
 * moved, or, where that is not known, above all that was asked for. 0: it is where it began.
 */
static __u64 threshold__to_keep(const struct threshold *threshold)
{
	const struct profile_rule *rule = threshold->rule;
	__u64 largest = rule->followed.mapped_largest;

	if (threshold->is_predicted)
		return threshold->predicted == threshold->initial ? 0 : threshold->predicted;
	if (rule->is_read)
		return rule->read_threshold == threshold->initial ? 0 : rule->read_threshold;
	if (threshold->has_not_mapped && threshold->largest_not_mapped > largest)
		largest = threshold->largest_not_mapped;
	return largest < threshold->initial ? 0 : power_above(largest);
}

/* Page faults for so many bytes, as large as the process's were. */
static __u64 threshold__faults(const struct threshold *threshold, __u64 bytes)
{
	const struct process_counters *counters = &threshold->process->counters;
	__u64 faults = counters->faults[FAULT_FIRST_TOUCH];

	if (!faults || !counters->first_touch_bytes)
		return bytes / PAGE_BYTES;
	return (__u64)((double)bytes * (double)faults / (double)counters->first_touch_bytes);
}

/*
 * Mappings made and given back again and again: a threshold above the largest of them keeps them
 * in the heap, as long as the break is not lowered between. The break to and fro: a trim threshold
 * above its swing keeps it up. What is needed once for the most at once stays.
 */
void threshold__advise(struct threshold *threshold, enum probe_depth depth)
{
	const struct profile_rule *rule = threshold->rule;
	struct threshold_advice *advice = &threshold->advice;
	__u64 mmap_threshold = 0, calls = 0, bytes = 0, holds;
	const struct rule *followed;

	if (!rule || !rule->is_glibc || threshold->process->members > 1)
		return;
	followed = &rule->followed;
	advice->needs_full = depth == DEPTH_KERNEL &&
			     less(threshold->refaulted_bytes, threshold->heap_refaulted) >=
				     LEAST_BYTES;
	holds = rule->heap_peak;
	if (followed->brk_trims) {
		calls = less(followed->brk_growths + followed->brk_trims,
			     rule->heap_peak / GROWTH_BYTES + 1);
		bytes = threshold->heap_refaulted;
	}
	if (depth == DEPTH_FULL && followed->mapped_largest &&
	    (2 * followed->mapped_released >= LEAST_CALLS ||
	     threshold->mapped_refaulted >= LEAST_BYTES)) {
		mmap_threshold = power_above(followed->mapped_largest);
		calls += less(followed->mapped + followed->mapped_released,
			      followed->mapped_peak / followed->mapped_largest + 1);
		bytes += threshold->mapped_refaulted;
		holds += followed->mapped_peak;
	}
	if (calls < LEAST_CALLS && bytes < LEAST_BYTES)
		return;
	if (!mmap_threshold)
		mmap_threshold = threshold__to_keep(threshold);
	advice->calls = calls;
	advice->bytes = bytes;
	advice->faults = threshold__faults(threshold, bytes);
	advice->holds = holds;
	advice__set(advice, followed->state.pins, mmap_threshold, power_above(holds + 2 * TOP_PAD));
}

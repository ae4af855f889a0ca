/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "profile_rule.h"

void profile_rule__free(struct profile_rule *rule)
{
	if (!rule)
		return;
	for (size_t i = 0; i < rule->nr_moves; i++)
		free(rule->moves[i].place);
	free(rule->moves);
	free(rule->points);
	free(rule);
}

static __u64 larger(__u64 left, __u64 right)
{
	return left > right ? left : right;
}

void profile_rule__add(struct profile_rule *into, const struct profile_rule *from)
{
	struct rule *to = &into->followed;
	const struct rule *more = &from->followed;

	to->state.low = 0;
	to->state.high = ~0ULL;
	to->state.origin = RULE_LATE;
	to->moves += more->moves;
	to->judged += more->judged;
	to->agree += more->agree;
	for (int i = 0; i < NR_RULE_REASONS; i++)
		to->disagree[i] += more->disagree[i];
	to->unexplained += more->unexplained;
	to->undecided += more->undecided;
	to->largest_not_mapped = larger(to->largest_not_mapped, more->largest_not_mapped);
	to->smallest_mapped = larger(to->smallest_mapped, more->smallest_mapped);
	to->crossings += more->crossings;
	to->mapped += more->mapped;
	to->mapped_largest = larger(to->mapped_largest, more->mapped_largest);
	to->mapped_peak += more->mapped_peak;
	to->mapped_live += more->mapped_live;
	to->mapped_released += more->mapped_released;
	to->brk_growths += more->brk_growths;
	to->brk_trims += more->brk_trims;
	into->heap_peak += from->heap_peak;
	into->is_glibc |= from->is_glibc;
	into->is_read = false;
	into->resident_anon = 0;
}

bool profile_rule__is_known(const struct profile_rule *rule)
{
	return rule->followed.state.low == rule->followed.state.high;
}

const char *rule_pin__parameter(__u32 pin)
{
	switch (pin) {
	case RULE_PIN_TRIM:
		return "M_TRIM_THRESHOLD";
	case RULE_PIN_TOP_PAD:
		return "M_TOP_PAD";
	case RULE_PIN_THRESHOLD:
		return "M_MMAP_THRESHOLD";
	case RULE_PIN_MAPS_MAX:
		return "M_MMAP_MAX";
	}
	return NULL;
}

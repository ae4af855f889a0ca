/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "code_ranges.h"

#include <errno.h>
#include <stdlib.h>

/* Steps out of ranges that end too early. Real symbols nest two or three deep. */
#define MAX_STEPS 4096

int code_ranges__add(struct code_ranges *ranges, const struct code_range *range)
{
	if (ranges->nr == ranges->room) {
		size_t room = ranges->room ? 2 * ranges->room : 256;
		struct code_range *more;

		if (room > CODE_RANGES_MAX)
			return -EFBIG;
		more = realloc(ranges->ranges, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		ranges->ranges = more;
		ranges->room = room;
	}
	ranges->ranges[ranges->nr++] = *range;
	return 0;
}

/* By start, the wider first; then in an order that does not hang on qsort. */
static int compare(const void *left, const void *right)
{
	const struct code_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

static bool holds(const struct code_range *range, __u64 at)
{
	return at - range->start < range->size;
}

void code_ranges__sort(struct code_ranges *ranges)
{
	struct code_range *more;
	size_t i;

	if (!ranges->nr)
		return;
	qsort(ranges->ranges, ranges->nr, sizeof(*ranges->ranges), compare);
	for (i = 0; i < ranges->nr; i++) {
		struct code_range *range = &ranges->ranges[i];
		size_t outer = i;

		/* What the one before has passed by ends before this one too. */
		while (outer && !holds(&ranges->ranges[outer - 1], range->start))
			outer = ranges->ranges[outer - 1].outer;
		range->outer = (__u32)outer;
	}
	more = realloc(ranges->ranges, ranges->nr * sizeof(*more));
	if (more) {
		ranges->ranges = more;
		ranges->room = ranges->nr;
	}
}

void code_ranges__free(struct code_ranges *ranges)
{
	free(ranges->ranges);
	*ranges = (struct code_ranges){ 0 };
}

/* From the one with this index + 1 outwards. */
static const struct code_range *find_holder(const struct code_ranges *ranges, size_t index,
					    __u64 at)
{
	unsigned int steps;

	for (steps = 0; index && steps < MAX_STEPS; steps++) {
		const struct code_range *range = &ranges->ranges[index - 1];

		if (holds(range, at))
			return range;
		index = range->outer;
	}
	return NULL;
}

const struct code_range *code_ranges__find(const struct code_ranges *ranges, __u64 at)
{
	size_t low = 0, high = ranges->nr;
	const struct code_range *range;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->ranges[middle].start <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	range = find_holder(ranges, low, at);
	if (!range && !ranges->ranges[low - 1].size)
		range = &ranges->ranges[low - 1];
	return range;
}

const struct code_range *code_ranges__alias(const struct code_ranges *ranges,
					    const struct code_range *range, __u64 at)
{
	const struct code_range *before = range - 1;

	if (range == ranges->ranges || before->start != range->start)
		return NULL;
	/* Sorted wider first: all before it with this start hold it too, or are sized. */
	if (!range->size)
		return before->size ? NULL : before;
	return holds(before, at) ? before : NULL;
}

const struct code_range *code_ranges__outer(const struct code_ranges *ranges,
					    const struct code_range *range, __u64 at)
{
	return find_holder(ranges, range->outer, at);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "share.h"
#include "stack_origins.h"

bool stack_origins__has(const struct profile *profile)
{
	return profile->has_stacks && profile->depth == DEPTH_FULL;
}

/* By who asked, and for what; what was touched stands before what was given out untouched. */
static int origin__compare(const void *left, const void *right)
{
	const struct stack_row *a = left, *b = right;

	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	if (a->size_class != b->size_class)
		return a->size_class < b->size_class ? -1 : 1;
	if (a->function != b->function)
		return a->function < b->function ? -1 : 1;
	return (a->kind > b->kind) - (a->kind < b->kind);
}

static bool is_same_origin(const struct stack_row *a, const struct stack_row *b)
{
	return a->stack == b->stack && a->size_class == b->size_class && a->function == b->function;
}

/*
 * What was touched goes off what was given out untouched. Pages are touched whole, so a block's
 * may come to more than was asked for.
 */
static void subtract_touched(struct stack_row *rows, size_t nr)
{
	__u64 touched = 0;

	for (size_t i = 0; i < nr; i++) {
		__u64 taken;

		if (!i || !is_same_origin(&rows[i], &rows[i - 1]))
			touched = 0;
		if (rows[i].kind == SAMPLE_ORIGIN) {
			touched += rows[i].bytes;
			continue;
		}
		taken = touched < rows[i].bytes ? touched : rows[i].bytes;
		rows[i].bytes -= taken;
		touched -= taken;
	}
}

/* Estimates may come to more than there was; what they leave over is no known request's. */
static void fit_touched(struct stack_row *rows, size_t *nr, __u64 total)
{
	struct share share = { .total = total };
	__u64 sum = 0;

	for (size_t i = 0; i < *nr; i++)
		if (rows[i].kind == SAMPLE_ORIGIN)
			sum += rows[i].bytes;
	if (sum < total)
		rows[(*nr)++] = (struct stack_row){ .kind = SAMPLE_ORIGIN, .bytes = total - sum };
	if (sum <= total)
		return;
	share.weights = (double)sum;
	for (size_t i = 0; i < *nr; i++)
		if (rows[i].kind == SAMPLE_ORIGIN)
			rows[i].bytes = share__next(&share, (double)rows[i].bytes);
}

int stack_origins__make(const struct profile_process *process, struct stack_row **rows, size_t *nr)
{
	struct stack_row *made = calloc(process->nr_samples + 1, sizeof(*made));

	*nr = 0;
	*rows = made;
	if (!made)
		return -ENOMEM;
	for (size_t i = 0; i < process->nr_samples; i++) {
		const struct profile_sample *sample = &process->samples[i];

		if (sample->kind != SAMPLE_ORIGIN && sample->kind != SAMPLE_FRESH)
			continue;
		made[(*nr)++] = (struct stack_row){
			.stack = sample->stack,
			.kind = sample->kind,
			.path = sample->path,
			.function = sample->function,
			.size_class = sample->size_class,
			.samples = sample->samples,
			.bytes = sample->bytes,
		};
	}
	qsort(made, *nr, sizeof(*made), origin__compare);
	subtract_touched(made, *nr);
	fit_touched(made, nr, process->counters.first_touch_bytes);
	return 0;
}

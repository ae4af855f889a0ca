/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile_samples.h"

static int profile_sample__compare(const void *left, const void *right)
{
	const struct profile_sample *a = left, *b = right;

	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->size_class != b->size_class)
		return a->size_class < b->size_class ? -1 : 1;
	if (a->path != b->path)
		return a->path < b->path ? -1 : 1;
	return (a->function > b->function) - (a->function < b->function);
}

void profile_process__sort_samples(struct profile_process *process)
{
	struct profile_sample *samples = process->samples;
	size_t kept = 0;

	if (!process->nr_samples)
		return;
	qsort(samples, process->nr_samples, sizeof(*samples), profile_sample__compare);
	for (size_t i = 1; i < process->nr_samples; i++) {
		if (profile_sample__compare(&samples[kept], &samples[i])) {
			samples[++kept] = samples[i];
			continue;
		}
		samples[kept].samples += samples[i].samples;
		samples[kept].count += samples[i].count;
		samples[kept].bytes += samples[i].bytes;
	}
	process->nr_samples = kept + 1;
}

int profile_process__reserve_samples(struct profile_process *process, size_t nr)
{
	struct profile_sample *samples;

	if (!nr)
		return 0;
	samples = realloc(process->samples, (process->nr_samples + nr) * sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	process->samples = samples;
	return 0;
}

void profile_process__add_samples(struct profile_process *into, const struct profile_process *from)
{
	if (!from->nr_samples)
		return;
	memcpy(into->samples + into->nr_samples, from->samples,
	       from->nr_samples * sizeof(*into->samples));
	into->nr_samples += from->nr_samples;
	profile_process__sort_samples(into);
}

__u32 *profile__match_stacks(const struct profile *now, const struct profile *before)
{
	__u32 *matches = calloc(before->nr_stacks + 1, sizeof(*matches));
	__u32 *by_number, last = 0;

	for (size_t i = 0; i < now->nr_stacks; i++)
		if (now->stacks[i].number > last)
			last = now->stacks[i].number;
	by_number = calloc((size_t)last + 1, sizeof(*by_number));
	if (!matches || !by_number) {
		free(matches);
		free(by_number);
		return NULL;
	}
	for (size_t i = 0; i < now->nr_stacks; i++)
		by_number[now->stacks[i].number] = (__u32)i + 1;
	for (size_t i = 0; i < before->nr_stacks; i++)
		if (before->stacks[i].number <= last)
			matches[i + 1] = by_number[before->stacks[i].number];
	free(by_number);
	return matches;
}

/* Estimates are rounded, each for itself: a difference below 0 is none. */
static __u64 less(__u64 value, __u64 taken)
{
	return value > taken ? value - taken : 0;
}

void profile_process__subtract_samples(struct profile_process *now,
				       const struct profile_process *before, const __u32 *stacks)
{
	size_t kept = 0;

	for (size_t i = 0; i < before->nr_samples; i++) {
		struct profile_sample key = before->samples[i], *found;

		key.stack = stacks[key.stack];
		found = now->nr_samples ? bsearch(&key, now->samples, now->nr_samples, sizeof(key),
						  profile_sample__compare) :
					  NULL;
		if (!found)
			continue;
		found->samples = less(found->samples, key.samples);
		found->count = less(found->count, key.count);
		found->bytes = less(found->bytes, key.bytes);
	}
	for (size_t i = 0; i < now->nr_samples; i++)
		if (now->samples[i].samples)
			now->samples[kept++] = now->samples[i];
	now->nr_samples = kept;
}

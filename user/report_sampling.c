/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "report_sampling.h"
#include "text.h"

#define MAX_NAMED 3

static const char *const kind_names[NR_TAKEN_KINDS] = {
	[SAMPLE_REQUEST] = "request",
	[SAMPLE_GROWN] = "grown",
	[SAMPLE_MAPPED] = "mapped",
	[SAMPLE_FAULT] = "fault",
};

const char *sample_kind__name(enum sample_kind kind)
{
	return kind < NR_TAKEN_KINDS ? kind_names[kind] : "?";
}

/* 95 times of 100 what the weights add up to is within this of what there was. */
static double sample_sums__error(const struct sample_sums *sums)
{
	return 1.96 * sqrt((double)sums->variance);
}

/* Stacks that end for want of a table, by the file that had none. */
struct cold_file {
	__u32 object; /* index + 1; 0: of no file that is known */
	__u64 samples;
};

struct stack_totals {
	__u64 seen, complete, cold;
	struct cold_file *files; /* those that stacks ended in, the most frequent first */
	size_t nr_files;
};

static int cold_file__compare(const void *left, const void *right)
{
	const struct cold_file *a = left, *b = right;

	if (a->samples != b->samples)
		return a->samples > b->samples ? -1 : 1;
	return (a->object > b->object) - (a->object < b->object);
}

static void stack_totals__add(struct stack_totals *totals, const struct profile *profile,
			      const struct profile_sample *sample)
{
	const struct profile_stack *stack;
	__u32 object = 0;

	totals->seen += sample->samples;
	if (!sample->stack || sample->stack > profile->nr_stacks)
		return;
	stack = &profile->stacks[sample->stack - 1];
	if (STACK_STATUS(stack->status) == STACK_COMPLETE)
		totals->complete += sample->samples;
	if (STACK_STATUS(stack->status) != STACK_NO_TABLE)
		return;
	totals->cold += sample->samples;
	if (stack->nr_frames)
		object = profile->frames[stack->first_frame + stack->nr_frames - 1].object;
	totals->files[object <= profile->nr_objects ? object : 0].samples += sample->samples;
}

static int stack_totals__make(struct stack_totals *totals, const struct profile *profile)
{
	*totals = (struct stack_totals){ 0 };
	totals->files = calloc(profile->nr_objects + 1, sizeof(*totals->files));
	if (!totals->files)
		return -ENOMEM;
	for (size_t i = 0; i <= profile->nr_objects; i++)
		totals->files[i].object = (__u32)i;
	for (size_t i = 0; i < profile->nr_processes; i++)
		for (size_t j = 0; j < profile->processes[i].nr_samples; j++)
			stack_totals__add(totals, profile, &profile->processes[i].samples[j]);
	qsort(totals->files, profile->nr_objects + 1, sizeof(*totals->files), cold_file__compare);
	while (totals->nr_files <= profile->nr_objects && totals->files[totals->nr_files].samples)
		totals->nr_files++;
	return 0;
}

static const char *cold_file__path(const struct cold_file *file, const struct profile *profile)
{
	return file->object ? profile->objects[file->object - 1].path : "[unknown]";
}

static void write_kind(FILE *out, const struct profile *profile, unsigned int width, int kind)
{
	static const char *const names[NR_TAKEN_KINDS] = {
		[SAMPLE_GROWN] = "growths of the heap",
		[SAMPLE_MAPPED] = "mappings",
		[SAMPLE_FAULT] = "faults",
	};
	const struct sample_sums *sums = &profile->sums[kind];

	if (names[kind] && sums->taken < sums->seen)
		text__item(out, width, "",
			   "too many at a time for a stack each: of %llu %s %llu were taken, which "
			   "stand for %llu, to within %.0f 95 times of 100",
			   sums->seen, names[kind], sums->taken, sums->weights,
			   ceil(sample_sums__error(sums)));
}

int report_sampling__write(FILE *out, const struct profile *profile, unsigned int width)
{
	char complete[TEXT_CELL], cold[TEXT_CELL];
	struct stack_totals totals;

	if (!profile->has_stacks)
		return 0;
	if (stack_totals__make(&totals, profile))
		return -ENOMEM;
	text__item(out, width, "stacks", "%llu taken: %s end at the root, %llu (%s) %s",
		   totals.seen,
		   totals.seen ? text__percent(complete, sizeof(complete), (double)totals.complete,
					       (double)totals.seen) :
				 "none",
		   totals.cold,
		   totals.seen ? text__percent(cold, sizeof(cold), (double)totals.cold,
					       (double)totals.seen) :
				 "none",
		   totals.nr_files ? "in a file whose table did not stand yet:" :
				     "for want of a table");
	for (size_t i = 0; i < totals.nr_files && i < MAX_NAMED; i++)
		text__item(out, width, "", "%llu in %s", totals.files[i].samples,
			   cold_file__path(&totals.files[i], profile));
	if (totals.nr_files > MAX_NAMED)
		text__item(out, width, "", "and in %zu more, which --json names",
			   totals.nr_files - MAX_NAMED);
	for (int kind = 0; kind < NR_TAKEN_KINDS; kind++)
		write_kind(out, profile, width, kind);
	free(totals.files);
	return 0;
}

int report_sampling__write_json(struct json *json, const struct profile *profile)
{
	struct stack_totals totals;

	if (!profile->has_stacks) {
		json__null(json, "stack_sampling");
		return 0;
	}
	if (stack_totals__make(&totals, profile))
		return -ENOMEM;
	json__begin_object(json, "stack_sampling");
	json__u64(json, "sample_bytes", profile->sample_bytes);
	json__u64(json, "taken", totals.seen);
	json__u64(json, "complete", totals.complete);
	json__u64(json, "cold", totals.cold);
	json__begin_array(json, "cold_files");
	for (size_t i = 0; i < totals.nr_files; i++) {
		json__begin_object(json, NULL);
		json__string(json, "file", cold_file__path(&totals.files[i], profile));
		json__u64(json, "samples", totals.files[i].samples);
		json__end_object(json);
	}
	json__end_array(json);
	for (int kind = SAMPLE_GROWN; kind < NR_TAKEN_KINDS; kind++) {
		const struct sample_sums *sums = &profile->sums[kind];

		json__begin_object(json, kind_names[kind]);
		json__u64(json, "seen", sums->seen);
		json__u64(json, "taken", sums->taken);
		json__u64(json, "sampled_out",
			  sums->seen > sums->taken ? sums->seen - sums->taken : 0);
		json__u64(json, "estimate", sums->weights);
		json__double(json, "error_ci95", sample_sums__error(sums));
		json__end_object(json);
	}
	json__end_object(json);
	free(totals.files);
	return 0;
}

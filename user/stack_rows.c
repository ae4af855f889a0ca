/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"
#include "stack_rows.h"

static int stack_row__compare(const void *left, const void *right)
{
	const struct stack_row *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->size_class != b->size_class)
		return a->size_class < b->size_class ? -1 : 1;
	if (a->path != b->path)
		return a->path < b->path ? -1 : 1;
	return (a->stack > b->stack) - (a->stack < b->stack);
}

/* The rows of one path of a class get its requests; their bytes become weights of the class's. */
static void scale_counts(struct stack_row *rows, size_t nr, __u64 requests)
{
	struct share share = { .total = requests };
	double scale;

	for (size_t i = 0; i < nr; i++)
		share.weights += (double)rows[i].count;
	scale = share.weights > 0 ? (double)requests / share.weights : 0;
	for (size_t i = 0; i < nr; i++) {
		rows[i].count = share__next(&share, (double)rows[i].count);
		rows[i].bytes = (__u64)((double)rows[i].bytes * scale + 0.5);
	}
}

static void scale_bytes(struct stack_row *rows, size_t nr, __u64 bytes)
{
	struct share share = { .total = bytes };

	for (size_t i = 0; i < nr; i++)
		share.weights += (double)rows[i].bytes;
	for (size_t i = 0; i < nr; i++)
		rows[i].bytes = share__next(&share, (double)rows[i].bytes);
}

struct stack_rows {
	struct stack_row *rows; /* as made: those of no sample come last */
	size_t nr;
};

/* Requests of a class of which no stack was taken. */
static void add_rest(struct stack_rows *made, const struct profile_size *size, int path)
{
	__u64 requests = 0;

	for (int i = 0; i < NR_PATHS; i++)
		requests += size->row.count[i];
	made->rows[made->nr++] = (struct stack_row){
		.kind = SAMPLE_REQUEST,
		.size_class = size->size_class,
		.path = (__u8)path,
		.count = size->row.count[path],
		.bytes = (__u64)((double)size->row.bytes * (double)size->row.count[path] /
				 (double)requests),
	};
}

/* One class: rows from first on, sorted by path, are its samples. */
static void finish_class(struct stack_rows *made, size_t first, const struct profile_size *size)
{
	size_t end = made->nr, at = first;

	for (int path = 0; path < NR_PATHS; path++) {
		size_t begin = at;

		while (at < end && made->rows[at].path == path)
			at++;
		if (at > begin)
			scale_counts(made->rows + begin, at - begin, size->row.count[path]);
		else if (size->row.count[path])
			add_rest(made, size, path);
	}
	scale_bytes(made->rows + first, made->nr - first, size->row.bytes);
}

/* Events of the kernel: rows from first on; what none of them can stand for gets one of its own. */
static void finish_kind(struct stack_rows *made, size_t first, __u8 kind, __u64 count, __u64 bytes)
{
	struct share share = { .total = count };
	struct stack_row rest = { .kind = kind };
	double weights = 0;

	for (size_t i = first; i < made->nr; i++) {
		share.weights += (double)made->rows[i].count;
		weights += (double)made->rows[i].bytes;
	}
	for (size_t i = first; kind == SAMPLE_FAULT && i < made->nr; i++)
		made->rows[i].count = share__next(&share, (double)made->rows[i].count);
	if (weights > 0)
		scale_bytes(made->rows + first, made->nr - first, bytes);
	else
		rest.bytes = bytes;
	if (share.weights <= 0)
		rest.count = count;
	if (rest.count || rest.bytes)
		made->rows[made->nr++] = rest;
}

static void copy_group(struct stack_rows *made, const struct stack_row *samples, size_t *at,
		       size_t nr, __u8 kind, __u16 size_class)
{
	while (*at < nr && samples[*at].kind == kind && samples[*at].size_class < size_class)
		(*at)++; /* of a class without requests: filtered, or gone with an interval */
	while (*at < nr && samples[*at].kind == kind && samples[*at].size_class == size_class)
		made->rows[made->nr++] = samples[(*at)++];
}

static void make(struct stack_rows *made, const struct profile_process *process,
		 const struct stack_row *samples)
{
	const struct process_counters *counters = &process->counters;
	const __u64 bytes[] = {
		[SAMPLE_GROWN] = counters->brk_grown_bytes,
		[SAMPLE_MAPPED] = counters->mmap_anon_bytes,
		[SAMPLE_FAULT] = counters->first_touch_bytes,
	};
	size_t nr = process->nr_samples, at = 0, first;

	for (size_t i = 0; i < process->nr_sizes; i++) {
		first = made->nr;
		copy_group(made, samples, &at, nr, SAMPLE_REQUEST, process->sizes[i].size_class);
		finish_class(made, first, &process->sizes[i]);
	}
	for (__u8 kind = SAMPLE_GROWN; kind < (__u8)NR_TAKEN_KINDS; kind++) {
		while (at < nr && samples[at].kind < kind)
			at++;
		first = made->nr;
		copy_group(made, samples, &at, nr, kind, 0);
		finish_kind(made, first, kind,
			    kind == SAMPLE_FAULT ? profile_process__faults(process) : 0,
			    bytes[kind]);
	}
}

int stack_rows__make(const struct profile_process *process, struct stack_row **rows, size_t *nr)
{
	size_t most = process->nr_samples + process->nr_sizes * NR_PATHS + NR_TAKEN_KINDS;
	struct stack_rows made = { .rows = calloc(most, sizeof(*made.rows)) };
	struct stack_row *samples = calloc(process->nr_samples + 1, sizeof(*samples));

	*nr = 0;
	*rows = NULL;
	if (!made.rows || !samples) {
		free(made.rows);
		free(samples);
		return -ENOMEM;
	}
	for (size_t i = 0; i < process->nr_samples; i++) {
		const struct profile_sample *sample = &process->samples[i];

		samples[i] = (struct stack_row){
			.stack = sample->stack,
			.kind = sample->kind,
			.path = sample->path,
			.function = sample->function,
			.size_class = sample->size_class,
			.samples = sample->samples,
			.count = sample->count,
			.bytes = sample->bytes,
		};
	}
	qsort(samples, process->nr_samples, sizeof(*samples), stack_row__compare);
	make(&made, process, samples);
	free(samples);
	*rows = made.rows;
	*nr = made.nr;
	return 0;
}

const char *stack_row__why(const struct stack_row *row)
{
	if (row->stack)
		return NULL;
	if (row->samples)
		return "[stack not kept]";
	return row->kind == SAMPLE_ORIGIN ? "[no request known]" : "[not sampled]";
}

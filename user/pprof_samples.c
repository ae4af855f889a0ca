/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pprof_samples.h"
#include "pprof_stacks.h"
#include "stack_origins.h"
#include "symbols.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define NOT_KEPT "[caller not kept]"
#define ANY_FUNCTION "[allocation function not kept]"

/* The order of the types in the file; those of the requests are left out at depth kernel. */
enum sample_value {
	VALUE_OBJECTS,
	VALUE_SPACE,
	VALUE_FAULTS,
	VALUE_TOUCHED,
	VALUE_GROWN,
	VALUE_MAPPED,
	VALUE_SAMPLES, /* where stacks are taken */
	VALUE_ORIGIN, /* where blocks are followed too */
	VALUE_UNTOUCHED,
	NR_SAMPLE_VALUES,
};

static const struct pprof_type sample_types[NR_SAMPLE_VALUES] = {
	[VALUE_OBJECTS] = { "alloc_objects", "count" },
	[VALUE_SPACE] = { "alloc_space", "bytes" },
	[VALUE_FAULTS] = { "faults", "count" },
	[VALUE_TOUCHED] = { "touched_space", "bytes" },
	[VALUE_GROWN] = { "grown_space", "bytes" },
	[VALUE_MAPPED] = { "mapped_space", "bytes" },
	[VALUE_SAMPLES] = { "samples", "count" },
	[VALUE_ORIGIN] = { "touched_by_origin_space", "bytes" },
	[VALUE_UNTOUCHED] = { "never_touched_space", "bytes" },
};

_Static_assert(NR_SAMPLE_VALUES <= PPROF_MAX_TYPES, "values of a sample");

/* What of a size class no caller is known of. */
struct rest {
	__u64 count[NR_PATHS];
	__u64 bytes;
};

struct samples {
	struct pprof *pprof;
	struct symbols *symbols; /* NULL: code is addresses */
	enum sample_value first; /* type of the first value */
	const struct profile_process *process;
	struct rest *rests; /* by the process's sizes */
	__u64 *mappings; /* ids, by the process's */
};

static __u64 take(__u64 *left, __u64 wanted)
{
	__u64 taken = wanted < *left ? wanted : *left;

	*left -= taken;
	return taken;
}

static void samples__add(struct samples *samples, __u64 leaf, __u64 caller, const __u64 *values,
			 const struct profile_size *size, enum alloc_path path)
{
	struct pprof_labels labels = {
		.pid = samples->process->pid,
		.comm = samples->process->comm,
		.path = size ? path__name(path) : NULL,
		.size = size ? size_class__min(size->size_class) : 0,
	};

	pprof__sample(samples->pprof, (__u64[]){ leaf, caller }, 2, values + samples->first,
		      &labels);
}

static int compare_sizes(const void *a, const void *b)
{
	const struct profile_size *x = a, *y = b;

	return (x->size_class > y->size_class) - (x->size_class < y->size_class);
}

/* The names at an address of a mapping; true: its function has one. */
static bool samples__frames(struct samples *samples, const struct profile_mapping *mapping,
			    __u64 address, const struct symbol_frame **frames, size_t *nr_frames)
{
	const struct symbol_object object = {
		.path = mapping->path,
		.build_id = mapping->build_id,
		.fd = -1,
	};
	const struct symbol_process code_of = { (pid_t)samples->process->pid,
						samples->process->start_ns };
	int error;

	*frames = NULL;
	*nr_frames = 0;
	if (!samples->symbols)
		return false;
	if (mapping->path[0] != '/' || !strncmp(mapping->path, "//anon", 6))
		error = symbols__jit_frames(samples->symbols, &code_of, address, frames, nr_frames);
	else
		error = symbols__frames(samples->symbols, &object,
					address - mapping->start + mapping->offset, frames,
					nr_frames);
	if (error)
		samples->pprof->error = error;
	return !error && (*frames)[*nr_frames - 1].function;
}

/*
 * Callers of a process that still ran when it was looked at have their file. The address is one
 * inside the call, as the format has it.
 */
static __u64 samples__caller(struct samples *samples, const struct profile_call *call)
{
	const struct profile_process *process = samples->process;
	__u64 address = call->caller ? call->caller - 1 : 0;
	const struct symbol_frame *frames;
	size_t nr_frames;

	if (!call->mapping || call->mapping > process->nr_mappings)
		return pprof__code(samples->pprof, 0, address, NULL, 0);
	samples__frames(samples, &process->mappings[call->mapping - 1], address, &frames,
			&nr_frames);
	return pprof__code(samples->pprof, samples->mappings[call->mapping - 1], address, frames,
			   nr_frames);
}

/* A mapping of which any caller has a name counts as named: who reads the file looks no further. */
static int samples__add_mappings(struct samples *samples)
{
	const struct profile_process *process = samples->process;
	bool *named = calloc(process->nr_mappings + 1, sizeof(*named));
	const struct symbol_frame *frames;
	size_t nr_frames;

	if (!named)
		return -ENOMEM;
	for (size_t i = 0; i < process->nr_calls; i++) {
		__u32 mapping = process->calls[i].mapping;

		if (mapping && mapping <= process->nr_mappings)
			named[mapping - 1] |=
				samples__frames(samples, &process->mappings[mapping - 1],
						process->calls[i].caller - 1, &frames, &nr_frames);
	}
	for (size_t i = 0; i < process->nr_mappings; i++)
		samples->mappings[i] =
			pprof__mapping(samples->pprof, &process->mappings[i], named[i]);
	free(named);
	return 0;
}

static void samples__add_calls(struct samples *samples)
{
	const struct profile_process *process = samples->process;
	__u64 location = 0;

	for (size_t i = 0; i < process->nr_calls; i++) {
		const struct profile_call *call = &process->calls[i];
		struct profile_size wanted = { .size_class = call->size_class }, *size;
		__u64 values[NR_SAMPLE_VALUES] = {};
		struct rest *rest;

		size = bsearch(&wanted, process->sizes, process->nr_sizes, sizeof(wanted),
			       compare_sizes);
		if (!size || call->path >= NR_PATHS)
			continue;
		rest = &samples->rests[size - process->sizes];
		values[VALUE_OBJECTS] = take(&rest->count[call->path], call->count);
		values[VALUE_SPACE] = take(&rest->bytes, call->bytes);
		if (!i || call->caller != call[-1].caller)
			location = samples__caller(samples, call);
		samples__add(samples,
			     pprof__name(samples->pprof, alloc_function__name(call->function)),
			     location, values, size, call->path);
	}
}

/* Bytes are known of a class, not of its paths: shared out by the requests. */
static void samples__add_rest(struct samples *samples, const struct profile_size *size,
			      struct rest *rest)
{
	__u64 count = 0;

	for (int path = 0; path < NR_PATHS; path++)
		count += rest->count[path];
	for (int path = 0; path < NR_PATHS; path++) {
		__u64 values[NR_SAMPLE_VALUES] = {};

		if (!rest->count[path])
			continue;
		values[VALUE_OBJECTS] = rest->count[path];
		values[VALUE_SPACE] = (unsigned __int128)rest->bytes * rest->count[path] / count;
		count -= rest->count[path];
		rest->bytes -= values[VALUE_SPACE];
		samples__add(samples, pprof__name(samples->pprof, ANY_FUNCTION),
			     pprof__name(samples->pprof, NOT_KEPT), values, size, path);
	}
}

static int samples__add_requests(struct samples *samples)
{
	const struct profile_process *process = samples->process;

	samples->rests = calloc(process->nr_sizes + 1, sizeof(*samples->rests));
	samples->mappings = calloc(process->nr_mappings + 1, sizeof(*samples->mappings));
	if (!samples->rests || !samples->mappings || samples__add_mappings(samples)) {
		free(samples->rests);
		free(samples->mappings);
		return -ENOMEM;
	}
	for (size_t i = 0; i < process->nr_sizes; i++) {
		memcpy(samples->rests[i].count, process->sizes[i].row.count,
		       sizeof(samples->rests[i].count));
		samples->rests[i].bytes = process->sizes[i].row.bytes;
	}
	samples__add_calls(samples);
	for (size_t i = 0; i < process->nr_sizes; i++)
		samples__add_rest(samples, &process->sizes[i], &samples->rests[i]);
	free(samples->rests);
	free(samples->mappings);
	return 0;
}

/* What the kernel counted has no caller: below the name of the process. */
static void samples__add_kernel(struct samples *samples, const char *frame, enum sample_value type,
				__u64 value)
{
	__u64 values[NR_SAMPLE_VALUES] = {};

	values[type] = value;
	if (value)
		samples__add(samples, pprof__name(samples->pprof, frame),
			     pprof__name(samples->pprof, samples->process->comm), values, NULL, 0);
}

static void samples__add_faults(struct samples *samples)
{
	const struct process_counters *counters = &samples->process->counters;
	__u64 left = counters->first_touch_bytes;
	char frame[64];

	for (int i = 0; i < NR_FAULT_CLASSES; i++) {
		snprintf(frame, sizeof(frame), "[fault: %s]", fault_class__name(i));
		samples__add_kernel(samples, frame, VALUE_FAULTS, counters->faults[i]);
	}
	for (int i = 0; i < NR_REGIONS; i++) {
		snprintf(frame, sizeof(frame), "[touched: %s]", region__name(i));
		samples__add_kernel(samples, frame, VALUE_TOUCHED,
				    take(&left, counters->first_touch_region_bytes[i]));
	}
	samples__add_kernel(samples, "[touched: elsewhere]", VALUE_TOUCHED, left);
}

/* Of a row of one kind: what its numbers are. */
static void fill_values(__u64 *values, const struct stack_row *row)
{
	/* What is due to a request has the stack that was taken of it, or of a fault. */
	if (row->kind <= SAMPLE_FAULT)
		values[VALUE_SAMPLES] = row->samples;
	switch (row->kind) {
	case SAMPLE_REQUEST:
		values[VALUE_OBJECTS] = row->count;
		values[VALUE_SPACE] = row->bytes;
		break;
	case SAMPLE_GROWN:
		values[VALUE_GROWN] = row->bytes;
		break;
	case SAMPLE_MAPPED:
		values[VALUE_MAPPED] = row->bytes;
		break;
	case SAMPLE_ORIGIN:
		values[VALUE_ORIGIN] = row->bytes;
		break;
	case SAMPLE_FRESH:
		values[VALUE_UNTOUCHED] = row->bytes;
		break;
	default:
		values[VALUE_FAULTS] = row->count;
		values[VALUE_TOUCHED] = row->bytes;
	}
}

static void samples__add_rows(struct samples *samples, struct pprof_stacks *stacks,
			      const struct stack_row *rows, size_t nr_rows)
{
	__u64 locations[PPROF_MAX_LOCATIONS];

	for (size_t i = 0; i < nr_rows; i++) {
		const struct stack_row *row = &rows[i];
		bool is_request = sample_kind__is_of_request(row->kind) &&
				  (row->stack || row->kind == SAMPLE_REQUEST);
		struct pprof_labels labels = {
			.pid = samples->process->pid,
			.comm = samples->process->comm,
			.path = is_request ? path__name(row->path) : NULL,
			.size = is_request ? size_class__min(row->size_class) : 0,
		};
		__u64 values[NR_SAMPLE_VALUES] = {};
		size_t nr;

		fill_values(values, row);
		nr = pprof_stacks__locations(stacks, samples->process, row, locations);
		pprof__sample(samples->pprof, locations, nr, values + samples->first, &labels);
	}
}

/* All of a process by its stacks, whose sums are the exact totals. */
static int samples__add_stacks(struct samples *samples, struct pprof_stacks *stacks,
			       bool has_origins)
{
	struct stack_row *rows;
	size_t nr_rows;
	int error;

	error = stack_rows__make(samples->process, &rows, &nr_rows);
	if (error)
		return error;
	samples__add_rows(samples, stacks, rows, nr_rows);
	free(rows);
	if (!has_origins)
		return 0;
	error = stack_origins__make(samples->process, &rows, &nr_rows);
	if (error)
		return error;
	samples__add_rows(samples, stacks, rows, nr_rows);
	free(rows);
	return 0;
}

/* All of a process by the callers of its requests; what the kernel counted stands beside them. */
static int samples__add_callers(struct samples *samples, enum probe_depth depth)
{
	const struct process_counters *counters = &samples->process->counters;

	if (depth != DEPTH_KERNEL && samples__add_requests(samples))
		return -ENOMEM;
	samples__add_faults(samples);
	samples__add_kernel(samples, "[brk]", VALUE_GROWN, counters->brk_grown_bytes);
	samples__add_kernel(samples, "[mmap]", VALUE_MAPPED, counters->mmap_anon_bytes);
	return 0;
}

void pprof_samples__write(struct pprof *pprof, const struct profile *profile,
			  struct symbols *symbols)
{
	struct samples samples = {
		.pprof = pprof,
		.symbols = symbols,
		.first = profile->depth == DEPTH_KERNEL ? VALUE_FAULTS : VALUE_OBJECTS,
	};
	bool has_origins = stack_origins__has(profile);
	enum sample_value end = has_origins	    ? NR_SAMPLE_VALUES :
				profile->has_stacks ? VALUE_ORIGIN :
						      VALUE_SAMPLES;
	struct pprof_stacks stacks = {};
	int error = 0;

	/* Shown unasked is the second: bytes asked for, or touched. */
	pprof__set_types(pprof, sample_types + samples.first, end - samples.first, 1);
	if (profile->has_stacks)
		error = pprof_stacks__open(&stacks, pprof, profile, symbols);
	for (size_t i = 0; !error && i < profile->nr_processes && !pprof->error; i++) {
		samples.process = &profile->processes[i];
		error = profile->has_stacks ? samples__add_stacks(&samples, &stacks, has_origins) :
					      samples__add_callers(&samples, profile->depth);
	}
	pprof_stacks__close(&stacks);
	if (error && !pprof->error)
		pprof->error = error;
}

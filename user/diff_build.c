/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff_build.h"

/* Standard deviations in half an interval of 95 %. */
#define DEVIATIONS_95 1.96

/* Of one stack, below 2^64: a recording may claim anything. */
#define MOST_WIDTH 1e18

/*
 * Bytes of one stack's mappings, or of its faults, differ in size by no bound that is known: as much
 * as if sizes were exponential. Requests of a class are alike within 12.5 %.
 */
#define SPREAD_OF_KERNEL_BYTES 2

/* One process of one side, while it is added. */
struct diff_process {
	struct flame_sink sink;
	struct diff *diff;
	const struct profile_process *process;
	enum side side;
	double drift; /* standard error over value, of requests */
	double each; /* requests that each counted one stands for, in windows */
	struct difference *selfs; /* by node */
	size_t room_selfs;
	size_t room_rows;
};

static bool is_of_requests(const struct diff *diff)
{
	return flame_value__kind(diff->settings.by) == SAMPLE_REQUEST;
}

static bool is_of_bytes(const struct diff *diff)
{
	return flame_value__is_bytes(diff->settings.by);
}

/* Bytes that a request of that size stands for once its stack was taken. */
static double weight_of(double size, __u64 sample_bytes)
{
	if (!sample_bytes)
		return size;
	return size / -expm1(-size / (double)sample_bytes);
}

/* What an event stands for on the other side, over what it does on this one. */
static double ratio_of(const struct diff_process *at, double size, bool sampled)
{
	const struct diff *diff = at->diff;
	enum side other = at->side == SIDE_A ? SIDE_B : SIDE_A;
	double ratio = diff->units[other] / diff->units[at->side];

	if (sampled && size > 0)
		ratio *= weight_of(size, diff->profiles[other]->sample_bytes) /
			 weight_of(size, diff->profiles[at->side]->sample_bytes);
	return ratio;
}

static void add_drift(const struct diff_process *at, struct difference_side *side, double value)
{
	if (value > 0 && is_of_requests(at->diff))
		side->drift += at->drift * value;
}

static struct diff_row *append_row(struct diff_process *at, enum diff_kind kind, __u32 number)
{
	struct diff *diff = at->diff;
	struct diff_row *row;

	if (diff->nr_rows == at->room_rows) {
		size_t room = at->room_rows ? at->room_rows * 2 : 256;

		row = realloc(diff->rows, room * sizeof(*row));
		if (!row)
			return NULL;
		diff->rows = row;
		at->room_rows = room;
	}
	row = &diff->rows[diff->nr_rows++];
	*row = (struct diff_row){
		.process = at->process->comm,
		.kind = kind,
		.number = number,
		.difference = { .is_sampled = at->process->is_estimated && is_of_requests(diff) },
	};
	return row;
}

/* Requests of a class, or of its share that took a path. */
static void add_requests(const struct diff_process *at, struct diff_row *row, __u64 count,
			 double bytes)
{
	struct difference_side *side = &row->difference.sides[at->side];
	double value = (is_of_bytes(at->diff) ? bytes : (double)count) * at->diff->units[at->side];

	difference_side__add(side, value, (double)count / at->each, 1, ratio_of(at, 0, false));
	add_drift(at, side, value);
}

static __u64 size__requests(const struct profile_size *size)
{
	__u64 count = 0;

	for (int path = 0; path < NR_PATHS; path++)
		count += size->row.count[path];
	return count;
}

/* Of a path bytes are known exactly; by class, which tells how they spread, shared out by count. */
static int add_path(struct diff_process *at, int path)
{
	const struct profile_process *process = at->process;
	const struct path_counters *counters = &process->counters.paths[path];
	struct difference_side *side;
	struct diff_row *row;
	double value;

	if (!counters->count)
		return 0;
	row = append_row(at, DIFF_PATH, (__u32)path);
	if (!row)
		return -ENOMEM;
	for (size_t i = 0; i < process->nr_sizes; i++) {
		const struct size_row *size = &process->sizes[i].row;

		if (size->count[path])
			add_requests(at, row, size->count[path],
				     (double)size->bytes * (double)size->count[path] /
					     (double)size__requests(&process->sizes[i]));
	}
	side = &row->difference.sides[at->side];
	value = (double)(is_of_bytes(at->diff) ? counters->bytes : counters->count);
	side->value = value * at->diff->units[at->side];
	return 0;
}

static int add_classes(struct diff_process *at, __u32 whole)
{
	const struct profile_process *process = at->process;

	for (size_t i = 0; i < process->nr_sizes; i++) {
		const struct profile_size *size = &process->sizes[i];
		struct diff_row *row = append_row(at, DIFF_CLASS, size->size_class);

		if (!row)
			return -ENOMEM;
		add_requests(at, row, size__requests(size), (double)size->row.bytes);
		add_requests(at, &at->diff->rows[whole], size__requests(size),
			     (double)size->row.bytes);
	}
	return 0;
}

/* What the kernel counted of a process; of first touches it knows how large they were. */
static void add_kernel(const struct diff_process *at, struct diff_row *row)
{
	const struct process_counters *counters = &at->process->counters;
	struct difference_side *side = &row->difference.sides[at->side];
	double unit = at->diff->units[at->side], ratio = ratio_of(at, 0, false);

	switch (at->diff->settings.by) {
	case FLAME_BRK:
		difference_side__add(side, (double)counters->brk_grown_bytes * unit,
				     (double)counters->brk_calls, SPREAD_OF_KERNEL_BYTES, ratio);
		break;
	case FLAME_MMAP:
		difference_side__add(side, (double)counters->mmap_anon_bytes * unit,
				     (double)counters->mmap_calls, SPREAD_OF_KERNEL_BYTES, ratio);
		break;
	case FLAME_TOUCHED:
		for (int order = 0; order < NR_FAULT_ORDERS; order++)
			difference_side__add(side,
					     (double)counters->first_touch_orders[order] *
						     (double)(4096ULL << order) * unit,
					     (double)counters->first_touch_orders[order], 1, ratio);
		side->value = (double)counters->first_touch_bytes * unit;
		break;
	default:
		difference_side__add(side, (double)profile_process__faults(at->process) * unit,
				     (double)profile_process__faults(at->process), 1, ratio);
	}
}

static int add_counts(struct diff_process *at)
{
	size_t whole = at->diff->nr_rows;
	int error = 0;

	if (!append_row(at, DIFF_PROCESS, 0))
		return -ENOMEM;
	if (!is_of_requests(at->diff)) {
		add_kernel(at, &at->diff->rows[whole]);
		return 0;
	}
	for (int path = 0; !error && path < NR_PATHS; path++)
		error = add_path(at, path);
	return error ? error : add_classes(at, (__u32)whole);
}

static int room_for_node(struct diff_process *at, __u32 node)
{
	struct difference *selfs;
	size_t room = at->room_selfs ? at->room_selfs : 1024;

	if (node < at->room_selfs)
		return 0;
	while (room <= node)
		room *= 2;
	selfs = realloc(at->selfs, room * sizeof(*selfs));
	if (!selfs)
		return -ENOMEM;
	memset(selfs + at->room_selfs, 0, (room - at->room_selfs) * sizeof(*selfs));
	at->selfs = selfs;
	at->room_selfs = room;
	return 0;
}

static int take_stack(struct flame_sink *sink, __u32 node, const struct stack_row *row)
{
	struct diff_process *at = (struct diff_process *)sink;
	struct diff *diff = at->diff;
	bool is_request = row->kind == SAMPLE_REQUEST;
	double unit = diff->units[at->side], size = 0, events, value;
	struct difference *self;

	if (room_for_node(at, node))
		return -ENOMEM;
	self = &at->selfs[node];
	value = (double)flame_value__of(diff->settings.by, row) * unit;
	if (row->count)
		size = (double)row->bytes / (double)row->count;
	/* Of what no sample is of, the requests themselves are known. */
	events = row->samples ? (double)row->samples : (double)row->count / at->each;
	difference_side__add(&self->sides[at->side], value, events,
			     is_request || !is_of_bytes(diff) ? 1 : SPREAD_OF_KERNEL_BYTES,
			     ratio_of(at, size, is_request && row->samples));
	add_drift(at, &self->sides[at->side], value);
	self->is_rest |= !row->samples;
	self->is_sampled |= is_request ? diff->profiles[at->side]->sample_bytes ||
						 at->process->is_estimated :
					 row->samples != row->count;
	flame_tree__add(&diff->tree, node,
			(__u64)fmin(value / diff->units[SIDE_B] + 0.5, MOST_WIDTH));
	return 0;
}

/* How sure the process's requests are, where windows saw them. */
static void process__begin(struct diff_process *at, const struct profile_process *process)
{
	const struct estimate *estimate = is_of_bytes(at->diff) ? &process->bytes_estimate :
								  &process->requests_estimate;

	at->process = process;
	at->drift = 0;
	at->each = 1;
	if (!process->is_estimated)
		return;
	if (process->windows.counted > 0 && process->requests_estimate.value > 0)
		at->each = fmax(process->requests_estimate.value / process->windows.counted, 1);
	if (estimate->kind == ESTIMATE_INTERVAL && estimate->value > 0)
		at->drift = (estimate->high - estimate->low) / 2 / DEVIATIONS_95 / estimate->value;
	else if (estimate->kind != ESTIMATE_EXACT)
		at->drift = HUGE_VAL;
}

static int add_side(struct diff_process *at, enum side side)
{
	struct diff *diff = at->diff;
	const struct profile *profile = diff->profiles[side];
	int error = 0;

	at->side = side;
	for (size_t i = 0; !error && i < profile->nr_processes; i++) {
		process__begin(at, &profile->processes[i]);
		error = add_counts(at);
		if (!error && diff->has_stacks)
			error = flame_stacks__add(&diff->tree, profile, at->process, diff->symbols,
						  &diff->settings);
	}
	return error;
}

static void difference__add(struct difference *into, const struct difference *from)
{
	for (int i = 0; i < NR_SIDES; i++) {
		into->sides[i].value += from->sides[i].value;
		into->sides[i].events += from->sides[i].events;
		into->sides[i].squares += from->sides[i].squares;
		into->sides[i].null += from->sides[i].null;
		into->sides[i].drift += from->sides[i].drift;
	}
	into->is_sampled |= from->is_sampled;
}

static int row__compare_keys(const void *left, const void *right)
{
	const struct diff_row *a = left, *b = right;
	int order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	order = strcmp(a->process, b->process);
	if (order)
		return order;
	return (a->number > b->number) - (a->number < b->number);
}

static int row__compare(const void *left, const void *right)
{
	const struct diff_row *a = left, *b = right;
	double x = fabs(a->difference.change), y = fabs(b->difference.change);

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->difference.verdict != b->difference.verdict)
		return a->difference.verdict > b->difference.verdict ? -1 : 1;
	if (x != y)
		return x > y ? -1 : 1;
	return row__compare_keys(a, b);
}

/* What is of one name becomes one row, its processes' figures added. */
static void merge_rows(struct diff *diff)
{
	size_t nr = 0;

	if (!diff->nr_rows)
		return;
	qsort(diff->rows, diff->nr_rows, sizeof(*diff->rows), row__compare_keys);
	for (size_t i = 0; i < diff->nr_rows; i++) {
		struct diff_row *row = &diff->rows[i];

		if (nr && !row__compare_keys(row, &diff->rows[nr - 1]))
			difference__add(&diff->rows[nr - 1].difference, &row->difference);
		else
			diff->rows[nr++] = *row;
	}
	diff->nr_rows = nr;
	for (size_t i = 0; i < nr; i++)
		if (diff->rows[i].kind == DIFF_PROCESS)
			difference__add(&diff->whole, &diff->rows[i].difference);
}

static const char *node__process(const struct diff *diff, __u32 node)
{
	while (diff->tree.nodes[node].depth > 1)
		node = diff->tree.nodes[node].parent;
	return flame_tree__frame_of(&diff->tree, node)->name;
}

static int add_stack_rows(struct diff_process *at)
{
	struct diff *diff = at->diff;

	for (__u32 node = 1; node < diff->tree.nr_nodes && node < at->room_selfs; node++) {
		struct diff_row *row;

		if (at->selfs[node].sides[SIDE_A].value + at->selfs[node].sides[SIDE_B].value == 0)
			continue;
		row = append_row(at, DIFF_STACK, node);
		if (!row)
			return -ENOMEM;
		row->process = node__process(diff, node);
		row->difference = at->selfs[node];
	}
	return 0;
}

static int settle_rows(struct diff *diff)
{
	struct difference **list = calloc(diff->nr_rows + 1, sizeof(*list));
	struct difference *whole = &diff->whole;
	double ignored;
	int error;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < diff->nr_rows; i++)
		list[i] = &diff->rows[i].difference;
	error = differences__settle(list, diff->nr_rows, &diff->deviations);
	free(list);
	if (!error)
		error = differences__settle(&whole, 1, &ignored);
	if (!error && diff->nr_rows)
		qsort(diff->rows, diff->nr_rows, sizeof(*diff->rows), row__compare);
	return error;
}

/* Nodes come after what they lie in, so from the last on each is whole when its turn comes. */
static int settle_nodes(struct diff_process *at)
{
	struct diff *diff = at->diff;
	size_t nr = diff->tree.nr_nodes;
	struct difference **list;
	int error;

	diff->nodes = calloc(nr, sizeof(*diff->nodes));
	list = calloc(nr, sizeof(*list));
	if (!diff->nodes || !list) {
		free(list);
		return -ENOMEM;
	}
	for (size_t i = nr; i-- > 0;) {
		struct difference *node = &diff->nodes[i];

		list[i] = node;
		if (i < at->room_selfs) {
			difference__add(node, &at->selfs[i]);
			node->is_rest = at->selfs[i].is_rest;
		}
		if (i)
			difference__add(&diff->nodes[diff->tree.nodes[i].parent], node);
	}
	error = differences__settle(list, nr, &diff->node_deviations);
	free(list);
	return error;
}

int diff__build(struct diff *diff)
{
	struct diff_process at = { .sink.take = take_stack, .diff = diff };
	int error;

	diff->has_stacks = diff->profiles[SIDE_A]->has_stacks && diff->profiles[SIDE_B]->has_stacks;
	diff->settings.sink = &at.sink;
	error = flame_tree__init(&diff->tree, "all");
	for (int side = 0; !error && side < NR_SIDES; side++)
		error = add_side(&at, side);
	if (!error)
		error = flame_tree__finish(&diff->tree);
	if (!error)
		merge_rows(diff);
	if (!error)
		error = add_stack_rows(&at);
	if (!error)
		error = settle_rows(diff);
	if (!error)
		error = settle_nodes(&at);
	diff->settings.sink = NULL;
	free(at.selfs);
	return error;
}

void diff__free(struct diff *diff)
{
	free(diff->rows);
	free(diff->nodes);
	flame_tree__free(&diff->tree);
	diff->rows = NULL;
	diff->nodes = NULL;
	diff->nr_rows = 0;
}

const char *diff_kind__name(enum diff_kind kind)
{
	static const char *const names[] = {
		[DIFF_PROCESS] = "process",
		[DIFF_PATH] = "path",
		[DIFF_CLASS] = "size_class",
		[DIFF_STACK] = "stack",
	};

	return kind < NR_DIFF_KINDS ? names[kind] : "?";
}

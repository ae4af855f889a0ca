/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "histogram.h"
#include "process_tables.h"
#include "table.h"
#include "text.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The order in which a reader meets the paths: from no call to the rarest. */
static const enum alloc_path path_order[NR_PATHS] = { PATH_POOL, PATH_BRK, PATH_MMAP, PATH_ARENA,
						      PATH_REMAP };

static void write_table(FILE *out, const struct table_column *columns, size_t nr_columns,
			const void *rows, size_t row_size, size_t nr_rows, unsigned int width)
{
	struct table table = {
		.columns = columns,
		.nr_columns = nr_columns,
		.rows = rows,
		.row_size = row_size,
		.nr_rows = nr_rows,
		.width = width,
	};

	putc('\n', out);
	table__write(out, &table);
}

/* Requests by size. */

/* A gap has a name and no figures. */
#define GAP_NAME "..."

static void print_range(struct cell *cell, const void *row)
{
	const struct histogram_row *histogram = row;

	if (histogram->gap)
		snprintf(cell->text, cell->size, GAP_NAME);
	else
		text__range(cell->text, cell->size, histogram->low, histogram->high);
}

static void print_row_count(struct cell *cell, const void *row)
{
	const struct histogram_row *histogram = row;

	if (!histogram->gap)
		cell__count(cell, histogram->count);
}

static void print_row_bytes(struct cell *cell, const void *row)
{
	const struct histogram_row *histogram = row;

	if (!histogram->gap)
		cell__bytes(cell, histogram->bytes);
}

static void print_row_path(struct cell *cell, const void *row, enum alloc_path path)
{
	const struct histogram_row *histogram = row;

	if (!histogram->gap)
		cell__count(cell, histogram->paths[path]);
}

static void print_row_pool(struct cell *cell, const void *row)
{
	print_row_path(cell, row, PATH_POOL);
}

static void print_row_brk(struct cell *cell, const void *row)
{
	print_row_path(cell, row, PATH_BRK);
}

static void print_row_mmap(struct cell *cell, const void *row)
{
	print_row_path(cell, row, PATH_MMAP);
}

static void print_row_arena(struct cell *cell, const void *row)
{
	print_row_path(cell, row, PATH_ARENA);
}

static void print_row_remap(struct cell *cell, const void *row)
{
	print_row_path(cell, row, PATH_REMAP);
}

static void print_row_bar(struct cell *cell, const void *row)
{
	const struct histogram_row *histogram = row;

	text__bar(cell->text, cell->size, histogram->count, histogram->largest);
}

void process_tables__requests(FILE *out, const struct profile_process *process, unsigned int width)
{
	static const struct table_column columns[] = {
		{ .header = "request size", .print = print_range, .left = true },
		{ .header = "count", .print = print_row_count },
		{ .header = "bytes", .print = print_row_bytes },
		{ .header = "pool", .print = print_row_pool, .optional = true },
		{ .header = "brk", .print = print_row_brk, .optional = true },
		{ .header = "mmap", .print = print_row_mmap, .optional = true },
		{ .header = "arena", .print = print_row_arena, .optional = true },
		{ .header = "remap", .print = print_row_remap, .optional = true },
		{ .header = "", .print = print_row_bar, .left = true, .flexible = true, .rank = 1 },
	};
	struct histogram histogram;

	histogram__requests(&histogram, process);
	if (histogram.nr_rows)
		write_table(out, columns, ARRAY_SIZE(columns), histogram.rows,
			    sizeof(histogram.rows[0]), histogram.nr_rows, width);
}

/* The paths in total. */

struct path_row {
	const struct profile_process *process;
	enum alloc_path path;
};

static void print_path_name(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%s", path__name(((const struct path_row *)row)->path));
}

static void print_path_count(struct cell *cell, const void *row)
{
	const struct path_row *path = row;

	cell__count(cell, path->process->counters.paths[path->path].count);
}

static void print_path_share(struct cell *cell, const void *row)
{
	const struct path_row *path = row;
	__u64 count = path->process->counters.paths[path->path].count;

	if (count)
		text__percent(cell->text, cell->size, (double)count,
			      (double)profile_process__requests(path->process));
}

static void print_path_bytes(struct cell *cell, const void *row)
{
	const struct path_row *path = row;

	cell__bytes(cell, path->process->counters.paths[path->path].bytes);
}

static void print_path_smallest(struct cell *cell, const void *row)
{
	const struct path_row *path = row;
	__u64 min, max;

	if (profile_process__limits(path->process, path->path, &min, &max))
		snprintf(cell->text, cell->size, "%llu", min);
}

static void print_path_largest(struct cell *cell, const void *row)
{
	const struct path_row *path = row;
	__u64 min, max;

	if (profile_process__limits(path->process, path->path, &min, &max))
		snprintf(cell->text, cell->size, "%llu", max);
}

void process_tables__paths(FILE *out, const struct profile_process *process, unsigned int width)
{
	static const struct table_column columns[] = {
		{ .header = "path", .print = print_path_name, .left = true },
		{ .header = "requests", .print = print_path_count },
		{ .header = "share", .print = print_path_share },
		{ .header = "bytes", .print = print_path_bytes },
		{ .header = "smallest (B)", .print = print_path_smallest },
		{ .header = "largest (B)", .print = print_path_largest },
	};
	struct path_row rows[NR_PATHS];

	for (int i = 0; i < NR_PATHS; i++)
		rows[i] = (struct path_row){ process, path_order[i] };
	write_table(out, columns, ARRAY_SIZE(columns), rows, sizeof(rows[0]), NR_PATHS, width);
}

/* Amounts of bytes with a name, as shares of a whole: where first touches fell, what they were of. */

struct amount {
	const char *name;
	__u64 count;
	__u64 bytes;
	__u64 whole; /* bytes of all, or what was asked for */
};

static void print_amount_name(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%s", ((const struct amount *)row)->name);
}

static void print_amount_count(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct amount *)row)->count);
}

static void print_amount_bytes(struct cell *cell, const void *row)
{
	cell__bytes(cell, ((const struct amount *)row)->bytes);
}

static void print_amount_whole(struct cell *cell, const void *row)
{
	cell__bytes(cell, ((const struct amount *)row)->whole);
}

static void print_amount_share(struct cell *cell, const void *row)
{
	const struct amount *amount = row;

	if (!amount->bytes)
		cell__count(cell, 0);
	else
		text__percent(cell->text, cell->size, (double)amount->bytes, (double)amount->whole);
}

static void print_amount_bar(struct cell *cell, const void *row)
{
	const struct amount *amount = row;

	text__bar(cell->text, cell->size, amount->bytes, amount->whole);
}

/* Faults by class. */

void process_tables__faults(FILE *out, const struct profile_process *process, unsigned int width)
{
	static const struct table_column columns[] = {
		{ .header = "faults", .print = print_amount_name, .left = true },
		{ .header = "count", .print = print_amount_count },
		{ .header = "made resident", .print = print_amount_bytes },
	};
	static const char *const names[NR_FAULT_CLASSES] = {
		[FAULT_FIRST_TOUCH] = "first touch",
		[FAULT_ZERO_READ] = "read of the zero page",
		[FAULT_FILE_PRIVATE] = "private copy of a file's page",
		[FAULT_COW] = "copy on write",
		[FAULT_PROTECTION] = "protection",
		[FAULT_SWAP_IN] = "swapped in",
		[FAULT_FILE] = "file",
		[FAULT_SHMEM] = "shared memory",
		[FAULT_HUGETLB] = "hugetlb",
		[FAULT_RACED] = "lost a race",
	};
	const struct process_counters *counters = &process->counters;
	struct amount rows[NR_FAULT_CLASSES];
	size_t nr_rows = 0;

	for (int i = 0; i < NR_FAULT_CLASSES; i++) {
		struct amount row = { .name = names[i], .count = counters->faults[i] };

		if (i == FAULT_FIRST_TOUCH)
			row.bytes = counters->first_touch_bytes;
		if (i == FAULT_FILE_PRIVATE)
			row.bytes = counters->file_private_bytes;
		if (row.count || i == FAULT_FIRST_TOUCH)
			rows[nr_rows++] = row;
	}
	write_table(out, columns, ARRAY_SIZE(columns), rows, sizeof(rows[0]), nr_rows, width);
}

/* First touches. */

static void print_touch_size(struct cell *cell, const void *row)
{
	const struct histogram_row *histogram = row;

	if (histogram->gap)
		snprintf(cell->text, cell->size, GAP_NAME);
	else
		text__bytes(cell->text, cell->size, histogram->low);
}

void process_tables__first_touches(FILE *out, const struct profile_process *process,
				   enum probe_depth depth, unsigned int width)
{
	static const struct table_column size_columns[] = {
		{ .header = "made resident", .print = print_touch_size },
		{ .header = "first touches", .print = print_row_count },
		{ .header = "bytes", .print = print_row_bytes },
		{ .header = "", .print = print_row_bar, .left = true, .flexible = true, .rank = 1 },
	};
	static const struct table_column region_columns[] = {
		{ .header = "first touches in", .print = print_amount_name, .left = true },
		{ .header = "bytes", .print = print_amount_bytes },
		{ .header = "share", .print = print_amount_share },
		{ .header = "",
		  .print = print_amount_bar,
		  .left = true,
		  .flexible = true,
		  .rank = 1 },
	};
	static const char *const names[NR_REGIONS] = {
		[REGION_HEAP] = "heap",	  [REGION_OWN_MAPPING] = "own mapping of a request",
		[REGION_ARENA] = "arena", [REGION_ANON] = "other anonymous memory",
		[REGION_STACK] = "stack",
	};
	const struct process_counters *counters = &process->counters;
	struct amount regions[NR_REGIONS];
	struct histogram histogram;
	size_t nr_regions = 0;

	histogram__first_touches(&histogram, process);
	if (!histogram.nr_rows)
		return;
	write_table(out, size_columns, ARRAY_SIZE(size_columns), histogram.rows,
		    sizeof(histogram.rows[0]), histogram.nr_rows, width);

	for (int region = 0; region < NR_REGIONS; region++) {
		/* Only the allocation probes know whose a mapping is. */
		if (depth == DEPTH_KERNEL &&
		    (region == REGION_OWN_MAPPING || region == REGION_ARENA))
			continue;
		regions[nr_regions++] = (struct amount){
			.name = names[region],
			.bytes = counters->first_touch_region_bytes[region],
			.whole = counters->first_touch_bytes,
		};
	}
	write_table(out, region_columns, ARRAY_SIZE(region_columns), regions, sizeof(regions[0]),
		    nr_regions, width);
}

/* What of the memory that was asked for was touched. */

void process_tables__touched(FILE *out, const struct profile_process *process,
			     enum probe_depth depth, unsigned int width)
{
	static const struct table_column columns[] = {
		{ .header = "of what was asked for", .print = print_amount_name, .left = true },
		{ .header = "asked for", .print = print_amount_whole },
		{ .header = "touched", .print = print_amount_bytes },
		{ .header = "share", .print = print_amount_share },
		{ .header = "",
		  .print = print_amount_bar,
		  .left = true,
		  .flexible = true,
		  .rank = 1 },
	};
	const struct process_counters *counters = &process->counters;
	char names[HISTOGRAM_ROWS][TEXT_CELL];
	struct amount rows[HISTOGRAM_ROWS + 2];
	struct histogram histogram;
	struct amount own = { .name = "own mappings" };
	size_t nr_rows = 2;

	histogram__own_mappings(&histogram, process);
	for (size_t i = 0; i < histogram.nr_rows; i++) {
		const struct histogram_row *row = &histogram.rows[i];

		snprintf(names[i], 3, "  ");
		text__range(names[i] + 2, TEXT_CELL - 2, row->low, row->high);
		rows[nr_rows++] = (struct amount){
			.name = names[i],
			.bytes = row->own_touched_bytes,
			.whole = row->own_requested_bytes,
		};
		own.bytes += row->own_touched_bytes;
		own.whole += row->own_requested_bytes;
	}
	rows[0] = (struct amount){
		.name = "heap growth",
		.bytes = counters->growth_touched_bytes,
		.whole = counters->brk_grown_bytes,
	};
	rows[1] = own;
	write_table(out, columns, ARRAY_SIZE(columns), rows, sizeof(rows[0]),
		    depth == DEPTH_KERNEL ? 1 : nr_rows, width);
	if (own.bytes > own.whole || counters->growth_touched_bytes > counters->brk_grown_bytes)
		text__item(out, width, "",
			   "more than all: pages given back and touched again count again");
}

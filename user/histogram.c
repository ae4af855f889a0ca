/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "histogram.h"

static size_t row_of(__u64 size)
{
	return size ? size_class__msb(size) + 1 : 0;
}

static void begin(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->nr_rows = HISTOGRAM_ROWS;
	for (size_t i = 0; i < HISTOGRAM_ROWS; i++) {
		histogram->rows[i].low = i ? 1ULL << (i - 1) : 0;
		histogram->rows[i].high = i < 64 ? 1ULL << i : 0;
	}
}

/* A class never crosses a power of two, so each falls into one row. */
static void add_sizes(struct histogram *histogram, const struct profile_process *process)
{
	for (size_t i = 0; i < process->nr_sizes; i++) {
		const struct size_row *size = &process->sizes[i].row;
		__u64 min = size_class__min(process->sizes[i].size_class);
		struct histogram_row *row = &histogram->rows[row_of(min)];

		for (int path = 0; path < NR_PATHS; path++) {
			row->paths[path] += size->count[path];
			row->count += size->count[path];
		}
		row->bytes += size->bytes;
		row->own_requested_bytes += size->own_requested_bytes;
		row->own_touched_bytes += size->own_touched_bytes;
	}
}

#define GAP_ROWS 3

/* Makes one of each run of GAP_ROWS and more empty rows. */
static void close_gaps(struct histogram *histogram)
{
	size_t kept = 0, empty = 0;

	for (size_t i = 0; i < histogram->nr_rows; i++) {
		empty = histogram->rows[i].count ? 0 : empty + 1;
		histogram->rows[kept++] = histogram->rows[i];
		if (empty == GAP_ROWS) {
			kept -= GAP_ROWS - 1;
			histogram->rows[kept - 1].gap = true;
		} else if (empty > GAP_ROWS) {
			kept--;
		}
	}
	histogram->nr_rows = kept;
}

/* Cuts the empty rows off both ends, and tells each row the largest count. */
static void finish(struct histogram *histogram)
{
	size_t first = 0, end = histogram->nr_rows;
	__u64 largest = 0;

	while (end > 0 && !histogram->rows[end - 1].count)
		end--;
	while (first < end && !histogram->rows[first].count)
		first++;
	histogram->nr_rows = end - first;
	memmove(histogram->rows, histogram->rows + first,
		histogram->nr_rows * sizeof(histogram->rows[0]));
	for (size_t i = 0; i < histogram->nr_rows; i++)
		if (histogram->rows[i].count > largest)
			largest = histogram->rows[i].count;
	for (size_t i = 0; i < histogram->nr_rows; i++)
		histogram->rows[i].largest = largest;
	close_gaps(histogram);
}

void histogram__requests(struct histogram *histogram, const struct profile_process *process)
{
	begin(histogram);
	add_sizes(histogram, process);
	finish(histogram);
}

void histogram__own_mappings(struct histogram *histogram, const struct profile_process *process)
{
	size_t kept = 0;

	begin(histogram);
	add_sizes(histogram, process);
	for (size_t i = 0; i < histogram->nr_rows; i++) {
		const struct histogram_row *row = &histogram->rows[i];

		if (row->own_requested_bytes || row->own_touched_bytes)
			histogram->rows[kept++] = *row;
	}
	histogram->nr_rows = kept;
}

void histogram__first_touches(struct histogram *histogram, const struct profile_process *process)
{
	begin(histogram);
	for (unsigned int order = 0; order < NR_FAULT_ORDERS; order++) {
		struct histogram_row *row = &histogram->rows[row_of(4096ULL << order)];

		row->count = process->counters.first_touch_orders[order];
		row->bytes = row->count << (12 + order);
	}
	finish(histogram);
}

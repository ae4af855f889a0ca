/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text report: one process in full, or a table of all, a process a line, with the histograms of
 * the first below it. Columns are data: a new one is one function and one row.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "report_estimate.h"
#include "report_process.h"
#include "report_stacks.h"
#include "report_trailer.h"
#include "table.h"
#include "text.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A row of the table is a struct sorted_process. */
static const struct profile_process *process_of(const void *row)
{
	return ((const struct sorted_process *)row)->process;
}

static const struct process_counters *counters_of(const void *row)
{
	return &process_of(row)->counters;
}

/* A pid of 0 is the line of sums. */
static void print_pid(struct cell *cell, const void *row)
{
	if (process_of(row)->pid)
		snprintf(cell->text, cell->size, "%u", process_of(row)->pid);
}

static void print_members(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%u", process_of(row)->members);
}

static void print_comm(struct cell *cell, const void *row)
{
	const struct profile_process *process = process_of(row);

	/* A fold of exited processes among single ones. */
	if (process->pid && process->members > 1)
		snprintf(cell->text, cell->size, "%.15s x%u", process->comm, process->members);
	else
		snprintf(cell->text, cell->size, "%.15s", process->comm);
}

static void print_plain_comm(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%.15s", process_of(row)->comm);
}

/* As a key of the table a path has a bound, so that the figures keep their room. */
#define KEY_CELL 33

static void print_key(struct cell *cell, const void *row, const char *key)
{
	if (!process_of(row)->pid)
		key = "total";
	text__tail(cell->text, KEY_CELL, key ? key : "(not known)");
}

static void print_exe_key(struct cell *cell, const void *row)
{
	print_key(cell, row, process_of(row)->exe);
}

static void print_cgroup_key(struct cell *cell, const void *row)
{
	print_key(cell, row, process_of(row)->cgroup);
}

/* What was not looked at is no zero. */
static bool print_unprobed(struct cell *cell, const void *row)
{
	if (process_of(row)->unprobed)
		snprintf(cell->text, cell->size, "-");
	return process_of(row)->unprobed;
}

/* "~" before an estimate, ">" before a bound from below. */
static void mark_estimate(struct cell *cell, const void *row, const struct estimate *estimate)
{
	char text[TEXT_CELL];

	if (!process_of(row)->is_estimated || !profile_process__requests(process_of(row)))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, cell->text);
	snprintf(cell->text, cell->size, "%c%s", estimate->kind == ESTIMATE_AT_LEAST ? '>' : '~',
		 text);
}

static void print_requests(struct cell *cell, const void *row)
{
	if (print_unprobed(cell, row))
		return;
	cell__count(cell, profile_process__requests(process_of(row)));
	mark_estimate(cell, row, &process_of(row)->requests_estimate);
}

static void print_asked(struct cell *cell, const void *row)
{
	if (print_unprobed(cell, row))
		return;
	cell__bytes(cell, profile_process__request_bytes(process_of(row)));
	mark_estimate(cell, row, &process_of(row)->bytes_estimate);
}

static void print_failed(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->failed);
}

static void print_by_brk(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->paths[PATH_BRK].count);
}

static void print_by_mmap(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->paths[PATH_MMAP].count);
}

static void print_by_arena(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->paths[PATH_ARENA].count);
}

static void print_by_remap(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->paths[PATH_REMAP].count);
}

static void print_live(struct cell *cell, const void *row)
{
	cell__bytes(cell, process_of(row)->live_bytes);
}

static void print_brk_calls(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->brk_calls);
}

static void print_grown(struct cell *cell, const void *row)
{
	cell__bytes(cell, counters_of(row)->brk_grown_bytes);
}

static void print_mmap_calls(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->mmap_calls);
}

static void print_mremap_calls(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->mremap_calls);
}

static void print_mapped(struct cell *cell, const void *row)
{
	cell__bytes(cell, counters_of(row)->mmap_anon_bytes);
}

static void print_touched(struct cell *cell, const void *row)
{
	cell__bytes(cell, counters_of(row)->first_touch_bytes);
}

static void print_faults(struct cell *cell, const void *row)
{
	cell__count(cell, profile_process__faults(process_of(row)));
}

static void print_major(struct cell *cell, const void *row)
{
	cell__count(cell, counters_of(row)->faults_major);
}

static void print_allocator(struct cell *cell, const void *row)
{
	if (process_of(row)->allocator)
		snprintf(cell->text, cell->size, "%.31s", process_of(row)->allocator);
}

static void print_exe(struct cell *cell, const void *row)
{
	if (process_of(row)->exe)
		text__tail(cell->text, cell->size, process_of(row)->exe);
}

#define AT_KERNEL (1 << DEPTH_KERNEL)
#define AT_ENTRY (1 << DEPTH_ENTRY)
#define AT_FULL (1 << DEPTH_FULL)
#define AT_REQUESTS (AT_ENTRY | AT_FULL)
#define AT_ALL (AT_KERNEL | AT_ENTRY | AT_FULL)

#define BY_PID (1 << GROUP_PID)
#define BY_COMM (1 << GROUP_COMM)
#define BY_EXE (1 << GROUP_EXE)
#define BY_CGROUP (1 << GROUP_CGROUP)
#define BY_ALL (BY_PID | BY_COMM | BY_EXE | BY_CGROUP)

/* Where a column is shown, and the key that sorts by it. */
struct process_column {
	unsigned int depths, groups;
	enum sort_key key;
	struct table_column column;
};

static const struct process_column process_columns[] = {
	{ AT_ALL, BY_PID, SORT_PID, { .header = "pid", .print = print_pid } },
	{ AT_ALL, BY_PID, SORT_COMM, { .header = "comm", .print = print_comm, .left = true } },
	{ AT_ALL,
	  BY_COMM,
	  SORT_COMM,
	  { .header = "comm", .print = print_plain_comm, .left = true } },
	{ AT_ALL, BY_EXE, SORT_DEFAULT, { .header = "exe", .print = print_exe_key, .left = true } },
	{ AT_ALL,
	  BY_CGROUP,
	  SORT_DEFAULT,
	  { .header = "cgroup", .print = print_cgroup_key, .left = true } },
	{ AT_ALL,
	  BY_ALL & ~BY_PID,
	  SORT_DEFAULT,
	  { .header = "procs", .print = print_members, .rank = 2 } },
	{ AT_REQUESTS,
	  BY_ALL,
	  SORT_REQUESTS,
	  { .header = "requests", .print = print_requests, .rank = 1 } },
	{ AT_REQUESTS, BY_ALL, SORT_BYTES, { .header = "bytes", .print = print_asked, .rank = 1 } },
	{ AT_REQUESTS,
	  BY_ALL,
	  SORT_FAILED,
	  { .header = "failed", .print = print_failed, .rank = 6, .optional = true } },
	{ AT_REQUESTS, BY_ALL, SORT_BRK, { .header = "brk", .print = print_by_brk, .rank = 2 } },
	{ AT_REQUESTS, BY_ALL, SORT_MMAP, { .header = "mmap", .print = print_by_mmap, .rank = 2 } },
	{ AT_REQUESTS,
	  BY_ALL,
	  SORT_ARENA,
	  { .header = "arena", .print = print_by_arena, .rank = 3, .optional = true } },
	{ AT_REQUESTS,
	  BY_ALL,
	  SORT_REMAP,
	  { .header = "remap", .print = print_by_remap, .rank = 4, .optional = true } },
	{ AT_FULL, BY_ALL, SORT_LIVE, { .header = "live", .print = print_live, .rank = 2 } },
	{ AT_KERNEL, BY_ALL, SORT_BRK, { .header = "brk", .print = print_brk_calls, .rank = 2 } },
	{ AT_ALL, BY_ALL, SORT_GROWN, { .header = "grown", .print = print_grown, .rank = 5 } },
	{ AT_KERNEL, BY_ALL, SORT_MMAP, { .header = "mmap", .print = print_mmap_calls, .rank = 2 } },
	{ AT_ALL, BY_ALL, SORT_MAPPED, { .header = "mapped", .print = print_mapped, .rank = 5 } },
	{ AT_KERNEL,
	  BY_ALL,
	  SORT_REMAP,
	  { .header = "mremap", .print = print_mremap_calls, .rank = 6, .optional = true } },
	{ AT_ALL, BY_ALL, SORT_TOUCHED, { .header = "touched", .print = print_touched, .rank = 1 } },
	{ AT_ALL, BY_ALL, SORT_FAULTS, { .header = "faults", .print = print_faults, .rank = 2 } },
	{ AT_ALL,
	  BY_ALL,
	  SORT_DEFAULT,
	  { .header = "major", .print = print_major, .rank = 6, .optional = true } },
	{ AT_ALL,
	  BY_ALL & ~BY_EXE,
	  SORT_DEFAULT,
	  { .header = "allocator", .print = print_allocator, .rank = 8, .left = true } },
	{ AT_ALL,
	  BY_PID | BY_COMM,
	  SORT_DEFAULT,
	  { .header = "exe", .print = print_exe, .rank = 7, .left = true, .flexible = true } },
};

_Static_assert(ARRAY_SIZE(process_columns) <= TABLE_MAX_COLUMNS, "columns of the process table");

static void write_table(FILE *out, const struct profile *profile, const struct text_style *style,
			const struct sorted_process *rows, size_t nr_rows)
{
	enum sort_key key = sort_key__resolve(style->sort, profile->depth);
	struct table_column columns[ARRAY_SIZE(process_columns)];
	struct table table = {
		.columns = columns,
		.rows = rows,
		.row_size = sizeof(rows[0]),
		.nr_rows = nr_rows,
		.width = style->width,
	};

	for (size_t i = 0; i < ARRAY_SIZE(process_columns); i++) {
		const struct process_column *from = &process_columns[i];

		if (!(from->depths & 1U << profile->depth) ||
		    !(from->groups & 1U << style->group_by))
			continue;
		columns[table.nr_columns] = from->column;
		/* What the table is sorted by is seen in it. */
		if (from->key == key) {
			columns[table.nr_columns].rank = 0;
			columns[table.nr_columns].optional = false;
		}
		table.nr_columns++;
	}
	putc('\n', out);
	table__write(out, &table);
}

static void write_head(FILE *out, const struct profile *profile, const struct text_style *style)
{
	char duration[TEXT_CELL], share[TEXT_CELL];

	fprintf(out, "allocpath %s: %zu %s%s in %s, probes %s", ALLOCPATH_VERSION,
		profile->nr_processes, style->group_by == GROUP_PID ? "process" : "group",
		profile->nr_processes == 1   ? "" :
		style->group_by == GROUP_PID ? "es" :
					       "s",
		text__seconds(duration, sizeof(duration), profile->duration_s),
		probe_depth__name(profile->depth));
	if (profile->nr_processes > 1)
		fprintf(out, ", sorted by %s",
			sort_key__name(sort_key__resolve(style->sort, profile->depth)));
	putc('\n', out);
	if (profile->budget.share > 0) {
		report_estimate__write_budget(out, profile);
		return;
	}
	if (profile->depth != DEPTH_KERNEL && profile->coverage < 1)
		fprintf(out, "allocation probes were attached for %s of this time\n",
			text__percent(share, sizeof(share), profile->coverage, 1));
}

/* "-- 4711 python3 ---------" */
static void write_title(FILE *out, const struct profile_process *process,
			const struct text_style *style)
{
	char title[2 * TEXT_CELL], name[TEXT_CELL];
	int length;

	if (style->group_by == GROUP_EXE || style->group_by == GROUP_CGROUP) {
		const char *key = style->group_by == GROUP_EXE ? process->exe : process->cgroup;

		text__tail(name, sizeof(name), key ? key : "(not known)");
		snprintf(title, sizeof(title), "-- %s ", name);
	} else if (style->group_by == GROUP_COMM) {
		snprintf(title, sizeof(title), "-- %.15s ", process->comm);
	} else {
		snprintf(title, sizeof(title), "-- %u %.15s ", process->pid, process->comm);
	}
	text__clean(title);
	length = fprintf(out, "\n%s", title) - 1;
	for (unsigned int column = (unsigned int)(length > 0 ? length : 0); column < style->width;
	     column++)
		putc('-', out);
	putc('\n', out);
}

/* All processes as one, for the line of sums. 0 or -ENOMEM. */
static int sum_up(const struct profile *profile, struct profile_process *sum)
{
	static char name[] = "total";
	int err = 0;

	*sum = (struct profile_process){ .comm = name };
	for (size_t i = 0; i < profile->nr_processes && !err; i++)
		err = profile_process__add(sum, &profile->processes[i]);
	return err;
}

static int write_system(FILE *out, const struct profile *profile, const struct text_style *style)
{
	struct sorted_process *sorted = profile__sorted(profile, style->sort);
	size_t nr = profile->nr_processes;
	struct profile_process sum;
	int err;

	if (!sorted)
		return -ENOMEM;
	err = sum_up(profile, &sum);
	if (err)
		goto out;
	/* The array has room for one more. */
	sorted[nr].process = &sum;
	write_table(out, profile, style, sorted, nr + 1);

	for (size_t i = 0; i < nr && i < style->top && !err; i++) {
		const struct profile_process *process = sorted[i].process;

		write_title(out, process, style);
		if (style->verbose)
			report_process__write(out, process, profile, style->width);
		else
			report_process__write_histograms(out, process, profile, style->width);
		err = report_stacks__write(out, process, profile, &style->stacks);
	}
out:
	free(sum.sizes);
	free(sum.samples);
	free(sorted);
	return err;
}

int report_text__write(FILE *out, const struct profile *profile, const struct text_style *style)
{
	struct text_style fitted = *style;
	int err = 0;

	if (fitted.width < TABLE_MIN_WIDTH)
		fitted.width = TABLE_MIN_WIDTH;
	write_head(out, profile, &fitted);
	if (profile->nr_processes == 1) {
		putc('\n', out);
		report_process__write(out, &profile->processes[0], profile, fitted.width);
		err = report_stacks__write(out, &profile->processes[0], profile, &fitted.stacks);
	} else if (profile->nr_processes) {
		err = write_system(out, profile, &fitted);
	} else {
		fputs("no process that was chosen did anything that is measured\n", out);
	}
	if (!err)
		err = report_trailer__write(out, profile, fitted.width, fitted.verbose);
	return err ? err : report__flush(out);
}

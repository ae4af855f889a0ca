/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "report.h"
#include "report_moves.h"
#include "report_threshold.h"
#include "report_trailer.h"
#include "table.h"
#include "text.h"
#include "threshold.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define CHART_FROM (16ULL << 10) /* smaller ones lie in one row */
#define CHART_BAR 23
#define SHOWN_PROCESSES 3 /* of many, in full */

static void write_predictions(FILE *out, const struct threshold *threshold, unsigned int width)
{
	const struct profile_rule *rule = threshold->rule;
	char predicted[TEXT_CELL] = "not known", read[TEXT_CELL] = "not read";

	if (threshold->is_predicted)
		snprintf(predicted, sizeof(predicted), "%llu", threshold->predicted);
	if (rule && rule->is_read)
		snprintf(read, sizeof(read), "read %llu%s", rule->read_threshold,
			 threshold->is_predicted && threshold->predicted != rule->read_threshold ?
				 ", which differs" :
				 "");
	text__item(out, width, "threshold", "default %llu, predicted %s, %s (bytes of chunk)",
		   threshold->initial, predicted, read);
	if (threshold->is_predicted)
		text__item(out, width, "", "trim threshold %llu", threshold->trim_threshold);
}

static void write_bracket(FILE *out, const struct threshold *threshold, unsigned int width)
{
	const struct profile_rule *rule = threshold->rule;
	char below[TEXT_CELL] = "none", above[TEXT_CELL] = "none", crossed[TEXT_CELL] = "";

	if (threshold->has_not_mapped)
		snprintf(below, sizeof(below), "%llu B", threshold->largest_not_mapped);
	if (threshold->has_mapped)
		snprintf(above, sizeof(above), "%llu B", threshold->smallest_mapped);
	if (rule && rule->followed.crossings)
		snprintf(crossed, sizeof(crossed), "; %llu crossed: free space was reused",
			 rule->followed.crossings);
	text__item(out, width, "requests",
		   "largest without a mapping of its own %s, smallest with "
		   "one %s%s",
		   below, above, crossed);
}

static void write_agreement(FILE *out, const struct rule *followed, unsigned int width)
{
	char reasons[256] = "";
	size_t used = 0;

	for (int i = 0; i < NR_RULE_REASONS; i++)
		if (followed->disagree[i] && used < sizeof(reasons))
			used += (size_t)snprintf(reasons + used, sizeof(reasons) - used,
						 ", %llu %s", followed->disagree[i],
						 rule_reason__name(i));
	text__item(out, width, "judged",
		   "%llu requests that made a kernel call: %llu as the "
		   "threshold says%s; %llu unexplained",
		   followed->judged, followed->agree, reasons, followed->unexplained);
	if (followed->undecided)
		text__item(out, width, "", "%llu with a threshold that was not known",
			   followed->undecided);
}

/* Sizes against what became of them, with the threshold between. */
static void write_chart(FILE *out, const struct threshold *threshold)
{
	struct histogram histogram;
	__u64 small = 0, largest = 0;
	bool drawn = !threshold->is_predicted;

	histogram__requests(&histogram, threshold->process);
	for (size_t i = 0; i < histogram.nr_rows; i++) {
		if (histogram.rows[i].high && histogram.rows[i].high <= CHART_FROM)
			small += histogram.rows[i].count;
		else if (histogram.rows[i].count > largest)
			largest = histogram.rows[i].count;
	}
	if (!largest)
		return;
	fprintf(out, "\n%-13s %-*s %s\n", "request size", CHART_BAR + 9, "   without own mapping",
		"   with");
	if (small)
		fprintf(out, "%-13s %8llu\n", "below 16K", small);
	for (size_t i = 0; i < histogram.nr_rows; i++) {
		const struct histogram_row *row = &histogram.rows[i];
		__u64 with = row->paths[PATH_MMAP] + row->paths[PATH_REMAP];
		char range[TEXT_CELL], left[CHART_BAR + 1], right[CHART_BAR + 1];

		if (row->gap || !row->count || (row->high && row->high <= CHART_FROM))
			continue;
		if (!drawn && row->low >= threshold->predicted) {
			fprintf(out, "- - - - - - -  threshold %llu\n", threshold->predicted);
			drawn = true;
		}
		text__bar(left, sizeof(left), row->count - with, largest);
		text__bar(right, sizeof(right), with, largest);
		fprintf(out, "%-13s %8llu %-*s %8llu %s\n",
			text__range(range, sizeof(range), row->low, row->high), row->count - with,
			CHART_BAR, left, with, right);
	}
	if (!drawn)
		fprintf(out, "- - - - - - -  threshold %llu\n", threshold->predicted);
	putc('\n', out);
}

static void write_costs(FILE *out, const struct threshold *threshold, unsigned int width,
			enum probe_depth depth)
{
	const struct profile_rule *rule = threshold->rule;
	char again[TEXT_CELL], peak[TEXT_CELL], heap[TEXT_CELL];

	text__bytes(again, sizeof(again), threshold->refaulted_bytes);
	if (depth == DEPTH_FULL)
		text__item(out, width, "mapped",
			   "%.1f requests a second, %llu given back by free; at "
			   "most %s at once",
			   threshold->mapped_per_s, rule->followed.mapped_released,
			   text__bytes(peak, sizeof(peak), rule->followed.mapped_peak));
	text__item(out, width, "break", "raised %llu times, lowered %llu times, within %s",
		   rule->followed.brk_growths, rule->followed.brk_trims,
		   text__bytes(heap, sizeof(heap), rule->heap_peak));
	text__item(out, width, "zeroed anew", "%s, after they had been given back", again);
}

static void write_advice(FILE *out, const struct threshold *threshold, unsigned int width)
{
	const struct threshold_advice *advice = &threshold->advice;
	char bytes[TEXT_CELL], holds[TEXT_CELL];

	if (!advice->given && !advice->needs_full) {
		text__item(out, width, "advice",
			   "none: another setting would spare next to nothing");
		return;
	}
	if (advice->needs_full)
		text__item(out, width, "advice",
			   "on mappings none, though much is zeroed anew: only --probes full tells "
			   "malloc's from others");
	if (!advice->given)
		return;
	text__item(out, width, "advice",
		   "%s would have saved %llu calls, %llu faults and the zeroing "
		   "of %s in this time, and would hold back at most %s",
		   advice->setting, advice->calls, advice->faults,
		   text__bytes(bytes, sizeof(bytes), advice->bytes),
		   text__bytes(holds, sizeof(holds), advice->holds));
}

static int write_process(FILE *out, const struct threshold *threshold,
			 const struct profile *profile, const struct text_style *style)
{
	const struct profile_process *process = threshold->process;
	const struct profile_rule *rule = threshold->rule;
	enum probe_depth depth = profile_process__depth(process, profile->depth);
	unsigned int width = style->width;
	int error = 0;

	text__item(out, width, "process", "%u %s, %s%s", process->pid, process->comm,
		   process->allocator ? process->allocator : "no allocator seen",
		   process->exited ? ", exited" : "");
	text__item(out, width, "verdict", "%s", threshold->verdict);
	if (!rule) {
		text__item(out, width, "",
			   "its threshold was not followed: record it with this allocpath, "
			   "at --probes full");
		return 0;
	}
	write_predictions(out, threshold, width);
	if (depth != DEPTH_KERNEL)
		write_bracket(out, threshold, width);
	if (depth == DEPTH_FULL && rule->is_glibc) {
		write_agreement(out, &rule->followed, width);
		error = report_moves__write(out, profile, process, width, style->verbose,
					    style->stacks.symbols);
		write_chart(out, threshold);
	}
	write_costs(out, threshold, width, depth);
	write_advice(out, threshold, width);
	return error;
}

/* Many processes: a line each. */

static void print_pid(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%u", ((const struct threshold *)row)->process->pid);
}

static void print_comm(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%.15s", ((const struct threshold *)row)->process->comm);
	text__clean(cell->text);
}

static void print_predicted(struct cell *cell, const void *row)
{
	const struct threshold *threshold = row;

	if (threshold->is_predicted)
		snprintf(cell->text, cell->size, "%llu", threshold->predicted);
	else
		snprintf(cell->text, cell->size, "?");
}

static void print_read(struct cell *cell, const void *row)
{
	const struct profile_rule *rule = ((const struct threshold *)row)->rule;

	if (rule && rule->is_read)
		snprintf(cell->text, cell->size, "%llu", rule->read_threshold);
	else
		snprintf(cell->text, cell->size, ".");
}

static void print_growths(struct cell *cell, const void *row)
{
	const struct profile_rule *rule = ((const struct threshold *)row)->rule;

	cell__count(cell, rule ? rule->followed.brk_growths : 0);
}

static void print_trims(struct cell *cell, const void *row)
{
	const struct profile_rule *rule = ((const struct threshold *)row)->rule;

	cell__count(cell, rule ? rule->followed.brk_trims : 0);
}

static void print_mapped(struct cell *cell, const void *row)
{
	const struct profile_rule *rule = ((const struct threshold *)row)->rule;

	cell__count(cell, rule ? rule->followed.mapped : 0);
}

static void print_again(struct cell *cell, const void *row)
{
	cell__bytes(cell, ((const struct threshold *)row)->refaulted_bytes);
}

static void print_saves(struct cell *cell, const void *row)
{
	const struct threshold_advice *advice = &((const struct threshold *)row)->advice;

	if (advice->needs_full && !advice->given)
		snprintf(cell->text, cell->size, "?");
	else
		cell__count(cell, advice->calls + advice->faults);
}

/* Its first words: the figures stand in columns of their own. */
static void print_verdict(struct cell *cell, const void *row)
{
	static const char *const ends[] = { " to ", " at ", " before ", ":", " (", ";" };

	snprintf(cell->text, cell->size, "%s", ((const struct threshold *)row)->verdict);
	text__clean(cell->text);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char *end = strstr(cell->text, ends[i]);

		if (end)
			*end = 0;
	}
}

/* Of what has exited only what had something to tell has a line. */
static size_t count_shown(struct threshold *all, size_t nr, bool verbose)
{
	size_t shown = 0;

	for (size_t i = 0; i < nr; i++) {
		struct threshold one = all[i];
		bool tells = one.advice.given || one.refaulted_bytes ||
			     (one.rule && (one.rule->followed.moves || one.rule->followed.mapped));

		if (one.process->exited && !tells && !verbose)
			continue;
		all[i] = all[shown];
		all[shown++] = one;
	}
	return shown;
}

static const struct table_column columns[] = {
	{ .header = "pid", .print = print_pid },
	{ .header = "comm", .print = print_comm, .left = true },
	{ .header = "predicted", .print = print_predicted, .rank = 1, .optional = true },
	{ .header = "read", .print = print_read },
	{ .header = "mapped", .print = print_mapped, .rank = 1, .optional = true },
	{ .header = "raised", .print = print_growths, .rank = 2, .optional = true },
	{ .header = "lowered", .print = print_trims, .rank = 3, .optional = true },
	{ .header = "anew", .print = print_again },
	{ .header = "saves", .print = print_saves },
	{ .header = "verdict", .print = print_verdict, .left = true },
};

static int write_many(FILE *out, struct threshold *all, const struct profile *profile,
		      const struct text_style *style)
{
	struct table table = {
		.columns = columns,
		.nr_columns = ARRAY_SIZE(columns),
		.rows = all,
		.row_size = sizeof(*all),
		.nr_rows = count_shown(all, profile->nr_processes, style->verbose),
		.width = style->width,
	};
	int error = 0;

	table__write(out, &table);
	if (table.nr_rows < profile->nr_processes)
		fprintf(out, "and %zu that have exited without anything to tell\n",
			profile->nr_processes - table.nr_rows);
	fputs("anew: bytes zeroed after they had been given back; saves: calls and faults\n"
	      "that a setting would have saved (?: only --probes full tells); read and\n"
	      "predicted: bytes of chunk\n",
	      out);
	for (size_t i = 0; !error && i < table.nr_rows; i++) {
		if (!style->verbose && i >= SHOWN_PROCESSES)
			break;
		if (!style->verbose && !all[i].advice.given && !all[i].advice.needs_full &&
		    !(all[i].rule && all[i].rule->nr_moves))
			continue;
		putc('\n', out);
		error = write_process(out, &all[i], profile, style);
	}
	return error;
}

int report_threshold__write_text(FILE *out, const struct profile *profile,
				 const struct text_style *style)
{
	struct threshold *all = threshold__all(profile);
	struct text_style fitted = *style;
	char duration[TEXT_CELL];
	int error = 0;

	if (!all)
		return -ENOMEM;
	if (fitted.width < TABLE_MIN_WIDTH)
		fitted.width = TABLE_MIN_WIDTH;
	fprintf(out, "allocpath %s: thresholds of %zu process%s in %s, probes %s\n%s\n",
		ALLOCPATH_VERSION, profile->nr_processes, profile->nr_processes == 1 ? "" : "es",
		text__seconds(duration, sizeof(duration), profile->duration_s),
		probe_depth__name(profile->depth),
		profile->nr_processes > 1 ? "sorted by what could be saved\n" : "");
	if (profile->nr_processes == 1)
		error = write_process(out, &all[0], profile, &fitted);
	else if (profile->nr_processes)
		error = write_many(out, all, profile, &fitted);
	else
		fputs("no process that was chosen did anything that is measured\n", out);
	putc('\n', out);
	if (!error)
		error = report_trailer__write(out, profile, fitted.width, fitted.verbose);
	free(all);
	return error ? error : report__flush(out);
}

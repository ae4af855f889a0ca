/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report_diff.h"
#include "size_class.h"
#include "table.h"
#include "text.h"

/* Below 2^64, as what is converted has to be. */
#define MOST 1.8e19

#define MIN_WIDTH 110 /* figures, intervals and a name */

const char *report_diff__value(char *text, size_t size, const struct diff *diff,
			       const struct diff_style *style, double value, bool sign)
{
	__u64 amount = (__u64)fmin(fabs(value) + 0.5, MOST);
	char plain[TEXT_CELL];

	if (flame_value__is_bytes(diff->settings.by))
		text__bytes(plain, sizeof(plain), amount);
	else
		text__count(plain, sizeof(plain), amount, true);
	snprintf(text, size, "%s%s%s",
		 !sign || !amount ? "" :
		 value < 0	  ? "-" :
				    "+",
		 plain, style->per_second ? "/s" : "");
	return text;
}

const char *report_diff__interval(char *text, size_t size, const struct diff *diff,
				  const struct diff_style *style,
				  const struct difference *difference)
{
	char low[TEXT_CELL], high[TEXT_CELL];

	if (!difference->is_sampled && !difference->is_rest)
		snprintf(text, size, "exact");
	else if (isinf(difference->margin))
		snprintf(text, size, "any");
	else
		snprintf(text, size, "%s to %s",
			 report_diff__value(low, sizeof(low), diff, style,
					    difference->change - difference->margin, true),
			 report_diff__value(high, sizeof(high), diff, style,
					    difference->change + difference->margin, true));
	return text;
}

const char *report_diff__share(char *text, size_t size, const struct difference *difference)
{
	double a = difference->sides[SIDE_A].value, b = difference->sides[SIDE_B].value;

	if (a == b)
		snprintf(text, size, "no change");
	else if (a <= 0)
		snprintf(text, size, "new");
	else if (b <= 0)
		snprintf(text, size, "gone");
	else if (b / a >= 10)
		snprintf(text, size, "x%.3g", b / a);
	else
		snprintf(text, size, "%+.1f %%", 100 * (b - a) / a);
	return text;
}

/* A line of the table: a row, with what it takes to print it. */
struct line {
	const struct diff *diff;
	const struct diff_style *style;
	const struct diff_row *row;
	size_t number; /* from 1 */
};

static void print_number(struct cell *cell, const void *line)
{
	const struct line *at = line;

	if (at->row->kind == DIFF_STACK)
		snprintf(cell->text, cell->size, "%zu", at->number);
}

static void print_side(struct cell *cell, const struct line *line, enum side side)
{
	double value = line->row->difference.sides[side].value;

	if (value > 0)
		report_diff__value(cell->text, cell->size, line->diff, line->style, value, false);
	else
		snprintf(cell->text, cell->size, ".");
}

static void print_a(struct cell *cell, const void *line)
{
	print_side(cell, line, SIDE_A);
}

static void print_b(struct cell *cell, const void *line)
{
	print_side(cell, line, SIDE_B);
}

static void print_change(struct cell *cell, const void *line)
{
	const struct line *at = line;

	report_diff__value(cell->text, cell->size, at->diff, at->style, at->row->difference.change,
			   true);
}

static void print_share(struct cell *cell, const void *line)
{
	const struct line *at = line;

	report_diff__share(cell->text, cell->size, &at->row->difference);
}

static void print_interval(struct cell *cell, const void *line)
{
	const struct line *at = line;

	report_diff__interval(cell->text, cell->size, at->diff, at->style, &at->row->difference);
}

static void print_verdict(struct cell *cell, const void *line)
{
	const struct line *at = line;

	snprintf(cell->text, cell->size, "%s", verdict__name(at->row->difference.verdict));
}

static void print_name(struct cell *cell, const void *line)
{
	const struct line *at = line;
	const struct diff_row *row = at->row;
	char low[TEXT_CELL], high[TEXT_CELL], name[512];

	switch (row->kind) {
	case DIFF_PROCESS:
		snprintf(name, sizeof(name), "%s", row->process);
		break;
	case DIFF_PATH:
		snprintf(name, sizeof(name), "%s: %s", row->process, path__name(row->number));
		break;
	case DIFF_CLASS:
		snprintf(name, sizeof(name), "%s: %s to %s", row->process,
			 text__bytes(low, sizeof(low), size_class__min(row->number)),
			 text__bytes(high, sizeof(high), size_class__max(row->number)));
		break;
	default:
		snprintf(name, sizeof(name), "%s: %s", row->process,
			 flame_tree__frame_of(&at->diff->tree, row->number)->name);
	}
	text__clean(name);
	snprintf(cell->text, cell->size, "%s", name);
}

static const struct table_column columns[] = {
	{ "#", 4, .print = print_number, .optional = true },
	{ "A", .print = print_a },
	{ "B", .print = print_b },
	{ "change", .print = print_change },
	{ "share", 2, .print = print_share },
	{ "interval", .print = print_interval },
	{ "", .print = print_verdict, .left = true },
	{ "what", .print = print_name, .left = true, .flexible = true },
};

/* The whole chain of a stack below its line's number: who called whom, the innermost first. */
static void write_chain(FILE *out, const struct line *line)
{
	const struct flame_tree *tree = &line->diff->tree;
	unsigned int width = line->style->width < MIN_WIDTH ? MIN_WIDTH : line->style->width;
	char label[16], *text = NULL;
	size_t size = 0;
	FILE *chain = open_memstream(&text, &size);

	if (!chain)
		return;
	for (__u32 node = line->row->number; tree->nodes[node].depth > 1;
	     node = tree->nodes[node].parent)
		fprintf(chain, "%s%s", node == line->row->number ? "" : " < ",
			flame_tree__frame_of(tree, node)->name);
	fclose(chain);
	if (!text)
		return;
	snprintf(label, sizeof(label), "  #%zu", line->number);
	text__item(out, width, label, "%s", text);
	free(text);
}

static int write_kind(FILE *out, const struct diff *diff, const struct diff_style *style,
		      enum diff_kind kind)
{
	static const char *const titles[] = {
		[DIFF_PROCESS] = "By process",
		[DIFF_PATH] = "By path",
		[DIFF_CLASS] = "By size class",
		[DIFF_STACK] = "By stack",
	};
	struct table table = {
		.columns = columns,
		.nr_columns = sizeof(columns) / sizeof(columns[0]),
		.row_size = sizeof(struct line),
		.width = style->width < MIN_WIDTH ? MIN_WIDTH : style->width,
	};
	size_t nr = 0, nr_significant = 0;
	struct line *lines = calloc(diff->nr_rows + 1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	for (size_t i = 0; i < diff->nr_rows; i++) {
		const struct diff_row *row = &diff->rows[i];

		if (row->kind != kind || row->difference.verdict == VERDICT_NONE)
			continue;
		nr_significant += row->difference.verdict == VERDICT_SIGNIFICANT;
		lines[nr] = (struct line){ diff, style, row, nr + 1 };
		nr++;
	}
	fprintf(out, "\n%s: ", titles[kind]);
	if (!nr)
		fputs("no difference\n", out);
	else
		fprintf(out, "%zu significant of %zu that differ%s\n", nr_significant, nr,
			nr > style->top ? "; the first are" : "");
	table.rows = lines;
	table.nr_rows = nr < style->top ? nr : style->top;
	if (table.nr_rows)
		table__write(out, &table);
	for (size_t i = 0; kind == DIFF_STACK && i < table.nr_rows; i++)
		write_chain(out, &lines[i]);
	free(lines);
	return 0;
}

static void write_recording(FILE *out, const struct diff *diff, const struct diff_style *style,
			    enum side side)
{
	const struct profile *profile = diff->profiles[side];
	char time[TEXT_CELL], every[TEXT_CELL], stacks[128];

	if (!profile->has_stacks)
		snprintf(stacks, sizeof(stacks), "without stacks");
	else if (profile->sample_bytes)
		snprintf(stacks, sizeof(stacks), "a stack every %s on average",
			 text__bytes(every, sizeof(every), profile->sample_bytes));
	else
		snprintf(stacks, sizeof(stacks), "each request's stack");
	text__item(out, style->width, side == SIDE_A ? "A" : "B", "%s: %s, %s%s",
		   style->names[side], text__seconds(time, sizeof(time), profile->duration_s),
		   stacks, profile->budget.share > 0 ? ", requests estimated from windows" : "");
}

static void write_whole(FILE *out, const struct diff *diff, const struct diff_style *style)
{
	const struct difference *whole = &diff->whole;
	char a[TEXT_CELL], b[TEXT_CELL], change[TEXT_CELL], share[TEXT_CELL];

	report_diff__share(share, sizeof(share), whole);
	text__item(out, style->width, "Value", "%s: A %s, B %s, %s (%s)",
		   flame_value__title(diff->settings.by),
		   report_diff__value(a, sizeof(a), diff, style, whole->sides[SIDE_A].value, false),
		   report_diff__value(b, sizeof(b), diff, style, whole->sides[SIDE_B].value, false),
		   report_diff__value(change, sizeof(change), diff, style, whole->change, true),
		   share);
}

static void write_notes(FILE *out, const struct diff *diff, const struct diff_style *style)
{
	putc('\n', out);
	text__item(
		out, style->width, "Significant",
		"chance does not explain it: neither that of sampling, nor that as many requests, "
		"each for itself, come more often in one run. All intervals hold together 95 "
		"times of 100; so a program against itself shows nothing significant as often.");
	text__item(out, style->width, "Counted",
		   "not sampled: it differs by just that, which as many requests may by chance.");
	if (!diff->has_stacks)
		text__item(out, style->width, "No stacks",
			   "both recordings need them: record without --no-stacks.");
}

int report_diff__write_text(FILE *out, const struct diff *diff, const struct diff_style *style)
{
	bool requests = flame_value__kind(diff->settings.by) == SAMPLE_REQUEST;
	int error = 0;

	write_recording(out, diff, style, SIDE_A);
	write_recording(out, diff, style, SIDE_B);
	write_whole(out, diff, style);
	for (int kind = 0; !error && kind < NR_DIFF_KINDS; kind++) {
		if ((kind == DIFF_PATH || kind == DIFF_CLASS) && !requests)
			continue;
		if (kind == DIFF_STACK && !diff->has_stacks)
			continue;
		error = write_kind(out, diff, style, kind);
	}
	write_notes(out, diff, style);
	return error ? error : ferror(out) ? -EIO : 0;
}

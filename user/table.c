/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "table.h"
#include "text.h"

#define GAP 2
#define MIN_FLEXIBLE 6
#define MAX_LINE 1024

/* Which columns are shown, how wide, and with which numbers. */
struct layout {
	bool shown[TABLE_MAX_COLUMNS];
	unsigned int width[TABLE_MAX_COLUMNS];
	bool brief;
};

void cell__count(struct cell *cell, __u64 count)
{
	if (count)
		text__count(cell->text, cell->size, count, cell->brief);
	else
		snprintf(cell->text, cell->size, ".");
}

void cell__bytes(struct cell *cell, __u64 bytes)
{
	if (bytes)
		text__bytes(cell->text, cell->size, bytes);
	else
		snprintf(cell->text, cell->size, ".");
}

static const void *row_at(const struct table *table, size_t index)
{
	return (const char *)table->rows + index * table->row_size;
}

/* Widths that the cells need; an optional column without a figure is not shown. */
static void measure(const struct table *table, struct layout *layout)
{
	for (size_t i = 0; i < table->nr_columns; i++) {
		const struct table_column *column = &table->columns[i];
		bool empty = true;

		layout->shown[i] = true;
		layout->width[i] = (unsigned int)strlen(column->header);
		if (column->flexible) {
			layout->width[i] = MIN_FLEXIBLE;
			continue;
		}
		for (size_t row = 0; row < table->nr_rows; row++) {
			char text[TEXT_CELL] = "";
			struct cell cell = { text, sizeof(text), layout->brief };
			size_t length;

			column->print(&cell, row_at(table, row));
			length = strlen(text);
			if (length > layout->width[i])
				layout->width[i] = (unsigned int)length;
			if (length && strcmp(text, ".") != 0)
				empty = false;
		}
		layout->shown[i] = !(column->optional && empty);
	}
}

static unsigned int total_width(const struct table *table, const struct layout *layout)
{
	unsigned int total = table->indent;
	bool first = true;

	for (size_t i = 0; i < table->nr_columns; i++) {
		if (!layout->shown[i])
			continue;
		total += layout->width[i] + (first ? 0 : GAP);
		first = false;
	}
	return total;
}

/* Drops columns of at least min_rank, the highest first, until the rest fits. true: it fits. */
static bool drop_columns(const struct table *table, struct layout *layout, unsigned int min_rank)
{
	while (total_width(table, layout) > table->width) {
		size_t highest = table->nr_columns;

		for (size_t i = 0; i < table->nr_columns; i++) {
			if (!layout->shown[i] || table->columns[i].rank < min_rank)
				continue;
			if (highest == table->nr_columns ||
			    table->columns[i].rank >= table->columns[highest].rank)
				highest = i;
		}
		if (highest == table->nr_columns)
			return false;
		layout->shown[highest] = false;
	}
	return true;
}

static void lay_out(const struct table *table, struct layout *layout)
{
	size_t last = table->nr_columns - 1;
	unsigned int total;

	layout->brief = false;
	measure(table, layout);
	if (!drop_columns(table, layout, 2)) {
		layout->brief = true;
		measure(table, layout);
		drop_columns(table, layout, 1);
	}
	total = total_width(table, layout);
	if (table->columns[last].flexible && layout->shown[last] && total < table->width)
		layout->width[last] += table->width - total;
}

/* One line; without a row the headers. */
static void write_line(FILE *out, const struct table *table, const struct layout *layout,
		       const void *row)
{
	char line[MAX_LINE];
	size_t length = table->indent;

	memset(line, ' ', sizeof(line));
	for (size_t i = 0; i < table->nr_columns; i++) {
		const struct table_column *column = &table->columns[i];
		char text[MAX_LINE] = "";
		struct cell cell = { text, TEXT_CELL, layout->brief };
		size_t used, start;

		if (!layout->shown[i] || length + layout->width[i] + GAP >= sizeof(line))
			continue;
		if (column->flexible)
			cell.size = layout->width[i] + 1;
		if (!row)
			snprintf(text, layout->width[i] + 1, "%s", column->header);
		else
			column->print(&cell, row);
		text__clean(text);
		used = strlen(text);
		start = length + (column->left ? 0 : layout->width[i] - used);
		memcpy(line + start, text, used);
		length += layout->width[i] + GAP;
	}
	while (length && line[length - 1] == ' ')
		length--;
	line[length] = '\n';
	fwrite(line, 1, length + 1, out);
}

void table__write(FILE *out, const struct table *table)
{
	struct table fitted = *table;
	struct layout layout = { 0 };

	if (!table->nr_rows)
		return;
	/* Room for a line, its gap and its end; no terminal is that wide. */
	if (fitted.width > MAX_LINE - TEXT_CELL)
		fitted.width = MAX_LINE - TEXT_CELL;
	lay_out(&fitted, &layout);
	write_line(out, &fitted, &layout, NULL);
	for (size_t row = 0; row < fitted.nr_rows; row++)
		write_line(out, &fitted, &layout, row_at(&fitted, row));
}

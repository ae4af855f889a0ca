/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table on a terminal: columns are data, widths follow the cells, and what has no room goes by
 * rank. Numbers are exact as long as they fit; then they are brief, as "1.2M".
 */
#ifndef ALLOCPATH_TABLE_H
#define ALLOCPATH_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/types.h>

#define TABLE_MAX_COLUMNS 24

/* The smallest width that a report is made for. */
#define TABLE_MIN_WIDTH 80

/* Where a column prints. */
struct cell {
	char *text;
	size_t size; /* TEXT_CELL; of a flexible column what is left of the line, and 1 */
	bool brief; /* there is no room for exact numbers */
};

/* A number; 0 is a dot, so that figures stand out. Bytes have a unit. */
void cell__count(struct cell *cell, __u64 count);
void cell__bytes(struct cell *cell, __u64 bytes);

struct table_column {
	const char *header;
	/* 0: always shown; 1: goes when brief numbers do not fit; 2 and more go before, highest first */
	unsigned char rank;
	bool left; /* align at the left */
	bool optional; /* goes when every cell is "." or empty */
	bool flexible; /* takes the room that is left; the last column only */
	void (*print)(struct cell *cell, const void *row);
};

struct table {
	const struct table_column *columns;
	size_t nr_columns; /* at most TABLE_MAX_COLUMNS */
	const void *rows;
	size_t row_size;
	size_t nr_rows;
	unsigned int width; /* at least TABLE_MIN_WIDTH */
	unsigned int indent;
};

void table__write(FILE *out, const struct table *table);

#endif

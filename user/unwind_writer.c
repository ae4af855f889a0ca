/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 64 MiB of rows: 800 MiB of code at the usual 20 rows a KiB. */
#define MAX_CHUNKS 4096
#define FIRST_CHUNKS 4

static __u32 last_rule(const struct unwind_writer *writer)
{
	return UNWIND_ROW_RULE(writer->rows[writer->nr_rows - 1]);
}

void unwind_writer__begin(struct unwind_writer *writer, struct unwind_table *table)
{
	writer->table = table;
	writer->page = 0;
	writer->used = UNWIND_CHUNK_ROWS; /* of the chunk that is not there yet */
	writer->room = 0;
	writer->rows[0] = UNWIND_ROW(0, UNWIND_NO_RULE);
	writer->nr_rows = 1;
}

static int add_chunk(struct unwind_writer *writer)
{
	struct unwind_table *table = writer->table;

	if (table->nr_chunks == MAX_CHUNKS)
		return -E2BIG;
	if (table->nr_chunks == writer->room) {
		__u32 room = writer->room ? 2 * writer->room : FIRST_CHUNKS;
		__u32 *rows = realloc(table->rows,
				      (size_t)room * UNWIND_CHUNK_ROWS * sizeof(*table->rows));

		if (!rows)
			return -ENOMEM;
		table->rows = rows;
		writer->room = room;
	}
	memset(table->rows + (size_t)table->nr_chunks * UNWIND_CHUNK_ROWS, 0,
	       UNWIND_CHUNK_ROWS * sizeof(*table->rows));
	table->nr_chunks++;
	writer->used = 0;
	return 0;
}

/* Puts the page away and begins the next one with the rule in force. */
static int end_page(struct unwind_writer *writer)
{
	struct unwind_table *table = writer->table;
	__u32 rule = last_rule(writer);
	int err;

	if (writer->nr_rows > 1 || rule != UNWIND_NO_RULE) {
		__u32 *rows;

		if (writer->used + writer->nr_rows > UNWIND_CHUNK_ROWS) {
			err = add_chunk(writer);
			if (err)
				return err;
		}
		table->pages[writer->page] = (struct unwind_page){
			.chunk = table->nr_chunks - 1,
			.start = (__u16)writer->used,
			.nr_rows = (__u16)writer->nr_rows,
		};
		rows = table->rows + (size_t)(table->nr_chunks - 1) * UNWIND_CHUNK_ROWS;
		memcpy(rows + writer->used, writer->rows, writer->nr_rows * sizeof(*rows));
		writer->used += writer->nr_rows;
		table->nr_rows += writer->nr_rows;
	}
	writer->page++;
	writer->rows[0] = UNWIND_ROW(0, rule);
	writer->nr_rows = 1;
	return 0;
}

int unwind_writer__set(struct unwind_writer *writer, __u64 offset, __u32 rule)
{
	__u64 page = (offset >> UNWIND_PAGE_SHIFT) - writer->table->first_page;
	__u32 row = UNWIND_ROW(offset & (UNWIND_PAGE_BYTES - 1), rule);
	int err;

	if (rule == last_rule(writer))
		return 0;
	/* The end of the last page has no row. */
	while (writer->page < page && writer->page < writer->table->nr_pages) {
		err = end_page(writer);
		if (err)
			return err;
	}
	if (writer->page == writer->table->nr_pages)
		return 0;
	if (UNWIND_ROW_OFFSET(writer->rows[writer->nr_rows - 1]) < UNWIND_ROW_OFFSET(row)) {
		writer->rows[writer->nr_rows++] = row;
		return 0;
	}
	/* The row before had no length. What is left may be no change any more. */
	writer->rows[writer->nr_rows - 1] = row;
	if (writer->nr_rows > 1 && UNWIND_ROW_RULE(writer->rows[writer->nr_rows - 2]) == rule)
		writer->nr_rows--;
	return 0;
}

int unwind_writer__end(struct unwind_writer *writer)
{
	int err = 0;

	while (!err && writer->page < writer->table->nr_pages)
		err = end_page(writer);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a table's pages and chunks, in the order of file offsets. */
#ifndef ALLOCPATH_UNWIND_WRITER_H
#define ALLOCPATH_UNWIND_WRITER_H

#include "unwind_table.h"

struct unwind_writer {
	struct unwind_table *table;
	__u32 page; /* that is being filled, of table->pages */
	__u32 nr_rows; /* in it so far; the first is always there */
	__u32 used; /* rows of the last chunk */
	__u32 room; /* chunks that table->rows has room for */
	__u32 rows[UNWIND_PAGE_BYTES];
};

/* The table has its first page and number of pages, and room for them, all zero. */
void unwind_writer__begin(struct unwind_writer *writer, struct unwind_table *table);
/*
 * The rule from a file offset on. Offsets must not fall. -ENOMEM; -E2BIG: there are more rows than
 * one file may have.
 */
int unwind_writer__set(struct unwind_writer *writer, __u64 offset, __u32 rule);
int unwind_writer__end(struct unwind_writer *writer);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that symbols were asked of: which is which, and those of them that are open. */
#ifndef ALLOCPATH_SYMBOL_OBJECTS_H
#define ALLOCPATH_SYMBOL_OBJECTS_H

#include "line_worker.h"
#include "string_table.h"
#include "symbol_file.h"
#include "symbols.h"

struct symbol_entry {
	struct symbol_file *file; /* NULL: not read yet, given up for room, or nothing to read */
	char *build_id; /* of the file that was read, or that was wanted */
	bool seen; /* counted */
	bool hopeless; /* there is nothing to read at its path */
	bool fd_hopeless; /* nor by a descriptor */
	bool no_lines; /* the reader of lines was lost over it */
	__u64 used; /* when last */
};

struct symbol_objects {
	struct symbol_search search;
	struct symbols_stats *stats;
	struct line_worker *worker; /* told of files that are given up */
	struct string_table keys; /* what tells objects apart; their numbers are those of entries */
	struct symbol_entry *entries;
	size_t room;
	size_t nr_open;
	__u64 table_bytes, max_bytes;
	__u64 clock;
};

/* 0 or -ENOMEM. What stands in search, stats, worker and max_bytes is the caller's to set first. */
int symbol_objects__open(struct symbol_objects *objects);
void symbol_objects__close(struct symbol_objects *objects);

/* The number of an object, the same for the same one; -ENOMEM. */
long symbol_objects__number(struct symbol_objects *objects, const struct symbol_object *wanted);
/* The same for what is no file, by a text that no path is. */
long symbol_objects__number_of(struct symbol_objects *objects, const char *key);

/* Reads the file of an object, if there is any and it is not there yet. 0 or -ENOMEM. */
int symbol_objects__prepare(struct symbol_objects *objects, long number,
			    const struct symbol_object *wanted);

/* As symbol_table__name, where the file is there. */
bool symbol_objects__name(struct symbol_objects *objects, long number, __u64 offset,
			  char name[SYMBOL_MAX_NAME]);

#endif

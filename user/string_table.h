/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings by number: each text once, the first is the empty one. */
#ifndef ALLOCPATH_STRING_TABLE_H
#define ALLOCPATH_STRING_TABLE_H

#include <linux/types.h>
#include <stddef.h>

struct string_table {
	char **texts; /* by number */
	size_t nr;
	__u32 *places; /* number + 1 by hash, open addressing; 0: free */
	size_t room; /* of places; a power of two */
};

/* Begins with the empty text as number 0. 0 or -ENOMEM. */
int string_table__open(struct string_table *table);

/*
 * The number of a text, entered if it is new. Bytes that are not UTF-8 become U+FFFD. -ENOMEM where
 * there is no memory.
 */
long string_table__number(struct string_table *table, const char *text);

void string_table__close(struct string_table *table);

#endif

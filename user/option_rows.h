/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options as a table: what each is called, what it says in the help, how it is read. */
#ifndef ALLOCPATH_OPTION_ROWS_H
#define ALLOCPATH_OPTION_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/* An option as it was given. */
struct given {
	struct options *options;
	const char *option; /* as the user wrote it, for messages */
	const char *value; /* NULL: it takes none */
	void *field; /* the member of options that the row names */
};

/* parse returns 0, or -1 once it has said what is wrong and what would be right. */
struct option_row {
	const char *name; /* without dashes; NULL: only the letter */
	char letter; /* 0: only the name */
	const char *value; /* as the help writes it; NULL: takes none */
	const char *help; /* lines end in \n, but for the last */
	int (*parse)(const struct given *given);
	size_t field; /* offset in struct options */
	unsigned int views; /* bit by enum view: which commands have it */
	unsigned int live; /* 1: it says what to measure, so it does not go with a recording */
	const char *heading; /* begins a section of the help */
};

extern const struct option_row option_rows[];
extern const size_t nr_option_rows;

/* The target, which may be given once. 0 or -1, reported. */
int options__set_target(struct options *options, enum target_mode target);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the report goes: stdout, or a file that appears whole or not at all. */
#ifndef ALLOCPATH_OUTPUT_H
#define ALLOCPATH_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
	FILE *stream;
	const char *name; /* for messages */
	char *temporary; /* renamed to name at the end; NULL: written in place */
	bool is_unnamed; /* temporary gets its name only then */
};

/*
 * Opens path, or stdout where it is NULL, before the measurement, so that what cannot be written
 * is known then. A regular file is written beside and renamed; a stream of reports (in_place),
 * a device or a pipe is written as it is. 0 or -errno, reported.
 */
int output__open(struct output *output, const char *path, bool in_place);

/*
 * Ends it: the file appears unless error is set; then nothing of it is left. Returns error, or
 * what went wrong here, reported.
 */
int output__close(struct output *output, int error);

#endif

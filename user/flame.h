/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The view "allocpath flame": who asked for memory, or touched it, as a picture or a table. */
#ifndef ALLOCPATH_FLAME_H
#define ALLOCPATH_FLAME_H

#include <stdio.h>

#include "flame_stacks.h"

struct flame_options {
	struct flame_settings settings;
	double min_width; /* percent of the picture */
	const char *per_process; /* directory for a picture of each process; NULL: none */
};

enum flame_format {
	FLAME_FOLDED,
	FLAME_SVG,
	FLAME_JSON,
	FLAME_RECORDING, /* the whole profile, as allocpath record writes it */
};

/* Writes a picture of each process that has a value into a directory. 0 or -errno, reported. */
int flame__write_processes(const struct profile *profile, struct symbols *symbols,
			   const struct flame_options *options);

/*
 * Writes all processes as one. Needs a profile with stacks, and a format that is no recording. 0,
 * -ENOMEM, or -errno of the stream.
 */
int flame__write(FILE *out, const struct profile *profile, struct symbols *symbols,
		 const struct flame_options *options, enum flame_format format);

/* By the end of a file's name; NULL or another one: folded. */
enum flame_format flame__format_of(const char *path);

#endif

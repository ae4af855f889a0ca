/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of /proc/PID/maps. */
#ifndef ALLOCPATH_MAPS_LINE_H
#define ALLOCPATH_MAPS_LINE_H

#include <linux/types.h>
#include <stdbool.h>

struct maps_line {
	__u64 start;
	__u64 end; /* exclusive */
	__u64 offset;
	__u64 inode; /* 0: no file */
	__u32 major, minor;
	char rights[4]; /* "r-xp" */
	const char
		*path; /* in the text; "": none. A newline in it is \012, " (deleted)" may follow */
};

/* Cuts the newline off. false: it is no such line. */
bool maps_line__parse(char *text, struct maps_line *line);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_FLAME_SVG_H
#define ALLOCPATH_FLAME_SVG_H

#include <stdio.h>

#include "flame_tree.h"

/*
 * What colours a picture of two recordings, by node. step: 0 is not significant, 1 to
 * FLAME_CHANGE_STEPS how much more, negative: less.
 */
#define FLAME_CHANGE_STEPS 4
struct flame_changes {
	int (*step)(const struct flame_changes *changes, __u32 node);
	/* In the tooltip in place of value and share; one line. */
	void (*tell)(const struct flame_changes *changes, __u32 node, char *text, size_t size);
	const char *const *steps; /* in the legend, from 1 on, behind a sign: " up to 5 %" */
};

struct flame_picture {
	const char *title, *subtitle;
	const struct flame_changes *changes; /* NULL: of one recording, coloured by its files */
	bool is_bytes; /* values are bytes, else a count */
	double min_width; /* percent; narrower frames are left out */
};

/*
 * One SVG with its script in it: nothing is loaded. Widths are shares of the picture's. 0 or -errno
 * of the stream.
 */
int flame_svg__write(FILE *out, const struct flame_tree *tree, const struct flame_picture *picture);

#endif

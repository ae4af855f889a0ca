/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_FLAME_SVG_H
#define ALLOCPATH_FLAME_SVG_H

#include <stdio.h>

#include "flame_tree.h"

struct flame_picture {
	const char *title, *subtitle;
	bool is_bytes; /* values are bytes, else a count */
	double min_width; /* percent; narrower frames are left out */
};

/*
 * One SVG with its script in it: nothing is loaded. Widths are shares of the picture's. 0 or -errno
 * of the stream.
 */
int flame_svg__write(FILE *out, const struct flame_tree *tree, const struct flame_picture *picture);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two profiles side by side: what is of the same name in both is one row, or one node of a tree. */
#ifndef ALLOCPATH_DIFF_BUILD_H
#define ALLOCPATH_DIFF_BUILD_H

#include "difference.h"
#include "flame_stacks.h"

enum diff_kind {
	DIFF_PROCESS, /* all processes of a name */
	DIFF_PATH, /* of requests only, as size classes are */
	DIFF_CLASS,
	DIFF_STACK, /* where both profiles have stacks */
	NR_DIFF_KINDS,
};

struct diff_row {
	struct difference difference;
	const char *process; /* the profile's */
	enum diff_kind kind;
	__u32 number; /* path, size class, or node */
};

struct diff {
	const struct profile *profiles[NR_SIDES];
	struct symbols *symbols;
	struct flame_settings settings;
	double units[NR_SIDES]; /* values are multiplied by: 1, or 1 / duration */
	struct difference whole;
	struct diff_row *rows; /* by kind; in it the surest first, then the largest */
	size_t nr_rows;
	double deviations; /* of the rows' margins */
	bool has_stacks;
	struct flame_tree tree; /* width of a node: A and B together */
	struct difference *nodes; /* by the tree's: each with all below it */
	double node_deviations; /* a list of its own */
};

/*
 * Compares. profiles, symbols, settings and units are set; profiles and symbols outlive it. 0 or
 * -ENOMEM; free is due either way.
 */
int diff__build(struct diff *diff);
void diff__free(struct diff *diff);

/* For JSON: "process", "path", "size_class", "stack". */
const char *diff_kind__name(enum diff_kind kind);

#endif

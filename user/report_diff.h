/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two recordings differ in, as a table, as JSON, and as a picture. */
#ifndef ALLOCPATH_REPORT_DIFF_H
#define ALLOCPATH_REPORT_DIFF_H

#include <stdio.h>

#include "diff_build.h"

struct diff_style {
	const char *names[NR_SIDES]; /* of the recordings */
	double min_width; /* percent of the picture */
	unsigned int width; /* columns of the text */
	unsigned int top; /* rows of each kind in the text */
	bool per_second;
};

/* Each 0, -ENOMEM or -errno of the stream. */
int report_diff__write_text(FILE *out, const struct diff *diff, const struct diff_style *style);
int report_diff__write_json(FILE *out, const struct diff *diff, const struct diff_style *style);
int report_diff__write_svg(FILE *out, const struct diff *diff, const struct diff_style *style);

/* "+1.20 MiB", "-3", with "/s" where values are per second. TEXT_CELL suffices. */
const char *report_diff__value(char *text, size_t size, const struct diff *diff,
			       const struct diff_style *style, double value, bool sign);

/* "+0.5 to +3.1 MiB"; "exact" where nothing is estimated; "any" where nothing is known. */
const char *report_diff__interval(char *text, size_t size, const struct diff *diff,
				  const struct diff_style *style,
				  const struct difference *difference);

/* "+9.8 %", "x12.5", "new", "gone", "no change". */
const char *report_diff__share(char *text, size_t size, const struct difference *difference);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms in which "allocpath threshold" shows a profile; results as in report.h. */
#ifndef ALLOCPATH_REPORT_THRESHOLD_H
#define ALLOCPATH_REPORT_THRESHOLD_H

#include <stdio.h>

#include "profile.h"
#include "report.h"

int report_threshold__write_text(FILE *out, const struct profile *profile,
				 const struct text_style *style);

/* One document on one line, schema 1. */
int report_threshold__write_json(FILE *out, const struct profile *profile, struct symbols *symbols);

/* Request size against time, of the process with the most judged requests. */
int report_threshold__write_svg(FILE *out, const struct profile *profile);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every text report ends with: what was attached, the books, what it cost. */
#ifndef ALLOCPATH_REPORT_TRAILER_H
#define ALLOCPATH_REPORT_TRAILER_H

#include "report.h"

/* 0 or -ENOMEM. */
int report_trailer__write(FILE *out, const struct profile *profile, unsigned int width,
			  bool verbose);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms in which "allocpath validate" shows its results; 0 or -errno. */
#ifndef ALLOCPATH_REPORT_VALIDATE_H
#define ALLOCPATH_REPORT_VALIDATE_H

#include "claims.h"

/* With verbose every process of the evidence, one an allocator, follows. */
int report_validate__write_text(FILE *out, const struct claim_result *results, size_t nr,
				const struct evidence *evidence, size_t nr_evidence,
				unsigned int width, bool verbose);

/* One document on one line, schema 1. */
int report_validate__write_json(FILE *out, const struct claim_result *results, size_t nr);

#endif

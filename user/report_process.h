/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the text report that shows one process. */
#ifndef ALLOCPATH_REPORT_PROCESS_H
#define ALLOCPATH_REPORT_PROCESS_H

#include "report.h"

/* Everything that is known of one process. */
void report_process__write(FILE *out, const struct profile_process *process,
			   const struct profile *profile, unsigned int width);

/* Only the histograms and the paths: what follows the table of processes. */
void report_process__write_histograms(FILE *out, const struct profile_process *process,
				      const struct profile *profile, unsigned int width);

/* What an allocator knows of itself: requests, paths, releases and its kernel calls. */
void report_process__write_counts(FILE *out, const struct profile_process *process,
				  unsigned int width);

#endif

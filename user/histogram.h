/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Histograms in powers of two, from the finer classes of a profile. */
#ifndef ALLOCPATH_HISTOGRAM_H
#define ALLOCPATH_HISTOGRAM_H

#include "profile.h"

/* Size 0, and one row for each of the 64 powers. */
#define HISTOGRAM_ROWS 65

struct histogram_row {
	__u64 low; /* inclusive */
	__u64 high; /* exclusive; 0 stands for 2^64 */
	__u64 count;
	__u64 bytes;
	__u64 largest; /* of all counts, for the bars */
	__u64 paths[NR_PATHS];
	__u64 own_requested_bytes;
	__u64 own_touched_bytes;
	bool gap; /* stands for several empty rows */
};

/*
 * From the first row with something in it to the last. Empty rows between them are there, since the
 * eye reads a shape, but three and more in a row are one gap.
 */
struct histogram {
	struct histogram_row rows[HISTOGRAM_ROWS];
	size_t nr_rows;
};

/* Requests by size. */
void histogram__requests(struct histogram *histogram, const struct profile_process *process);

/* Own mappings by size: what was asked for and what was touched; without empty rows between. */
void histogram__own_mappings(struct histogram *histogram, const struct profile_process *process);

/* First touches by the bytes that one of them made resident: low is exactly that. */
void histogram__first_touches(struct histogram *histogram, const struct profile_process *process);

#endif

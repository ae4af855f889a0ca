/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares a total out by weights, one after the other; what is given adds up to the total. */
#ifndef ALLOCPATH_SHARE_H
#define ALLOCPATH_SHARE_H

#include <linux/types.h>

struct share {
	__u64 total;
	double weights; /* sum of all */
	double seen; /* sum of those that had theirs */
	__u64 given;
};

/* What the next one gets. */
__u64 share__next(struct share *share, double weight);

#endif

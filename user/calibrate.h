/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one trap costs on this host, measured on a function of our own. */
#ifndef ALLOCPATH_CALIBRATE_H
#define ALLOCPATH_CALIBRATE_H

#include <linux/types.h>

/* Calls our function nr times, five times over; nanoseconds of CPU time of one call, the least. */
double calibrate__time_calls(unsigned int nr);

/* Offset of the function's first instruction in our own executable, or 0 when it is not known. */
__u64 calibrate__offset(void);

#endif

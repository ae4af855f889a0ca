/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers with units as a user writes them. Results are unchanged on error. */
#ifndef ALLOCPATH_QUANTITY_H
#define ALLOCPATH_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

/* "500ms", "1.5s", "2m", "1h" in nanoseconds. 0, -EINVAL, or -ERANGE: 0 or 292 years and more. */
int quantity__parse_duration(const char *text, __u64 *ns);

/* "4096", "128K", "1M", "2G" (also KiB, MiB, GiB) in bytes. 0, -EINVAL or -ERANGE. */
int quantity__parse_size(const char *text, __u64 *bytes);

/* The first length characters: a whole number of lowest to INT_MAX. false: it is none. */
bool quantity__parse_number(const char *text, size_t length, int lowest, int *number);

#endif

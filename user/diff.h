/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command "allocpath diff": two recordings, compared. */
#ifndef ALLOCPATH_DIFF_H
#define ALLOCPATH_DIFF_H

struct options;

/* Returns the exit status. */
int diff__run(const struct options *options);

#endif

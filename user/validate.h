/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_VALIDATE_H
#define ALLOCPATH_VALIDATE_H

struct options;

/* "allocpath validate": runs the experiments under our own probes. Returns the exit status. */
int validate__run(const struct options *options);

#endif

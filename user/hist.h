/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_HIST_H
#define ALLOCPATH_HIST_H

struct options;

/*
 * "allocpath hist": measures, or reads a recording, and reports; "allocpath record": measures and
 * writes a recording. Returns the exit status.
 */
int hist__run(const struct options *options);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile as a file: gzipped pprof, which other tools open too, and in its field 1000 everything
 * that struct profile holds. Only that is read back.
 */
#ifndef ALLOCPATH_RECORDING_H
#define ALLOCPATH_RECORDING_H

#include <stdio.h>

#include "profile.h"

struct symbols;

/* What readers of today understand. More is refused; names that are new to them are passed over. */
#define RECORDING_VERSION 1

/*
 * Writes the whole file to a stream and flushes it. Code gets its names from symbols; NULL: none.
 * 0 or -errno.
 */
int recording__write(FILE *out, const struct profile *profile, struct symbols *symbols);

/*
 * Reads a file of unknown origin from a descriptor, which it closes. name is for messages. 0, and
 * the profile is the caller's to free; or -errno, reported, and there is none.
 */
int recording__read(int fd, const char *name, struct profile *profile);

/* As recording__read, by the file's path. */
int recording__open(const char *path, struct profile *profile);

#endif

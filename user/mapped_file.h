/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_MAPPED_FILE_H
#define ALLOCPATH_MAPPED_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "maps_line.h"

/*
 * Writes a path by which the file of a mapping can be opened: its link in map_files, which is the
 * file itself whatever became of its name; or, without CAP_CHECKPOINT_RESTORE, its name as the
 * process sees it, or as we do, if that is the same file. 0, or -EACCES: none of these.
 */
int mapped_file__path(pid_t pid, const struct maps_line *line, char *path, size_t size);

#endif

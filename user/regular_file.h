/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_REGULAR_FILE_H
#define ALLOCPATH_REGULAR_FILE_H

/*
 * Opens a file for reading whose name others chose. What is not a regular file is not touched: to
 * open a device or a pipe can do things. A descriptor, or -errno; -EINVAL: no regular file.
 */
int regular_file__open(const char *path);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_READ_AT_H
#define ALLOCPATH_READ_AT_H

#include <linux/types.h>
#include <stddef.h>

/* Reads all of it at an offset. 0, -EINVAL where the file ends before, or -errno. */
int read_at(int fd, void *buffer, size_t size, __u64 offset);

#endif

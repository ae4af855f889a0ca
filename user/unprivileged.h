/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For helper processes: what a child gives up before it reads what others wrote. */
#ifndef ALLOCPATH_UNPRIVILEGED_H
#define ALLOCPATH_UNPRIVILEGED_H

#include <linux/types.h>
#include <sys/types.h>

/*
 * Closes every descriptor but standard error and this one, and has us end with our parent, which
 * is the process of that number. 0 or -errno.
 */
int unprivileged__detach(int keep_fd, pid_t parent);

/*
 * Root becomes nobody, nothing can be gained again by exec, no one may trace us; data_bytes is all
 * that may be allocated. 0 or -errno.
 */
int unprivileged__enter(__u64 data_bytes);

#endif

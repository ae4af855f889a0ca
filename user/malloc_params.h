/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glibc's own parameters (mp_), read from a running process: where they lie is found in the file,
 * by the data that they start with. What is read is never mixed with what is predicted.
 */
#ifndef ALLOCPATH_MALLOC_PARAMS_H
#define ALLOCPATH_MALLOC_PARAMS_H

#include <linux/types.h>
#include <stdbool.h>
#include <sys/types.h>

struct malloc_params {
	__u64 trim_threshold, top_pad, mmap_threshold; /* bytes */
	bool is_pinned; /* the threshold moves no more */
};

/* 0; -ENOENT: no glibc, or its parameters are not found; else -errno. */
int malloc_params__read(struct malloc_params *params, pid_t pid);

#endif

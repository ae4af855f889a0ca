/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places in libc's bare system call wrappers, and in sbrk, from which the caller's return
 * address can be found; gperftools has wrappers of its own around those. From each file's code
 * and .eh_frame, never constants: other builds differ.
 */
#ifndef ALLOCPATH_WRAPPER_SITES_H
#define ALLOCPATH_WRAPPER_SITES_H

#include "allocator_file.h"
#include "eh_frame.h"

/* Bit of each wrapper, for the set of those that were found. */
enum wrapper_name {
	WRAPPER_MMAP,
	WRAPPER_MUNMAP,
	WRAPPER_MPROTECT,
	WRAPPER_MREMAP,
	WRAPPER_BRK,
	WRAPPER_MADVISE,
	WRAPPER_SBRK,
	WRAPPER_SYSCALL,
	NR_WRAPPERS,
};

struct wrapper_functions {
	__u64 address[NR_WRAPPERS]; /* 0: the file does not export it */
	__u64 size[NR_WRAPPERS];
};

/*
 * Which wrapper has this name: enum wrapper_name, or -ENOENT. mmap and mmap64 are one.
 */
int wrapper_sites__name(const char *name);

/*
 * The frame needs nothing but its file: what .eh_frame does not tell is decoded. needed: bits of
 * enum wrapper_name, without which a growing call could not be charged to anyone; -EOPNOTSUPP:
 * one of these is not there or not understood. The array is the caller's to free.
 */
int wrapper_sites__find(const struct eh_frame *frame, const struct wrapper_functions *functions,
			unsigned int needed, struct wrapper **wrappers, size_t *nr_wrappers);

#endif

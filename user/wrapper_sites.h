/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places in libc's bare system call wrappers, and in sbrk, from which the caller's return
 * address can be found. From the .eh_frame of each file, never constants: other builds differ.
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

/* Array and count are the caller's to free. -EOPNOTSUPP: mmap, brk or sbrk is not understood. */
int wrapper_sites__find(const struct eh_frame *frame, const struct wrapper_functions *functions,
			struct wrapper **wrappers, size_t *nr_wrappers);

#endif

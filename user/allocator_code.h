/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the code of an allocation function shows: to which others it jumps, and where it returns.
 * Jumps through the file's own linkage table are followed.
 */
#ifndef ALLOCPATH_ALLOCATOR_CODE_H
#define ALLOCPATH_ALLOCATOR_CODE_H

#include "allocator_file.h"
#include "elf_file.h"

#define CODE_MAX_JUMPS 16 /* out of one function */
#define CODE_MAX_RETURNS 64 /* of one function, with those that it jumps to */

struct code {
	__u64 jumps[CODE_MAX_JUMPS]; /* addresses outside that it goes on at */
	size_t nr_jumps;
	__u64 returns[CODE_MAX_RETURNS]; /* addresses of ret instructions */
	size_t nr_returns;
	__u64 forwards_to; /* it is nothing but a jump to there; 0: it is more */
	bool unseen_exit; /* an indirect jump, too many, or code that is not understood */
};

/* 0, -ENOMEM, or -EINVAL: outside the file. */
int code__read(const struct elf_file *elf, __u64 address, __u64 size, struct code *code);

/* Size of the function that begins at an address; 0: not known. */
typedef __u64 code_size_of(void *context, __u64 address);

/*
 * Adds the ret instructions of the functions that this one jumps to, and so on. Whatever of its
 * exits is not seen is told by unseen_exit.
 */
int code__follow_jumps(const struct elf_file *elf, struct code *code, code_size_of *size_of,
		       void *context);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where to put a function's probe. On x86-64 the kernel emulates a few instructions inside the
 * trap and single-steps all others, at the price of a second exception: so the site is the first
 * emulated instruction that every call reaches once, with the arguments and the stack pointer as
 * they were at the entry.
 */
#ifndef ALLOCPATH_SITE_H
#define ALLOCPATH_SITE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SITE_MAX_ARGUMENTS 3 /* rdi, rsi, rdx */

struct site {
	__u32 offset; /* from the function's entry */
	bool emulated;
};

/*
 * Chooses the site of the function whose whole code is given; machine is the file's e_machine.
 * nr_args arguments must be whole at the site. Anything but x86-64: the entry, stepped.
 * -EINVAL: the code does not begin with an instruction. -EOPNOTSUPP: no place is safe.
 */
int site__choose(__u16 machine, const unsigned char *code, size_t size, __u64 address,
		 unsigned int nr_args, struct site *out);

#endif

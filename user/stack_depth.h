/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far the stack pointer is from the return address at each instruction of a small function,
 * by decoding: for files without .eh_frame, as musl and most static programs are.
 */
#ifndef ALLOCPATH_STACK_DEPTH_H
#define ALLOCPATH_STACK_DEPTH_H

#include "decode.h"

struct stack_depth {
	__u64 address;
	size_t size;
	__s32 *depths; /* by offset */
};

/* Follows every path from the entry. The decoder is only borrowed. 0 or -ENOMEM. */
int stack_depth__open(struct stack_depth *depth, struct decoder *decoder, const unsigned char *code,
		      size_t size, __u64 address);
void stack_depth__close(struct stack_depth *depth);

/* Bytes from the stack pointer up to the return address; -ENOENT: not known there. */
int stack_depth__at(const struct stack_depth *depth, __u64 address, __s32 *bytes);

#endif

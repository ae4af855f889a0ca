/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each stack of a process stands for, brought to the exact totals: samples are scaled within
 * each (path, size class), kernel events within their kind, so that all sums of one profile agree.
 */
#ifndef ALLOCPATH_STACK_ROWS_H
#define ALLOCPATH_STACK_ROWS_H

#include "profile.h"
#include "stack.h"

struct stack_row {
	__u32 stack; /* index + 1; 0: none, see stack_row__why */
	__u16 size_class; /* of requests, as path and function are; else 0 */
	__u8 kind; /* enum sample_kind */
	__u8 path;
	__u8 function;
	__u64 samples; /* stacks taken */
	__u64 count; /* events; of the break and of mappings as sampled, the rest to the unit */
	__u64 bytes; /* asked for, grown, mapped, or first touched */
};

/*
 * The rows of a process, by kind, size class and path. The array is the caller's to free; *nr may
 * be 0. 0 or -ENOMEM.
 */
int stack_rows__make(const struct profile_process *process, struct stack_row **rows, size_t *nr);

/*
 * Why a row has no stack: "[not sampled]", "[stack not kept]", or of a touch "[no request known]".
 * NULL: it has one.
 */
const char *stack_row__why(const struct stack_row *row);

#endif

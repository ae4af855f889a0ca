/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What .eh_frame knows of a function without symbols: where it begins and ends, and how far the
 * stack pointer is from the return address at each of its instructions. A reader of our own
 * because libdw allocates as many registers as the file asks for.
 */
#ifndef ALLOCPATH_EH_FRAME_H
#define ALLOCPATH_EH_FRAME_H

#include "elf_file.h"

struct eh_frame_entry {
	__u64 start;
	__u64 description; /* address of the FDE */
};

struct eh_frame {
	const struct elf_file *file;
	struct eh_frame_entry *entries; /* sorted by start */
	size_t nr_entries;
};

/* -EOPNOTSUPP: the file has no search table of the usual form. */
int eh_frame__open(struct eh_frame *frame, const struct elf_file *file);
void eh_frame__close(struct eh_frame *frame);

/* The function that holds an address. -ENOENT: none does. */
int eh_frame__function(const struct eh_frame *frame, __u64 address, __u64 *start, __u64 *end);

/*
 * Where the return address lies before the instruction at address runs, in bytes above the stack
 * pointer. -EOPNOTSUPP: it is not found from the stack pointer.
 */
int eh_frame__return_slot(const struct eh_frame *frame, __u64 address, __s32 *slot);

#endif

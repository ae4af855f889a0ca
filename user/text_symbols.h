/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbols of addresses that a text lists: the kernel's own, and those of code made at run time. */
#ifndef ALLOCPATH_TEXT_SYMBOLS_H
#define ALLOCPATH_TEXT_SYMBOLS_H

#include "code_ranges.h"

#define TEXT_SYMBOLS_MAX_BYTES (32 << 20) /* of names */

struct text_symbols {
	struct code_ranges ranges;
	char *names;
	size_t names_size, names_room;
};

/* 0, -ENOMEM or -EFBIG. The name need not end in a 0. */
int text_symbols__add(struct text_symbols *symbols, __u64 start, __u64 size, __u8 rank,
		      const char *name, size_t length);
/* Due after the last was added. */
void text_symbols__finish(struct text_symbols *symbols);

/* Of all that hold the address the name that was added last. NULL: none does. */
const char *text_symbols__latest(const struct text_symbols *symbols, __u64 address);
/* Of the innermost that hold the address the first with the lowest rank. NULL: none does. */
const char *text_symbols__innermost(const struct text_symbols *symbols, __u64 address);

__u64 text_symbols__bytes(const struct text_symbols *symbols);
void text_symbols__free(struct text_symbols *symbols);

#endif

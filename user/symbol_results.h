/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found, by object and offset, once each. Strings are kept once too. */
#ifndef ALLOCPATH_SYMBOL_RESULTS_H
#define ALLOCPATH_SYMBOL_RESULTS_H

#include "string_table.h"
#include "symbols.h"

#define SYMBOL_RESULTS_MAX_FRAMES 64 /* inlined into each other at one offset */

struct symbol_result {
	__u64 offset;
	__u32 object;
	__u32 nr_frames; /* 0: a free place */
	const struct symbol_frame *frames;
};

struct symbol_results {
	struct symbol_result *results; /* open addressing */
	size_t nr, room; /* a power of two, or 0 */
	struct string_table strings;
	__u64 bytes; /* own memory, about */
	__u64 max_bytes;
};

/* 0 or -ENOMEM. */
int symbol_results__open(struct symbol_results *results, __u64 max_bytes);
void symbol_results__close(struct symbol_results *results);

/* NULL: it was not kept yet. */
const struct symbol_result *symbol_results__find(const struct symbol_results *results, __u32 object,
						 __u64 offset);

/* A copy without control characters that lives as long as the results. NULL: no memory. */
const char *symbol_results__text(struct symbol_results *results, const char *text);

/*
 * Keeps frames, whose strings are of symbol_results__text. -ENOSPC: there is more than max_bytes
 * already. -ENOMEM.
 */
int symbol_results__keep(struct symbol_results *results, __u32 object, __u64 offset,
			 const struct symbol_frame *frames, size_t nr_frames);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of code by their start, which may nest, overlap and have several names. */
#ifndef ALLOCPATH_CODE_RANGES_H
#define ALLOCPATH_CODE_RANGES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* 4 million symbols; the largest programs in use have about one. */
#define CODE_RANGES_MAX (4 << 20)

struct code_range {
	__u64 start;
	__u32 size; /* 0: not known */
	__u32 name; /* the owner's number of its name */
	__u32 outer; /* index + 1 of the nearest one before that reaches beyond start; 0: none */
	__u8 source; /* the owner's */
	__u8 rank; /* the owner's: lower is better */
};

struct code_ranges {
	struct code_range *ranges;
	size_t nr, room;
};

/* 0, -ENOMEM, or -EFBIG for one too many. */
int code_ranges__add(struct code_ranges *ranges, const struct code_range *range);
/* Due after the last was added, before the first is looked for. */
void code_ranges__sort(struct code_ranges *ranges);
void code_ranges__free(struct code_ranges *ranges);

/*
 * The innermost range that holds a position; or, where none does, the last one before it if its
 * size is not known: that may end anywhere before the position, which is the caller's to judge.
 * Of several with this start it is the first, the others follow. NULL: none.
 */
const struct code_range *code_ranges__find(const struct code_ranges *ranges, __u64 at);

/* The next range with the same start that holds the position too, or is as sizeless; or NULL. */
const struct code_range *code_ranges__alias(const struct code_ranges *ranges,
					    const struct code_range *range, __u64 at);

/* The next wider one that holds the position; or NULL. */
const struct code_range *code_ranges__outer(const struct code_ranges *ranges,
					    const struct code_range *range, __u64 at);

#endif

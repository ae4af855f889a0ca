/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text range of the allocator's own object inside a C library that has lost its local
 * symbols: the exported functions and what they reach by direct calls and jumps, as far as no
 * other object's exported function lies between.
 */
#ifndef ALLOCPATH_ALLOCATOR_RANGE_H
#define ALLOCPATH_ALLOCATOR_RANGE_H

#include "eh_frame.h"

/* What is known of the object and its neighbours before any code is read. */
struct allocator_exports {
	const __u64 *roots; /* addresses of exported functions, most of them in the object */
	size_t nr_roots;
	__u64 first; /* lowest allocation function; all of these are in the object */
	__u64 last; /* highest one */
	__u64 end; /* of the one that ends last */
	__u64 floor; /* end of the nearest function of another object below; 0: none */
	__u64 ceiling; /* start of the nearest one above */
};

/* -EOPNOTSUPP: the allocation functions are scattered over the file. */
int allocator_range__find(const struct eh_frame *frame, const struct allocator_exports *exports,
			  __u64 *low, __u64 *high);

#endif

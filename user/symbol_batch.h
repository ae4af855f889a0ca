/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_SYMBOL_BATCH_H
#define ALLOCPATH_SYMBOL_BATCH_H

#include <stdio.h>

#include "symbols.h"

struct symbol_request {
	struct symbol_object object;
	__u64 offset;
};

/*
 * Looks up many places before they are shown, those of one file together: asked for in the order
 * of stacks, files would be opened and given up again and again. What is found is kept, as far as
 * there is room. A line of progress is written to the stream if it is a terminal and it takes long;
 * NULL: never. Sorts the requests. 0 or -ENOMEM.
 */
int symbol_batch__find(struct symbols *symbols, struct symbol_request *requests, size_t nr,
		       FILE *progress);

#endif

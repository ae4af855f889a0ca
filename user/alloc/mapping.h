/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks with a mapping of their own. No lock: a mapping is its block's owner's. */
#ifndef REFALLOC_MAPPING_H
#define REFALLOC_MAPPING_H

#include "block.h"

/* alignment: a power of two, at least ALIGNMENT. The memory is zero. NULL: refused. */
struct block *mapping__new(size_t request, size_t alignment);

/* It may move, and keeps its distance to where the mapping begins. NULL: all is as before. */
struct block *mapping__resize(struct block *block, size_t request);

void mapping__free(struct block *block);

/*
 * Whether it was such a block's memory and is mapped no more. Forgotten when another's went whose
 * page number is the same but for a multiple of 4096: to look at it then is SIGSEGV, without a line.
 * To ask the kernel instead, of each pointer outside the heap, would cost a call a free in threads.
 */
bool mapping__is_gone(const void *memory);

/* Blocks and bytes now, for mallinfo2. */
void mapping__figures(size_t *blocks, size_t *bytes);

#endif

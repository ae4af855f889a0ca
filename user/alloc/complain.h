/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Met with corruption: one line that names it, then abort. */
#ifndef REFALLOC_COMPLAIN_H
#define REFALLOC_COMPLAIN_H

#include "block.h"

#define BAD_POINTER "bad pointer: no block begins there, or its header is overwritten"
#define DOUBLE_FREE "double free: the block is free already"
#define BAD_HEADER "overwritten header: the block's size is not what its neighbour says"
#define BAD_MAPPING "overwritten header: no mapping can be as the block says"
#define BAD_LINKS "overwritten free block: its links do not lead back to it"

/* Of the block that the caller has passed, or that was met on its way. */
_Noreturn void complain(const struct block *block, const char *what);

/* Which of them it is, of a block whose header does not say that it is simply in use. */
_Noreturn void complain__about(void *memory);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Met with corruption: one line that names it, then abort. */
#ifndef REFALLOC_COMPLAIN_H
#define REFALLOC_COMPLAIN_H

#include "block.h"
#include "thread.h"

enum complaint {
	COMPLAINT_POINTER, /* what was passed is no block's */
	COMPLAINT_FREED, /* it is free already */
	COMPLAINT_HEADER, /* sizes at both ends of a block differ */
	COMPLAINT_LINKS, /* a free block's links do not lead back to it */
};

/* Of the block that the caller has passed, or that was met on its way. */
_Noreturn void complain(const struct block *block, enum complaint complaint);

/* Which of them it is, of a block whose header does not say that it is simply in use. */
_Noreturn void complain__about(const void *memory);

#endif

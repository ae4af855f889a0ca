/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "complain.h"

#include <stdlib.h>

#include "mapping.h"
#include "os.h"

void complain(const struct block *block, const char *what)
{
	os__say("%p: %s", (const void *)((const char *)block + HEADER_BYTES), what);
	abort();
}

void complain__about(void *memory)
{
	const struct block *block = block__of(memory);

	if (mapping__is_gone(memory))
		complain(block, DOUBLE_FREE);
	if ((uintptr_t)memory % ALIGNMENT || (block->before & TAG_MASK) != TAG)
		complain(block, BAD_POINTER);
	if (block->word & BLOCK_CACHED || !block__is_used(block))
		complain(block, DOUBLE_FREE);
	complain(block, BAD_HEADER);
}

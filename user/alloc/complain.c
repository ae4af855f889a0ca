/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "complain.h"

#include <stdlib.h>

#include "os.h"
#include "text.h"

static const char *const complaints[] = {
	[COMPLAINT_POINTER] = "bad pointer: no block begins there",
	[COMPLAINT_FREED] = "double free: the block is free already",
	[COMPLAINT_HEADER] =
		"overwritten header: behind the block stands another size than its own",
	[COMPLAINT_LINKS] = "overwritten free block: its links do not lead back to it",
};

static _Noreturn void say_and_abort(const void *memory, const char *what)
{
	char line[256];
	struct text text = { .at = line, .left = sizeof(line) - 1 };

	text__string(&text, "refalloc: ");
	text__address(&text, memory);
	text__string(&text, ": ");
	text__string(&text, what);
	*text.at++ = '\n';
	os__say(line, (size_t)(text.at - line));
	abort();
}

void complain(const struct block *block, enum complaint complaint)
{
	say_and_abort((const char *)block + HEADER_BYTES, complaints[complaint]);
}

void complain__about(const void *memory)
{
	const struct block *block = block__of((void *)memory);

	if ((uintptr_t)memory % ALIGNMENT || (block->before & TAG_MASK) != TAG)
		say_and_abort(memory, complaints[COMPLAINT_POINTER]);
	if (block->word & BLOCK_CACHED || !block__is_used(block))
		say_and_abort(memory, complaints[COMPLAINT_FREED]);
	say_and_abort(memory, complaints[COMPLAINT_HEADER]);
}

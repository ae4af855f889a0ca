/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096
#define MAX_RANGES 4096 /* looked at for one address */

int text_symbols__add(struct text_symbols *symbols, __u64 start, __u64 size, __u8 rank,
		      const char *name, size_t length)
{
	struct code_range range = {
		.start = start,
		.size = size < ~0U ? (__u32)size : ~0U,
		.name = (__u32)symbols->names_size,
		.rank = rank,
	};
	size_t room = symbols->names_room ? symbols->names_room : FIRST_ROOM;

	if (symbols->names_size + length + 1 > TEXT_SYMBOLS_MAX_BYTES)
		return -EFBIG;
	while (symbols->names_size + length + 1 > room)
		room *= 2;
	if (room != symbols->names_room) {
		char *more = realloc(symbols->names, room);

		if (!more)
			return -ENOMEM;
		symbols->names = more;
		symbols->names_room = room;
	}
	memcpy(symbols->names + symbols->names_size, name, length);
	symbols->names[symbols->names_size + length] = '\0';
	symbols->names_size += length + 1;
	return code_ranges__add(&symbols->ranges, &range);
}

void text_symbols__finish(struct text_symbols *symbols)
{
	code_ranges__sort(&symbols->ranges);
}

static const struct code_range *find(const struct text_symbols *symbols, __u64 address)
{
	const struct code_range *range = code_ranges__find(&symbols->ranges, address);

	return range && range->size ? range : NULL;
}

const char *text_symbols__latest(const struct text_symbols *symbols, __u64 address)
{
	const struct code_range *range = find(symbols, address), *latest = range;
	unsigned int i;

	for (i = 0; range && i < MAX_RANGES; i++) {
		if (range->name > latest->name)
			latest = range;
		range = code_ranges__outer(&symbols->ranges, range, address);
	}
	return latest ? symbols->names + latest->name : NULL;
}

const char *text_symbols__innermost(const struct text_symbols *symbols, __u64 address)
{
	const struct code_range *range = find(symbols, address), *best = range;
	unsigned int i;

	for (i = 0; range && i < MAX_RANGES; i++) {
		if (range->rank < best->rank ||
		    (range->rank == best->rank && range->name < best->name))
			best = range;
		range = code_ranges__alias(&symbols->ranges, range, address);
	}
	return best ? symbols->names + best->name : NULL;
}

__u64 text_symbols__bytes(const struct text_symbols *symbols)
{
	return symbols->names_room + symbols->ranges.room * sizeof(*symbols->ranges.ranges);
}

void text_symbols__free(struct text_symbols *symbols)
{
	code_ranges__free(&symbols->ranges);
	free(symbols->names);
	*symbols = (struct text_symbols){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024
#define STRING_BYTES 32 /* of a string beside its text: allocation, place, pointer */

/* Most offsets have no name or none of their own: one frame serves all that have nothing. */
static const struct symbol_frame nameless;

int symbol_results__open(struct symbol_results *results, __u64 max_bytes)
{
	*results = (struct symbol_results){ .max_bytes = max_bytes };
	return string_table__open(&results->strings);
}

void symbol_results__close(struct symbol_results *results)
{
	size_t i;

	for (i = 0; i < results->room; i++)
		if (results->results[i].frames != &nameless)
			free((void *)results->results[i].frames);
	free(results->results);
	string_table__close(&results->strings);
}

static struct symbol_result *find_place(const struct symbol_results *results, __u32 object,
					__u64 offset)
{
	__u64 hash = (offset ^ ((__u64)object << 40)) * 0x9e3779b97f4a7c15ULL;
	size_t at = (hash >> 20) & (results->room - 1);

	while (results->results[at].nr_frames &&
	       (results->results[at].offset != offset || results->results[at].object != object))
		at = (at + 1) & (results->room - 1);
	return &results->results[at];
}

const struct symbol_result *symbol_results__find(const struct symbol_results *results, __u32 object,
						 __u64 offset)
{
	const struct symbol_result *result;

	if (!results->room)
		return NULL;
	result = find_place(results, object, offset);
	return result->nr_frames ? result : NULL;
}

const char *symbol_results__text(struct symbol_results *results, const char *text)
{
	size_t nr = results->strings.nr, length = strlen(text), i;
	char *clean = NULL;
	long number;

	for (i = 0; i < length; i++) {
		if ((unsigned char)text[i] >= ' ' && text[i] != 0x7f)
			continue;
		if (!clean)
			clean = strdup(text);
		if (!clean)
			return NULL;
		clean[i] = '?';
	}
	number = string_table__number(&results->strings, clean ? clean : text);
	free(clean);
	if (number < 0)
		return NULL;
	if (results->strings.nr > nr)
		results->bytes += length + STRING_BYTES;
	return results->strings.texts[number];
}

static int grow(struct symbol_results *results)
{
	size_t old_room = results->room, room = old_room ? 2 * old_room : FIRST_ROOM, i;
	struct symbol_result *old = results->results, *more = calloc(room, sizeof(*more));

	if (!more)
		return -ENOMEM;
	results->results = more;
	results->room = room;
	for (i = 0; i < old_room; i++)
		if (old[i].nr_frames)
			*find_place(results, old[i].object, old[i].offset) = old[i];
	results->bytes += (room - old_room) * sizeof(*more);
	free(old);
	return 0;
}

int symbol_results__keep(struct symbol_results *results, __u32 object, __u64 offset,
			 const struct symbol_frame *frames, size_t nr_frames)
{
	const struct symbol_frame *kept = &nameless;

	if (results->bytes > results->max_bytes)
		return -ENOSPC;
	if (2 * results->nr >= results->room && grow(results))
		return -ENOMEM;
	if (nr_frames > 1 || frames->function || frames->file) {
		struct symbol_frame *copy = malloc(nr_frames * sizeof(*copy));

		if (!copy)
			return -ENOMEM;
		memcpy(copy, frames, nr_frames * sizeof(*copy));
		results->bytes += nr_frames * sizeof(*copy) + 16;
		kept = copy;
	}
	*find_place(results, object, offset) = (struct symbol_result){
		.offset = offset,
		.object = object,
		.nr_frames = (__u32)nr_frames,
		.frames = kept,
	};
	results->nr++;
	return 0;
}

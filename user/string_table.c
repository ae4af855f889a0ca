/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "string_table.h"
#include "utf8.h"

#define FIRST_ROOM 256

static size_t text__hash(const char *text)
{
	__u64 hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return hash ^ (hash >> 32);
}

/* The place of a text, or the free one where it belongs. */
static __u32 *string_table__place(const struct string_table *table, const char *text)
{
	size_t at = text__hash(text) & (table->room - 1);

	while (table->places[at] && strcmp(table->texts[table->places[at] - 1], text))
		at = (at + 1) & (table->room - 1);
	return &table->places[at];
}

static int string_table__grow(struct string_table *table)
{
	size_t room = table->room ? 2 * table->room : FIRST_ROOM;
	__u32 *places = calloc(room, sizeof(*places));
	char **texts = realloc(table->texts, room / 2 * sizeof(*texts));

	if (texts)
		table->texts = texts;
	if (!texts || !places) {
		free(places);
		return -ENOMEM;
	}
	free(table->places);
	table->places = places;
	table->room = room;
	for (size_t i = 0; i < table->nr; i++)
		*string_table__place(table, texts[i]) = i + 1;
	return 0;
}

/* The caller frees it. A byte becomes three at most. */
static char *text__in_utf8(const char *text)
{
	char *clean = malloc(3 * strlen(text) + 1), *end = clean;

	if (!clean)
		return NULL;
	while (*text) {
		size_t length = utf8__length((const unsigned char *)text);

		memcpy(end, length ? text : "\xef\xbf\xbd", length ? length : 3);
		end += length ? length : 3;
		text += length ? length : 1;
	}
	*end = 0;
	return clean;
}

int string_table__open(struct string_table *table)
{
	memset(table, 0, sizeof(*table));
	return string_table__number(table, "") ? -ENOMEM : 0;
}

long string_table__number(struct string_table *table, const char *text)
{
	char *clean = text__in_utf8(text);
	__u32 *place;

	if (!clean)
		return -ENOMEM;
	if (2 * table->nr >= table->room && string_table__grow(table)) {
		free(clean);
		return -ENOMEM;
	}
	place = string_table__place(table, clean);
	if (*place) {
		free(clean);
		return *place - 1;
	}
	table->texts[table->nr++] = clean;
	*place = table->nr;
	return *place - 1;
}

void string_table__close(struct string_table *table)
{
	for (size_t i = 0; i < table->nr; i++)
		free(table->texts[i]);
	free(table->texts);
	free(table->places);
	memset(table, 0, sizeof(*table));
}

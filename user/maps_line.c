/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "maps_line.h"

/* A number without sign or space before it, and the character that has to follow it. */
static bool read_number(char **at, int base, char follows, __u64 *number)
{
	char *end;

	if (**at == '-' || **at == '+' || **at == ' ' || **at == '\t')
		return false;
	*number = strtoull(*at, &end, base);
	if (end == *at || *end != follows)
		return false;
	*at = end + 1;
	return true;
}

bool maps_line__parse(char *text, struct maps_line *line)
{
	__u64 major, minor;
	char *at = text;

	text[strcspn(text, "\n")] = 0;
	if (!read_number(&at, 16, '-', &line->start) || !read_number(&at, 16, ' ', &line->end) ||
	    line->start >= line->end)
		return false;
	if (strnlen(at, 5) < 5 || at[4] != ' ')
		return false;
	memcpy(line->rights, at, sizeof(line->rights));
	at += 5;
	if (!read_number(&at, 16, ' ', &line->offset) || !read_number(&at, 16, ':', &major) ||
	    !read_number(&at, 16, ' ', &minor))
		return false;
	line->major = (__u32)major;
	line->minor = (__u32)minor;
	/* A mapping without a name ends behind its inode, with or without a space. */
	if (strchr("0123456789", *at) == NULL || !*at)
		return false;
	line->inode = strtoull(at, &at, 10);
	line->path = at + strspn(at, " ");
	return !*at || *at == ' ';
}

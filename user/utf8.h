/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_UTF8_H
#define ALLOCPATH_UTF8_H

#include <stddef.h>

/*
 * Length of the UTF-8 sequence that text begins with, 0 if it is none: overlong forms, surrogates
 * and what lies above U+10FFFF are none. The terminating 0 ends any sequence.
 */
static inline size_t utf8__length(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	if (text[0] < 0xe0)
		length = 2;
	else if (text[0] < 0xf0)
		length = 3;
	else
		length = 4;

	/* Only the second byte has a narrower range, and only after four first bytes. */
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return length;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text in a buffer, for messages: printf may allocate. What does not fit is cut off. */
#ifndef REFALLOC_TEXT_H
#define REFALLOC_TEXT_H

#include <stddef.h>
#include <string.h>

#include <linux/types.h>

struct text {
	char *at;
	size_t left;
};

static inline void text__bytes(struct text *text, const char *bytes, size_t length)
{
	if (length > text->left)
		length = text->left;
	memcpy(text->at, bytes, length);
	text->at += length;
	text->left -= length;
}

static inline void text__string(struct text *text, const char *string)
{
	text__bytes(text, string, strlen(string));
}

static inline void text__in_base(struct text *text, __u64 number, unsigned int base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	text__bytes(text, digits + at, sizeof(digits) - at);
}

static inline void text__number(struct text *text, __u64 number)
{
	text__in_base(text, number, 10);
}

static inline void text__address(struct text *text, const void *address)
{
	text__string(text, "0x");
	text__in_base(text, (__u64)address, 16);
}

#endif

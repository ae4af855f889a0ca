/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A position in bytes that anyone may have written, with the number formats of DWARF. Reading past
 * the end gives zeros and sets failed. In a header because a table is read byte by byte.
 */
#ifndef ALLOCPATH_DWARF_CURSOR_H
#define ALLOCPATH_DWARF_CURSOR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct dwarf_cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool failed;
};

static inline size_t dwarf_cursor__left(const struct dwarf_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

static inline void dwarf_cursor__take(struct dwarf_cursor *cursor, void *value, size_t size)
{
	if (dwarf_cursor__left(cursor) < size) {
		memset(value, 0, size);
		cursor->at = cursor->end;
		cursor->failed = true;
		return;
	}
	memcpy(value, cursor->at, size);
	cursor->at += size;
}

static inline void dwarf_cursor__skip(struct dwarf_cursor *cursor, __u64 size)
{
	if (dwarf_cursor__left(cursor) < size) {
		cursor->at = cursor->end;
		cursor->failed = true;
		return;
	}
	cursor->at += size;
}

static inline __u8 dwarf_cursor__u8(struct dwarf_cursor *cursor)
{
	__u8 value;

	dwarf_cursor__take(cursor, &value, sizeof(value));
	return value;
}

static inline __u16 dwarf_cursor__u16(struct dwarf_cursor *cursor)
{
	__u16 value;

	dwarf_cursor__take(cursor, &value, sizeof(value));
	return value;
}

static inline __u32 dwarf_cursor__u32(struct dwarf_cursor *cursor)
{
	__u32 value;

	dwarf_cursor__take(cursor, &value, sizeof(value));
	return value;
}

static inline __u64 dwarf_cursor__u64(struct dwarf_cursor *cursor)
{
	__u64 value;

	dwarf_cursor__take(cursor, &value, sizeof(value));
	return value;
}

static inline __u64 dwarf_cursor__uleb(struct dwarf_cursor *cursor)
{
	unsigned int shift = 0;
	__u64 value = 0;
	__u8 byte;

	do {
		byte = dwarf_cursor__u8(cursor);
		if (shift < 64)
			value |= (__u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static inline __s64 dwarf_cursor__sleb(struct dwarf_cursor *cursor)
{
	unsigned int shift = 0;
	__u64 value = 0;
	__u8 byte;

	do {
		byte = dwarf_cursor__u8(cursor);
		if (shift < 64)
			value |= (__u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (__s64)value;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "eh_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The encodings that every linker writes; others are not worth the code. */
#define ENCODING_POINTER (DW_EH_PE_pcrel | DW_EH_PE_sdata4)
#define ENCODING_TABLE (DW_EH_PE_datarel | DW_EH_PE_sdata4)

#define HEADER_BYTES 12
#define MAX_HEADER_BYTES (16 << 20)
#define MAX_RECORD_BYTES (1 << 16) /* one CIE or FDE */
#define MAX_REMEMBERED 8
#define MAX_FRAME_BYTES (1 << 20)
#define STACK_POINTER 7 /* DWARF's number for rsp */

/* A position in bytes of the file. Reading past the end gives zeros and sets failed. */
struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool failed;
};

/* How to find the canonical frame address: the stack pointer's value before the call. */
struct frame_rule {
	__u64 reg;
	__s64 offset;
	bool is_expression;
};

struct frame_state {
	struct frame_rule rule;
	struct frame_rule remembered[MAX_REMEMBERED];
	unsigned int nr_remembered;
	__u64 location;
	__u64 code_factor;
	__s64 data_factor;
};

static void cursor__take(struct cursor *cursor, void *value, size_t size)
{
	if ((size_t)(cursor->end - cursor->at) < size) {
		memset(value, 0, size);
		cursor->at = cursor->end;
		cursor->failed = true;
		return;
	}
	memcpy(value, cursor->at, size);
	cursor->at += size;
}

static void cursor__skip(struct cursor *cursor, __u64 size)
{
	if ((__u64)(cursor->end - cursor->at) < size) {
		cursor->at = cursor->end;
		cursor->failed = true;
		return;
	}
	cursor->at += size;
}

static __u8 cursor__u8(struct cursor *cursor)
{
	__u8 value;

	cursor__take(cursor, &value, sizeof(value));
	return value;
}

static __u16 cursor__u16(struct cursor *cursor)
{
	__u16 value;

	cursor__take(cursor, &value, sizeof(value));
	return value;
}

static __u32 cursor__u32(struct cursor *cursor)
{
	__u32 value;

	cursor__take(cursor, &value, sizeof(value));
	return value;
}

static __u64 cursor__uleb(struct cursor *cursor)
{
	unsigned int shift = 0;
	__u64 value = 0;
	__u8 byte;

	do {
		byte = cursor__u8(cursor);
		if (shift < 64)
			value |= (__u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static __s64 cursor__sleb(struct cursor *cursor)
{
	unsigned int shift = 0;
	__u64 value = 0;
	__u8 byte;

	do {
		byte = cursor__u8(cursor);
		if (shift < 64)
			value |= (__u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (__s64)value;
}

int eh_frame__open(struct eh_frame *frame, const struct elf_file *file)
{
	__u64 base = file->eh_frame_header;
	size_t size = file->eh_frame_header_size, i, n;
	unsigned char *bytes;
	struct cursor cursor;
	int err;

	*frame = (struct eh_frame){ .file = file };
	if (size < HEADER_BYTES || size > MAX_HEADER_BYTES)
		return -EOPNOTSUPP;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	err = elf_file__read(file, base, bytes, size);
	if (err)
		goto out;
	err = -EOPNOTSUPP;
	if (bytes[0] != 1 || bytes[1] != ENCODING_POINTER || bytes[2] != DW_EH_PE_udata4 ||
	    bytes[3] != ENCODING_TABLE)
		goto out;
	err = -EINVAL;
	cursor = (struct cursor){ .at = bytes + 8, .end = bytes + size };
	n = cursor__u32(&cursor);
	if (!n || n > (size - HEADER_BYTES) / 8)
		goto out;
	frame->entries = calloc(n, sizeof(*frame->entries));
	if (!frame->entries) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < n; i++) {
		struct eh_frame_entry *entry = &frame->entries[i];

		entry->start = base + (__u64)(__s64)(__s32)cursor__u32(&cursor);
		entry->description = base + (__u64)(__s64)(__s32)cursor__u32(&cursor);
		if (i && entry->start <= entry[-1].start)
			goto out;
	}
	frame->nr_entries = n;
	err = 0;
out:
	free(bytes);
	if (err)
		eh_frame__close(frame);
	return err;
}

void eh_frame__close(struct eh_frame *frame)
{
	free(frame->entries);
	frame->entries = NULL;
	frame->nr_entries = 0;
}

/* The last entry that begins at or before the address. */
static const struct eh_frame_entry *find_entry(const struct eh_frame *frame, __u64 address)
{
	size_t low = 0, high = frame->nr_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (frame->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &frame->entries[low - 1] : NULL;
}

/* Reads a CIE or FDE whole, without its length. The bytes are the caller's to free. */
static int read_record(const struct eh_frame *frame, __u64 address, unsigned char **bytes,
		       struct cursor *cursor)
{
	unsigned char *record;
	__u32 size;
	int err;

	err = elf_file__read(frame->file, address, &size, sizeof(size));
	if (err)
		return err;
	if (size < 4 || size > MAX_RECORD_BYTES)
		return -EINVAL;
	record = malloc(size);
	if (!record)
		return -ENOMEM;
	err = elf_file__read(frame->file, address + 4, record, size);
	if (err) {
		free(record);
		return err;
	}
	*bytes = record;
	*cursor = (struct cursor){ .at = record, .end = record + size };
	return 0;
}

/* Leaves the cursor behind the range of an FDE, and checks that it describes this entry. */
static int read_range(const struct eh_frame_entry *entry, struct cursor *cursor, __u64 *common,
		      __u32 *size)
{
	__u64 start;

	*common = entry->description + 4 - cursor__u32(cursor);
	start = entry->description + 8 + (__u64)(__s64)(__s32)cursor__u32(cursor);
	*size = cursor__u32(cursor);
	return cursor->failed || start != entry->start ? -EINVAL : 0;
}

int eh_frame__function(const struct eh_frame *frame, __u64 address, __u64 *start, __u64 *end)
{
	const struct eh_frame_entry *entry = find_entry(frame, address);
	unsigned char head[16];
	struct cursor cursor = { .at = head + 4, .end = head + sizeof(head) };
	__u64 common, limit;
	__u32 size;
	int err;

	if (!entry)
		return -ENOENT;
	err = elf_file__read(frame->file, entry->description, head, sizeof(head));
	if (!err)
		err = read_range(entry, &cursor, &common, &size);
	if (err)
		return err;
	limit = entry->start + size;
	if (entry + 1 < frame->entries + frame->nr_entries && entry[1].start < limit)
		limit = entry[1].start;
	if (address >= limit)
		return -ENOENT;
	*start = entry->start;
	*end = limit;
	return 0;
}

/* Leaves the cursor at the instructions of a CIE. */
static int read_common(struct cursor *cursor, struct frame_state *state)
{
	__u32 id = cursor__u32(cursor);
	__u8 version = cursor__u8(cursor);
	const char *augmentation = (const char *)cursor->at;
	__u8 encoding = 0;
	__u64 size;

	if (id || (version != 1 && version != 3) ||
	    !memchr(cursor->at, '\0', (size_t)(cursor->end - cursor->at)))
		return -EOPNOTSUPP;
	cursor__skip(cursor, strlen(augmentation) + 1);
	state->code_factor = cursor__uleb(cursor);
	state->data_factor = cursor__sleb(cursor);
	if (version == 1)
		cursor__u8(cursor);
	else
		cursor__uleb(cursor);
	/* Only zR: an FDE with a personality is C++ and no wrapper of a system call. */
	if (strcmp(augmentation, "zR") != 0)
		return -EOPNOTSUPP;
	size = cursor__uleb(cursor);
	if (size == 1)
		encoding = cursor__u8(cursor);
	if (cursor->failed || encoding != ENCODING_POINTER)
		return -EOPNOTSUPP;
	return 0;
}

/* Factors are small; a file that overflows them gets a wrong offset, which is checked. */
static __s64 scaled(const struct frame_state *state, __s64 value)
{
	return (__s64)((__u64)value * (__u64)state->data_factor);
}

/* The instructions without an operand inside the opcode. */
static int run_extended(struct frame_state *state, struct cursor *cursor, __u8 opcode)
{
	switch (opcode) {
	case DW_CFA_nop:
		break;
	case DW_CFA_advance_loc1:
		state->location += cursor__u8(cursor) * state->code_factor;
		break;
	case DW_CFA_advance_loc2:
		state->location += cursor__u16(cursor) * state->code_factor;
		break;
	case DW_CFA_advance_loc4:
		state->location += cursor__u32(cursor) * state->code_factor;
		break;
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_GNU_args_size:
		cursor__uleb(cursor);
		break;
	case DW_CFA_offset_extended:
	case DW_CFA_register:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_GNU_negative_offset_extended:
		cursor__uleb(cursor);
		cursor__uleb(cursor); /* signed ones have the same length */
		break;
	case DW_CFA_remember_state:
		if (state->nr_remembered == MAX_REMEMBERED)
			return -EOPNOTSUPP;
		state->remembered[state->nr_remembered++] = state->rule;
		break;
	case DW_CFA_restore_state:
		if (!state->nr_remembered)
			return -EINVAL;
		state->rule = state->remembered[--state->nr_remembered];
		break;
	case DW_CFA_def_cfa:
		state->rule.is_expression = false;
		state->rule.reg = cursor__uleb(cursor);
		state->rule.offset = (__s64)cursor__uleb(cursor);
		break;
	case DW_CFA_def_cfa_sf:
		state->rule.is_expression = false;
		state->rule.reg = cursor__uleb(cursor);
		state->rule.offset = scaled(state, cursor__sleb(cursor));
		break;
	case DW_CFA_def_cfa_register:
		state->rule.reg = cursor__uleb(cursor);
		break;
	case DW_CFA_def_cfa_offset:
		state->rule.offset = (__s64)cursor__uleb(cursor);
		break;
	case DW_CFA_def_cfa_offset_sf:
		state->rule.offset = scaled(state, cursor__sleb(cursor));
		break;
	case DW_CFA_def_cfa_expression:
		state->rule.is_expression = true;
		cursor__skip(cursor, cursor__uleb(cursor));
		break;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		cursor__uleb(cursor);
		cursor__skip(cursor, cursor__uleb(cursor));
		break;
	default:
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Runs instructions up to the row that holds the address. */
static int run(struct frame_state *state, struct cursor *cursor, __u64 address)
{
	while (cursor->at < cursor->end) {
		struct frame_rule rule = state->rule;
		__u8 opcode = cursor__u8(cursor);
		int err = 0;

		switch (opcode & 0xc0) {
		case DW_CFA_advance_loc:
			state->location += (opcode & 0x3f) * state->code_factor;
			break;
		case DW_CFA_offset:
			cursor__uleb(cursor);
			break;
		case DW_CFA_restore:
			break;
		default:
			err = run_extended(state, cursor, opcode);
		}
		if (err)
			return err;
		if (cursor->failed)
			return -EINVAL;
		if (state->location > address) {
			state->rule = rule;
			break;
		}
	}
	return 0;
}

int eh_frame__return_slot(const struct eh_frame *frame, __u64 address, __s32 *slot)
{
	const struct eh_frame_entry *entry = find_entry(frame, address);
	unsigned char *bytes = NULL, *common_bytes = NULL;
	struct cursor cursor, common_cursor;
	struct frame_state state = { 0 };
	__u64 common;
	__u32 size;
	int err;

	if (!entry)
		return -ENOENT;
	err = read_record(frame, entry->description, &bytes, &cursor);
	if (err)
		return err;
	err = read_range(entry, &cursor, &common, &size);
	if (!err && address - entry->start >= size)
		err = -ENOENT;
	if (!err)
		err = read_record(frame, common, &common_bytes, &common_cursor);
	if (err)
		goto out;
	err = read_common(&common_cursor, &state);
	if (err)
		goto out;
	state.location = entry->start;
	err = run(&state, &common_cursor, address);
	if (err)
		goto out;
	cursor__skip(&cursor, cursor__uleb(&cursor));
	err = run(&state, &cursor, address);
	if (err)
		goto out;
	if (state.rule.is_expression || state.rule.reg != STACK_POINTER || state.rule.offset < 8 ||
	    state.rule.offset > MAX_FRAME_BYTES || state.rule.offset % 8) {
		err = -EOPNOTSUPP;
		goto out;
	}
	*slot = (__s32)state.rule.offset - 8;
out:
	free(bytes);
	free(common_bytes);
	return err;
}

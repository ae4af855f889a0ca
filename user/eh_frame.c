/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "eh_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "cfi.h"

/* The encodings that every linker writes; others are not worth the code. */
#define ENCODING_POINTER (DW_EH_PE_pcrel | DW_EH_PE_sdata4)
#define ENCODING_TABLE (DW_EH_PE_datarel | DW_EH_PE_sdata4)

#define HEADER_BYTES 12
#define MAX_HEADER_BYTES (16 << 20)
#define MAX_RECORD_BYTES (1 << 16) /* one CIE or FDE */
#define MAX_INSTRUCTIONS (1 << 18)
#define MAX_FRAME_BYTES (1 << 20)

int eh_frame__open(struct eh_frame *frame, const struct elf_file *file)
{
	__u64 base = file->eh_frame_header;
	size_t size = file->eh_frame_header_size, i, n;
	unsigned char *bytes;
	struct dwarf_cursor cursor;
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
	cursor = (struct dwarf_cursor){ .at = bytes + 8, .end = bytes + size };
	n = dwarf_cursor__u32(&cursor);
	if (!n || n > (size - HEADER_BYTES) / 8)
		goto out;
	frame->entries = calloc(n, sizeof(*frame->entries));
	if (!frame->entries) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < n; i++) {
		struct eh_frame_entry *entry = &frame->entries[i];

		entry->start = base + (__u64)(__s64)(__s32)dwarf_cursor__u32(&cursor);
		entry->description = base + (__u64)(__s64)(__s32)dwarf_cursor__u32(&cursor);
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
		       struct dwarf_cursor *cursor)
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
	*cursor = (struct dwarf_cursor){ .at = record, .end = record + size };
	return 0;
}

/* Leaves the cursor behind the range of an FDE, and checks that it describes this entry. */
static int read_range(const struct eh_frame_entry *entry, struct dwarf_cursor *cursor,
		      __u64 *common, __u32 *size)
{
	__u64 start;

	*common = entry->description + 4 - dwarf_cursor__u32(cursor);
	start = entry->description + 8 + (__u64)(__s64)(__s32)dwarf_cursor__u32(cursor);
	*size = dwarf_cursor__u32(cursor);
	return cursor->failed || start != entry->start ? -EINVAL : 0;
}

int eh_frame__function(const struct eh_frame *frame, __u64 address, __u64 *start, __u64 *end)
{
	const struct eh_frame_entry *entry = find_entry(frame, address);
	unsigned char head[16];
	struct dwarf_cursor cursor = { .at = head + 4, .end = head + sizeof(head) };
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

/* Reads the CIE at an address; its bytes are the caller's to free, and its instructions' too. */
static int read_common(const struct eh_frame *frame, __u64 address, unsigned char **bytes,
		       struct cfi_common *common)
{
	struct dwarf_cursor cursor;
	int err;

	err = read_record(frame, address, bytes, &cursor);
	if (err)
		return err;
	if (dwarf_cursor__u32(&cursor))
		return -EINVAL;
	return cfi_common__read(common, &cursor);
}

/* The row that holds an address of the function. */
static int find_row(const struct cfi_machine *machine, const struct cfi_common *common,
		    const struct cfi_function *function, __u64 address, struct cfi_row *row)
{
	struct cfi_run run = { .machine = machine, .common = common, .budget = MAX_INSTRUCTIONS };
	struct dwarf_cursor instructions = function->instructions;
	struct cfi_row initial;
	int err;

	err = cfi_run__common(&run, &initial);
	if (err)
		return err;
	run.initial = &initial;
	run.location = function->start;
	do
		err = cfi_run__next(&run, &instructions, row);
	while (err > 0 && run.location <= address);
	return err < 0 ? err : 0;
}

int eh_frame__return_slot(const struct eh_frame *frame, __u64 address, __s32 *slot)
{
	const struct cfi_machine *machine = cfi_machine__find(frame->file->machine);
	const struct eh_frame_entry *entry = find_entry(frame, address);
	unsigned char *bytes = NULL, *common_bytes = NULL;
	struct cfi_function function;
	struct cfi_common common;
	struct dwarf_cursor cursor;
	struct cfi_row row;
	int err;

	if (!entry)
		return -ENOENT;
	if (!machine)
		return -EOPNOTSUPP;
	err = read_record(frame, entry->description, &bytes, &cursor);
	if (err)
		return err;
	err = read_common(frame, entry->description + 4 - dwarf_cursor__u32(&cursor), &common_bytes,
			  &common);
	if (!err)
		err = cfi_function__read(&function, &common, &cursor, entry->description + 8);
	if (err)
		goto out;
	if (function.start != entry->start)
		err = -EINVAL;
	else if (address - function.start >= function.size)
		err = -ENOENT;
	else
		err = find_row(machine, &common, &function, address, &row);
	if (err)
		goto out;
	if (row.cfa_expression.bytes || row.cfa_register != machine->stack_pointer ||
	    row.cfa_offset < 8 || row.cfa_offset > MAX_FRAME_BYTES || row.cfa_offset % 8) {
		err = -EOPNOTSUPP;
		goto out;
	}
	*slot = (__s32)row.cfa_offset - 8;
out:
	free(bytes);
	free(common_bytes);
	return err;
}

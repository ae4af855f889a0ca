/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unwind_known.h"

#define MAX_SECTION_BYTES (256 << 20) /* a browser's is 30 MiB */
#define FIRST_SPANS 1024

int unwind_spans__add(struct unwind_spans *spans, const struct unwind_span *span)
{
	if (spans->nr_spans == spans->room) {
		size_t room = spans->room ? 2 * spans->room : FIRST_SPANS;
		struct unwind_span *more = realloc(spans->spans, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		spans->spans = more;
		spans->room = room;
	}
	spans->spans[spans->nr_spans++] = *span;
	return 0;
}

bool unwind_spans__code(const struct elf_file *file, __u64 address, __u64 size, __u64 *start,
			__u64 *end)
{
	for (unsigned int i = 0; i < file->nr_loads; i++) {
		const struct elf_segment *load = &file->loads[i];
		__u64 left;

		if (!load->executable || address < load->address ||
		    address - load->address >= load->size)
			continue;
		left = load->size - (address - load->address);
		*start = load->offset + (address - load->address);
		*end = *start + (size < left ? size : left);
		return size > 0;
	}
	return false;
}

int unwind_spans__function(const struct unwind_spans *spans, __u32 record,
			   struct unwind_function *function)
{
	const unsigned char *base = spans->bytes;
	struct dwarf_cursor cursor = { .at = base + record, .end = base + spans->section.size };
	__u32 size, id, from;
	int err;

	size = dwarf_cursor__u32(&cursor);
	if (cursor.failed || size > dwarf_cursor__left(&cursor))
		return -EINVAL;
	cursor.end = cursor.at + size;
	from = (__u32)(cursor.at - base);
	id = dwarf_cursor__u32(&cursor);
	if (cursor.failed || id > from)
		return -EINVAL;
	if (!function->has_common || function->common_record != from - id) {
		struct dwarf_cursor common = { .at = base + (from - id),
					       .end = base + spans->section.size };

		function->has_common = false;
		function->common_record = from - id;
		size = dwarf_cursor__u32(&common);
		if (common.failed || size > dwarf_cursor__left(&common))
			return -EINVAL;
		common.end = common.at + size;
		if (dwarf_cursor__u32(&common) || common.failed)
			return -EINVAL;
		err = cfi_common__read(&function->common, &common);
		if (err)
			return err;
		function->has_common = true;
	}
	return cfi_function__read(&function->function, &function->common, &cursor,
				  spans->section.address + (__u64)(cursor.at - base));
}

/* Lists the FDEs. What is malformed is counted; a length that leads out of the section ends it. */
static int list_functions(struct unwind_spans *spans, struct unwind_table *table)
{
	struct dwarf_cursor cursor = { .at = spans->bytes,
				       .end = spans->bytes + spans->section.size };
	struct unwind_function function = { 0 };
	int err = 0;

	while (!err && dwarf_cursor__left(&cursor) >= 8) {
		__u32 record = (__u32)(cursor.at - spans->bytes), id;
		__u32 size = dwarf_cursor__u32(&cursor);
		struct unwind_span span = { .record = record };

		if (!size)
			continue; /* a terminator; linkers leave some in the middle */
		if (size < 4 || size > dwarf_cursor__left(&cursor)) {
			table->refused[UNWIND_BAD_RECORD]++;
			break;
		}
		memcpy(&id, cursor.at, sizeof(id));
		cursor.at += size;
		if (!id)
			continue;
		if (unwind_spans__function(spans, record, &function)) {
			table->refused[UNWIND_BAD_RECORD]++;
			continue;
		}
		/* A function that the linker threw away has an address outside. */
		if (!unwind_spans__code(spans->file, function.function.start,
					function.function.size, &span.start, &span.end))
			continue;
		table->nr_functions++;
		err = unwind_spans__add(spans, &span);
	}
	return err;
}

static int compare_spans(const void *left, const void *right)
{
	const struct unwind_span *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->record < b->record ? -1 : a->record > b->record;
}

/* Sorts, and cuts each span where the next begins: who begins last is right, as for libgcc. */
static void sort_spans(struct unwind_spans *spans)
{
	size_t i, n = 0;

	if (!spans->nr_spans)
		return;
	qsort(spans->spans, spans->nr_spans, sizeof(*spans->spans), compare_spans);
	for (i = 0; i < spans->nr_spans; i++) {
		if (n && spans->spans[n - 1].start == spans->spans[i].start)
			continue;
		if (n && spans->spans[n - 1].end > spans->spans[i].start)
			spans->spans[n - 1].end = spans->spans[i].start;
		spans->spans[n++] = spans->spans[i];
	}
	spans->nr_spans = n;
}

static int read_section(struct unwind_spans *spans)
{
	__u64 done = 0;

	if (elf_file__section(spans->file, ".eh_frame", &spans->section))
		return 0;
	if (spans->section.size > MAX_SECTION_BYTES)
		return -E2BIG;
	spans->bytes = malloc(spans->section.size + 1);
	if (!spans->bytes)
		return -ENOMEM;
	while (done < spans->section.size) {
		ssize_t n = pread(spans->file->fd, spans->bytes + done, spans->section.size - done,
				  (off_t)(spans->section.offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EINVAL;
		done += (__u64)n;
	}
	return 0;
}

int unwind_spans__open(struct unwind_spans *spans, const struct elf_file *file,
		       const struct cfi_machine *machine, struct unwind_rules *rules,
		       struct unwind_table *table)
{
	int err;

	*spans = (struct unwind_spans){ .file = file, .machine = machine };
	err = read_section(spans);
	if (!err && spans->bytes)
		err = list_functions(spans, table);
	if (!err) {
		sort_spans(spans);
		err = unwind_known__fill(spans, rules);
	}
	if (err) {
		unwind_spans__close(spans);
		return err;
	}
	sort_spans(spans);
	return 0;
}

void unwind_spans__close(struct unwind_spans *spans)
{
	free(spans->spans);
	free(spans->bytes);
	*spans = (struct unwind_spans){ 0 };
}

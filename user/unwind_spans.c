/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "read_at.h"
#include "unwind_spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SECTION_BYTES (256 << 20) /* a browser's is 30 MiB */
#define FIRST_SPANS 1024
/* The dynamic linker's entry and what it jumps to; nothing but the entry itself is in front of it. */
#define ENTRY_BYTES 128
#define MAX_INIT_BYTES 64
#define MAX_CONTEXT_BYTES 64
#define PLT_ENTRY_BYTES 16

static int add_span(struct unwind_spans *spans, const struct unwind_span *span)
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

/* The file offsets of an address range in executable code; the end is cut to its segment. */
static bool find_code(const struct elf_file *file, __u64 address, __u64 size, __u64 *start,
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
		if (!find_code(spans->file, function.function.start, function.function.size,
			       &span.start, &span.end))
			continue;
		table->nr_functions++;
		err = add_span(spans, &span);
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

/* The first span of the sorted ones that ends behind an offset. */
static const struct unwind_span *find_span(const struct unwind_spans *spans, size_t nr_spans,
					   __u64 offset)
{
	size_t low = 0, high = nr_spans;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spans->spans[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nr_spans ? &spans->spans[low] : NULL;
}

/* Adds a rule for [start, end), unless a function of the nr_sorted is there. */
static int fill(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules,
		__u64 start, __u64 end, const struct unwind_rule *rule)
{
	const struct unwind_span *next = find_span(spans, nr_sorted, start);
	struct unwind_span span = { .start = start, .end = end, .record = UNWIND_NO_RECORD };
	int place;

	if (next && next->start < end)
		return 0;
	place = unwind_rules__add(rules, rule);
	if (place < 0 || start >= end)
		return 0;
	span.rule = (__u32)place;
	return add_span(spans, &span);
}

static struct unwind_rule sp_rule(__s32 cfa_offset)
{
	return (struct unwind_rule){ .kind = UNWIND_SP,
				     .cfa_offset = cfa_offset,
				     .ra_slot = UNWIND_AT_CFA,
				     .ra_offset = -8 };
}

/* The program's entry, where its first stack begins. Often without information, in ld.so too. */
static int fill_entry(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules)
{
	struct unwind_rule rule = { .kind = UNWIND_END };
	const struct unwind_span *next;
	GElf_Ehdr header;
	__u64 start, end;

	if (!gelf_getehdr(spans->file->elf, &header) || !header.e_entry ||
	    !find_code(spans->file, header.e_entry, ENTRY_BYTES, &start, &end))
		return 0;
	next = find_span(spans, nr_sorted, start);
	if (next && next->start > start && next->start < end)
		end = next->start;
	return fill(spans, nr_sorted, rules, start, end, &rule);
}

/*
 * .init and .fini are put together of pieces of assembly: a push or its like at the start, what
 * brings it back before the ret at the end.
 */
static int fill_init(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules,
		     const char *name)
{
	static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const unsigned char sub_8_rsp[] = { 0x48, 0x83, 0xec, 0x08 };
	struct unwind_rule outside = sp_rule(8), inside = sp_rule(16);
	unsigned char code[16] = { 0 };
	struct elf_section section;
	__u64 start, end, pushed;
	size_t at = 0;
	int err;

	if (elf_file__section(spans->file, name, &section) || section.size < 6 ||
	    section.size > MAX_INIT_BYTES ||
	    !find_code(spans->file, section.address, section.size, &start, &end) ||
	    elf_file__read(spans->file, section.address, code,
			   section.size < sizeof(code) ? section.size : sizeof(code)))
		return 0;
	if (memcmp(code, landing, sizeof(landing)) == 0)
		at = sizeof(landing);
	if (memcmp(code + at, sub_8_rsp, sizeof(sub_8_rsp)) == 0)
		at += sizeof(sub_8_rsp);
	else if (code[at] == 0x50) /* push %rax */
		at++;
	else
		return 0;
	pushed = start + at;
	err = fill(spans, nr_sorted, rules, start, pushed, &outside);
	if (!err)
		err = fill(spans, nr_sorted, rules, pushed, end - 1, &inside);
	return err ? err : fill(spans, nr_sorted, rules, end - 1, end, &outside);
}

/* lld describes no linkage table: a jump through memory, or a push and a jump to the first entry. */
static int fill_plt(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules)
{
	struct unwind_rule first = sp_rule(16), second = sp_rule(24), others = sp_rule(8);
	unsigned char code[PLT_ENTRY_BYTES + 2];
	struct elf_section section;
	__u64 start, end;
	int err;

	if (elf_file__section(spans->file, ".plt", &section) || section.size < sizeof(code) ||
	    section.address % PLT_ENTRY_BYTES ||
	    !find_code(spans->file, section.address, section.size, &start, &end) ||
	    elf_file__read(spans->file, section.address, code, sizeof(code)))
		return 0;
	/* push GOT+8(%rip); ... jmp *slot(%rip); push $n; jmp first */
	if (code[0] != 0xff || code[1] != 0x35 || code[PLT_ENTRY_BYTES] != 0xff ||
	    code[PLT_ENTRY_BYTES + 1] != 0x25)
		return 0;
	others.kind = UNWIND_PLT;
	others.cfa_add = 11;
	err = fill(spans, nr_sorted, rules, start, start + 6, &first);
	if (!err)
		err = fill(spans, nr_sorted, rules, start + 6, start + PLT_ENTRY_BYTES, &second);
	return err ? err : fill(spans, nr_sorted, rules, start + PLT_ENTRY_BYTES, end, &others);
}

/*
 * What makecontext() has a coroutine's function return to: glibc's own, whose first byte it is. A
 * caller is looked up one byte before, where no function is, and the stack begins there.
 */
static int fill_context(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules)
{
	/* mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi */
	static const unsigned char begin[] = { 0x48, 0x89, 0xdc, 0x48, 0x8b,
					       0x3c, 0x24, 0x48, 0x85, 0xff };
	const char *soname = elf_file__soname(spans->file);
	struct unwind_rule rule = { .kind = UNWIND_END };
	unsigned char code[sizeof(begin)];

	if (!soname || strcmp(soname, "libc.so.6") != 0)
		return 0;
	for (size_t i = 0; i < nr_sorted; i++) {
		__u64 start = spans->spans[i].start;

		if (spans->spans[i].end - start > MAX_CONTEXT_BYTES || !start ||
		    read_at(spans->file->fd, code, sizeof(code), start) ||
		    memcmp(code, begin, sizeof(begin)) != 0)
			continue;
		return fill(spans, nr_sorted, rules, start - 1, start, &rule);
	}
	return 0;
}

static int fill_known(struct unwind_spans *spans, struct unwind_rules *rules)
{
	size_t n = spans->nr_spans;
	int err;

	err = fill_entry(spans, n, rules);
	if (err || spans->file->machine != EM_X86_64)
		return err;
	err = fill_init(spans, n, rules, ".init");
	if (!err)
		err = fill_init(spans, n, rules, ".fini");
	if (!err)
		err = fill_context(spans, n, rules);
	return err ? err : fill_plt(spans, n, rules);
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
		err = fill_known(spans, rules);
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

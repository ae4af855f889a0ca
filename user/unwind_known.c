/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_known.h"

#include <string.h>

#include "read_at.h"

/* The dynamic linker's entry and what it jumps to; nothing but the entry itself is in front of it. */
#define ENTRY_BYTES 128
#define MAX_INIT_BYTES 64
#define MAX_CONTEXT_BYTES 64
#define PLT_ENTRY_BYTES 16
/* Of crtbegin.o: register_tm_clones, and what it and its opposite take together. */
#define CODE_ALIGN 16
#define REGISTER_OFFSET 0x30
#define CLONES_BYTES 0x70
#define MIN_STARTUP_BYTES (CLONES_BYTES + 0x20)
/* It begins a piece without functions; a larger one is not searched to its end. */
#define MAX_STARTUP_GAP 4096

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
	return unwind_spans__add(spans, &span);
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
	    !unwind_spans__code(spans->file, header.e_entry, ENTRY_BYTES, &start, &end))
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
	    !unwind_spans__code(spans->file, section.address, section.size, &start, &end) ||
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
	    !unwind_spans__code(spans->file, section.address, section.size, &start, &end) ||
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

/*
 * gcc's crtbegin.o, in each program and library: deregister_tm_clones and register_tm_clones, which
 * leave the stack alone, __do_global_dtors_aux, which pushes rbp, and frame_dummy, a jump. They are
 * aligned, and the first three always as far from each other. Found by the third, which is
 *	[endbr64]; cmpb $0,x(%rip); jne; push %rbp; ... movb $1,x(%rip); pop %rbp; ret
 */
static int fill_startup_at(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules,
			   const unsigned char *code, size_t size, __u64 start)
{
	static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const unsigned char *third = code + CLONES_BYTES, *at = third;
	struct unwind_rule outside = sp_rule(8), inside = sp_rule(16);
	size_t pushed, popped, end;
	int err;

	if (memcmp(at, landing, sizeof(landing)) == 0)
		at += sizeof(landing);
	if (at[0] != 0x80 || at[1] != 0x3d || at[6] || at[7] != 0x75 || at[9] != 0x55)
		return 0;
	/* lea or mov: a push would be another compiler's */
	if ((code[0] != 0x48 && code[0] != 0xb8) ||
	    (code[REGISTER_OFFSET] != 0x48 && code[REGISTER_OFFSET] != 0xbe))
		return 0;
	pushed = (size_t)(at + 10 - code);
	end = (size_t)(at + 9 - code) + at[8]; /* the ret that jne goes to */
	if (end >= size || code[end] != 0xc3)
		return 0;
	for (popped = end; code[popped - 2] != 0x5d || code[popped - 1] != 0xc3; popped--)
		if (popped - 2 <= pushed)
			return 0;
	popped--; /* the ret */
	end++;
	inside.fp_slot = UNWIND_AT_CFA;
	inside.fp_offset = -16;
	/* frame_dummy, with a jump to register_tm_clones */
	at = code + ((end + CODE_ALIGN - 1) & ~(size_t)(CODE_ALIGN - 1));
	if (at + 9 <= code + size && memcmp(at, landing, sizeof(landing)) == 0)
		at += sizeof(landing);
	if (at + 5 <= code + size && (at[0] == 0xe9 || at[0] == 0xeb))
		end = (size_t)(at + (at[0] == 0xe9 ? 5 : 2) - code);
	err = fill(spans, nr_sorted, rules, start, start + pushed, &outside);
	if (!err)
		err = fill(spans, nr_sorted, rules, start + pushed, start + popped, &inside);
	return err ? err : fill(spans, nr_sorted, rules, start + popped, start + end, &outside);
}

/* Looks for them in the code from `start` on, that no function of the file is known to own. */
static int fill_startup_in(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules,
			   __u64 start, __u64 end)
{
	unsigned char code[MAX_STARTUP_GAP];
	size_t size, before = spans->nr_spans;
	int err = 0;

	if (end - start > sizeof(code))
		end = start + sizeof(code);
	size = (size_t)(end - start);
	if (read_at(spans->file->fd, code, size, start))
		return 0;
	for (size_t at = -start & (CODE_ALIGN - 1);
	     !err && spans->nr_spans == before && at + MIN_STARTUP_BYTES <= size; at += CODE_ALIGN)
		err = fill_startup_at(spans, nr_sorted, rules, code + at, size - at, start + at);
	return err;
}

static int fill_startup(struct unwind_spans *spans, size_t nr_sorted, struct unwind_rules *rules)
{
	struct elf_section section;
	__u64 start, end;
	int err = 0;

	if (elf_file__section(spans->file, ".text", &section) ||
	    !unwind_spans__code(spans->file, section.address, section.size, &start, &end))
		return 0;
	for (size_t i = 0; i <= nr_sorted && start < end && !err; i++) {
		__u64 until = i < nr_sorted ? spans->spans[i].start : end;

		if (until > end)
			until = end;
		if (until > start && until - start >= MIN_STARTUP_BYTES)
			err = fill_startup_in(spans, nr_sorted, rules, start, until);
		if (i < nr_sorted && spans->spans[i].end > start)
			start = spans->spans[i].end;
	}
	return err;
}

int unwind_known__fill(struct unwind_spans *spans, struct unwind_rules *rules)
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
	if (!err)
		err = fill_startup(spans, n, rules);
	return err ? err : fill_plt(spans, n, rules);
}

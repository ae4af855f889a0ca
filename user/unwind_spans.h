/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pieces of a file's code that something is known about: functions with call frame
 * information, and the few without that are always the same.
 */
#ifndef ALLOCPATH_UNWIND_SPANS_H
#define ALLOCPATH_UNWIND_SPANS_H

#include "cfi.h"
#include "elf_file.h"
#include "unwind_table.h"

#define UNWIND_NO_RECORD (~0U)

struct unwind_span {
	__u64 start; /* file offsets */
	__u64 end;
	__u32 record; /* the FDE's place in .eh_frame; UNWIND_NO_RECORD: rule is known */
	__u32 rule;
};

struct unwind_spans {
	const struct elf_file *file;
	const struct cfi_machine *machine;
	struct elf_section section;
	unsigned char *bytes; /* of .eh_frame; NULL: the file has none */
	struct unwind_span *spans; /* sorted, none within another, once they are all there */
	size_t nr_spans;
	size_t room;
};

/* An FDE with what its CIE says. Made for one after the other; common is the last one read. */
struct unwind_function {
	struct cfi_function function;
	struct cfi_common common;
	__u32 common_record;
	bool has_common;
};

/*
 * Reads .eh_frame and lists its functions; records that cannot be read are counted in the table.
 * rules: for what is always the same.
 */
int unwind_spans__open(struct unwind_spans *spans, const struct elf_file *file,
		       const struct cfi_machine *machine, struct unwind_rules *rules,
		       struct unwind_table *table);
void unwind_spans__close(struct unwind_spans *spans);
/* Puts it behind the others. 0 or -ENOMEM. */
int unwind_spans__add(struct unwind_spans *spans, const struct unwind_span *span);
/* The file offsets of an address range in executable code; the end is cut to its segment. */
bool unwind_spans__code(const struct elf_file *file, __u64 address, __u64 size, __u64 *start,
			__u64 *end);
/*
 * Reads the record of an FDE. function is zero at first, and after an error other than that of a
 * record is not to be used.
 */
int unwind_spans__function(const struct unwind_spans *spans, __u32 record,
			   struct unwind_function *function);

#endif

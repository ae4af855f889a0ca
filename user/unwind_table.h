/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unwind table of one file: what its .eh_frame says, as rows keyed by file offset. Built of
 * files of unknown origin: whatever they hold, building is bounded in time and memory, and what it
 * does not understand is counted and becomes UNWIND_UNSUPPORTED.
 */
#ifndef ALLOCPATH_UNWIND_TABLE_H
#define ALLOCPATH_UNWIND_TABLE_H

#include <stddef.h>

#include "unwind.h"

/* Why code of a file has no rule, or one that ends the stack. Names in unwind_table.c. */
enum unwind_refusal {
	UNWIND_BAD_RECORD = 0, /* a CIE or FDE that is malformed, or of a form nobody writes */
	UNWIND_BAD_INSTRUCTION, /* an instruction that is unknown or cut short: the rest of an FDE */
	UNWIND_CFA_EXPRESSION, /* a frame address by an expression of no known form */
	UNWIND_RA_RULE, /* a return address elsewhere than in its slot */
	UNWIND_FP_RULE, /* a frame pointer by an expression of no known form, or in a register */
	UNWIND_BX_RULE, /* the same of rbx */
	UNWIND_FAR_OFFSET, /* an offset that has no room in a rule */
	UNWIND_TOO_MANY_RULES, /* of one file, or no room in the dictionary of all */
	NR_UNWIND_REFUSALS,
};

struct unwind_table {
	__u32 first_page; /* of the file, in units of UNWIND_PAGE_BYTES */
	__u32 nr_pages; /* up to the last executable one */
	__u32 nr_chunks;
	__u32 nr_rules; /* with UNWIND_NO_RULE */
	struct unwind_page *pages; /* their chunks count from 0 in rows */
	__u32 *rows; /* nr_chunks * UNWIND_CHUNK_ROWS */
	struct unwind_rule *rules; /* the rows' rules are places in here, until they are merged */

	__u64 nr_rows; /* in use */
	__u64 nr_functions; /* FDEs */
	__u64 refused[NR_UNWIND_REFUSALS]; /* in rows; UNWIND_BAD_RECORD in records */
	__u64 build_ns; /* by the thread's clock */
	void *memory; /* what the arrays above lie in; NULL: in memory of their own */
	size_t memory_bytes;
};

/*
 * From an open file; the descriptor stays the caller's. -ENOENT: not an ELF program or library of
 * this machine, or nothing in it is executable. -ENODATA: it has no .eh_frame. -EINVAL: malformed
 * as a whole. -E2BIG: larger than any program. Nothing is held after an error.
 */
int unwind_table__build(int fd, struct unwind_table *table);
/* The same of a file that lies in memory: the vdso. */
int unwind_table__build_image(const void *image, size_t size, struct unwind_table *table);
void unwind_table__free(struct unwind_table *table);

/* The rule in force at a file offset, as BPF finds it. UNWIND_NO_RULE also where there is no page. */
__u32 unwind_table__find(const struct unwind_table *table, __u64 offset);
/* Memory that the table takes in the maps, in bytes. */
size_t unwind_table__map_bytes(const struct unwind_table *table);
const char *unwind_refusal__name(enum unwind_refusal refusal);

/* Rules, each once: one file's, or those of all files, as the BPF side's map of rules holds them. */
struct unwind_rules {
	struct unwind_rule *rules; /* room for MAX_UNWIND_RULES */
	__u32 nr_rules;
	__u32 *buckets; /* by hash, place + 1 */
};

int unwind_rules__open(struct unwind_rules *rules);
void unwind_rules__close(struct unwind_rules *rules);
/* The place of a rule, which is added if it is new. -ENOSPC: MAX_UNWIND_RULES are there. */
int unwind_rules__add(struct unwind_rules *rules, const struct unwind_rule *rule);
/*
 * Renames the rules in the table's rows to places in the dictionary, once. Rules from the former
 * nr_rules on are new: write them to the map before the rows. A rule that has no room any more
 * becomes UNWIND_UNSUPPORTED, and its rows are counted as refused. -ENOMEM: nothing is renamed.
 */
int unwind_rules__merge(struct unwind_rules *rules, struct unwind_table *table);

#endif

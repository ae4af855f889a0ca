/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call frame information: the records of .eh_frame and the machine that turns their instructions
 * into rows. Only the registers that stepping needs are kept. No allocation, no depth that the
 * file decides: whatever it holds, a run takes one step a byte.
 */
#ifndef ALLOCPATH_CFI_H
#define ALLOCPATH_CFI_H

#include "dwarf_cursor.h"

#define CFI_MAX_REMEMBERED 16

/* The registers that are kept. */
enum cfi_register {
	CFI_FP = 0,
	CFI_BX,
	CFI_RA,
	NR_CFI_REGISTERS,
};

/* DWARF's numbers for them, and for the stack pointer. */
struct cfi_machine {
	__u32 registers[NR_CFI_REGISTERS];
	__u32 stack_pointer;
};

enum cfi_how {
	CFI_SAME = 0, /* also where the file says nothing */
	CFI_UNDEFINED,
	CFI_AT_CFA, /* *(cfa + offset) */
	CFI_AT_EXPRESSION, /* *(expression) */
	CFI_OTHER, /* in a register, or a value computed */
};

/* The bytes of an expression, in the record. */
struct cfi_expression {
	const unsigned char *bytes;
	__u32 size;
};

struct cfi_value {
	enum cfi_how how;
	__s64 offset;
	struct cfi_expression expression;
};

struct cfi_row {
	/* The canonical frame address: register + offset, unless there is an expression. */
	__u64 cfa_register;
	__s64 cfa_offset;
	struct cfi_expression cfa_expression; /* bytes NULL: none */
	struct cfi_value values[NR_CFI_REGISTERS];
};

/* A CIE: what the records that refer to it share. */
struct cfi_common {
	__u64 code_factor;
	__s64 data_factor;
	__u8 encoding; /* of addresses in an FDE */
	bool has_augmentation; /* FDEs have a length of their own extra data */
	bool is_signal;
	struct dwarf_cursor instructions;
};

/* An FDE: the code that it is about. */
struct cfi_function {
	__u64 start;
	__u64 size; /* in bytes of code */
	struct dwarf_cursor instructions;
};

/* What runs a record's instructions. */
struct cfi_run {
	const struct cfi_machine *machine;
	const struct cfi_common *common;
	const struct cfi_row *initial; /* for DW_CFA_restore; NULL in a CIE */
	struct cfi_row row;
	__u64 location;
	__u64 budget; /* instructions that may still be run */
	struct cfi_row remembered[CFI_MAX_REMEMBERED];
	unsigned int nr_remembered;
};

/* NULL: a machine whose frames we do not know. */
const struct cfi_machine *cfi_machine__find(__u16 elf_machine);

/* Reads a CIE whose cursor stands behind its id. -EOPNOTSUPP: a form that no compiler writes. */
int cfi_common__read(struct cfi_common *common, struct dwarf_cursor *record);
/*
 * Reads an FDE whose cursor stands behind its pointer to the CIE; address is that of the cursor's
 * position in the program.
 */
int cfi_function__read(struct cfi_function *function, const struct cfi_common *common,
		       struct dwarf_cursor *record, __u64 address);

/*
 * Runs instructions until the location has moved on, or to their end: the row from the location
 * before on is in *row. 1: the location has moved and there is more; 0: the end; -EINVAL: cut short,
 * or contradictory; -EOPNOTSUPP: an unknown instruction; -E2BIG: the budget is used up.
 */
int cfi_run__next(struct cfi_run *run, struct dwarf_cursor *instructions, struct cfi_row *row);
/* The row that a CIE's instructions make. */
int cfi_run__common(struct cfi_run *run, struct cfi_row *initial);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwind tables as both sides know them. User space turns a file's .eh_frame into rows; BPF looks
 * up the row of an instruction and steps to the caller. Everything is keyed by the file offset of
 * the code, never by its address: a mapping's start, end, page offset and inode are enough to get
 * there, and (file, offset) is the same in every process.
 *
 * A page is 4 KiB of file offset. Its rows are sorted, lie in one chunk, and the first of them
 * carries the rule in force at the page's start, so that a search never looks at another page.
 */
#ifndef ALLOCPATH_UNWIND_H
#define ALLOCPATH_UNWIND_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bounds.h"

#define UNWIND_PAGE_SHIFT 12
#define UNWIND_PAGE_BYTES (1 << UNWIND_PAGE_SHIFT)

/* A row: bits 16..27 the offset in its page, 0..15 the rule. One compare is one search step. */
#define UNWIND_ROW(offset, rule) (((__u32)(offset) << 16) | (rule))
#define UNWIND_ROW_OFFSET(row) ((row) >> 16)
#define UNWIND_ROW_RULE(row) ((row)&0xffff)

/* The rule of what no table speaks of: JIT code, assembly without unwind information, a gap. */
#define UNWIND_NO_RULE 0
/* The one rule that is UNWIND_UNSUPPORTED. */
#define UNWIND_UNSUPPORTED_RULE 1

/*
 * How the canonical frame address is found: the stack pointer's value in the caller once the call
 * has returned. sp and fp are rsp and rbp on x86-64, sp and x29 on arm64.
 */
enum unwind_kind {
	UNWIND_NONE = 0, /* of UNWIND_NO_RULE only */
	UNWIND_SP, /* sp + cfa_offset */
	UNWIND_FP, /* fp + cfa_offset */
	UNWIND_BX, /* rbx + cfa_offset; x86-64: the dynamic linker's resolver */
	UNWIND_PLT, /* sp + cfa_offset, and 8 more where (pc & 15) >= cfa_add; x86-64 */
	UNWIND_DEREF_SP, /* *(sp + cfa_offset) + cfa_add */
	UNWIND_DEREF_FP, /* *(fp + cfa_offset) + cfa_add */
	UNWIND_REGISTER, /* DWARF's register cfa_add + cfa_offset: known in the first frame only */
	UNWIND_SIGNAL, /* a signal frame at sp: all registers lie there, and the pc is exact */
	UNWIND_END, /* the outermost frame */
	UNWIND_UNSUPPORTED, /* the file says how, in a form that we do not follow */
	NR_UNWIND_KINDS,
};

/* Where the caller's value of a register is. */
enum unwind_slot {
	UNWIND_SAME = 0, /* still in the register */
	UNWIND_AT_CFA, /* *(cfa + offset) */
	UNWIND_AT_FP, /* *(fp + offset), with this frame's fp */
	NR_UNWIND_SLOTS,
};

/*
 * One way to step from a frame to its caller; many rows share one. Offsets are in bytes. Unused
 * members are 0, so that equal rules are equal bytes. On x86-64 the return address is always
 * UNWIND_AT_CFA - 8; on arm64 UNWIND_SAME means that it is still in lr, and what is read may carry
 * a pointer signature in its upper bits.
 */
struct unwind_rule {
	__u8 kind; /* enum unwind_kind */
	__u8 fp_slot; /* enum unwind_slot, here and below */
	__u8 bx_slot; /* rbx */
	__u8 ra_slot; /* the return address; UNWIND_SAME or UNWIND_AT_CFA */
	__s32 cfa_offset;
	__s16 cfa_add;
	__s16 fp_offset;
	__s16 bx_offset;
	__s16 ra_offset;
};

/*
 * The rows of one page: nr_rows from start on in a chunk, which is UNWIND_CHUNK_ROWS of them. A
 * chunk is of one file only and holds whole pages; what is unused in it is 0.
 */
struct unwind_page {
	__u32 chunk;
	__u16 start;
	__u16 nr_rows; /* 0: UNWIND_NO_RULE in all of it */
};

/*
 * How a recorded stack ends; the numbers stand in recordings. Names in user/report_stacks.c. Anything but STACK_COMPLETE is part of a
 * stack, and is shown as such.
 */
enum stack_status {
	STACK_COMPLETE = 0, /* its last frame is the root */
	STACK_TOO_DEEP, /* more frames than asked for */
	STACK_NO_MAPPING, /* a return address in no known executable mapping */
	STACK_NO_TABLE, /* in a file whose table was not built yet, or was refused */
	STACK_NO_RULE, /* in code that no table speaks of, and no believable frame pointer */
	STACK_ANONYMOUS, /* in code of no file (JIT), and no believable frame pointer */
	STACK_UNSUPPORTED, /* at UNWIND_UNSUPPORTED, or UNWIND_REGISTER in a caller */
	STACK_UNREADABLE, /* memory of the stack could not be read */
	STACK_BAD_FRAME, /* the caller's frame would not lie above this one */
	STACK_RACE, /* the process changed its mappings meanwhile */
	NR_STACK_STATUSES,
};

/* Or'ed to a status: some frame was found by frame pointer alone; those above it may be wrong. */
#define STACK_HEURISTIC 0x80
#define STACK_STATUS(status) ((status) & ~STACK_HEURISTIC)

#endif

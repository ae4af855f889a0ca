/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libdw says of an address, as the rule that BPF should have: the other opinion, made of
 * libdw's decoded operations and none of our own reader's code.
 */
#ifndef ALLOCPATH_TESTS_LIBDW_RULE_H
#define ALLOCPATH_TESTS_LIBDW_RULE_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <string.h>

#include "unwind.h"

#define LIBDW_FP 6
#define LIBDW_BX 3
#define LIBDW_SP 7
#define LIBDW_RA 16

static const struct unwind_rule libdw_unsupported = { .kind = UNWIND_UNSUPPORTED };

static bool libdw__is_plt(const Dwarf_Op *ops, size_t n)
{
	return n == 9 && ops[0].atom == DW_OP_breg7 && ops[1].atom == DW_OP_breg16 &&
	       ops[2].atom == DW_OP_lit15 && ops[3].atom == DW_OP_and && ops[5].atom == DW_OP_ge &&
	       ops[6].atom == DW_OP_lit3 && ops[7].atom == DW_OP_shl && ops[8].atom == DW_OP_plus;
}

static bool libdw__cfa(Dwarf_Frame *frame, struct unwind_rule *rule)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) || !n)
		return false;
	if (n == 1 && ops[0].atom == DW_OP_bregx) {
		rule->cfa_offset = (__s32)ops[0].number2;
		switch (ops[0].number) {
		case LIBDW_SP:
			rule->kind = UNWIND_SP;
			return true;
		case LIBDW_FP:
			rule->kind = UNWIND_FP;
			return true;
		case LIBDW_BX:
			rule->kind = UNWIND_BX;
			return true;
		}
		rule->kind = UNWIND_REGISTER;
		rule->cfa_add = (__s16)ops[0].number;
		return true;
	}
	rule->cfa_offset = (__s32)ops[0].number;
	if (libdw__is_plt(ops, n)) {
		rule->kind = UNWIND_PLT;
		rule->cfa_add = ops[4].atom - DW_OP_lit0;
		return true;
	}
	if (n < 2 || (ops[0].atom != DW_OP_breg6 && ops[0].atom != DW_OP_breg7) ||
	    ops[1].atom != DW_OP_deref)
		return false;
	rule->kind = ops[0].atom == DW_OP_breg7 ? UNWIND_DEREF_SP : UNWIND_DEREF_FP;
	for (size_t i = 2; i < n; i++) {
		if (ops[i].atom != DW_OP_plus_uconst)
			return false;
		rule->cfa_add = (__s16)(rule->cfa_add + (__s16)ops[i].number);
	}
	return true;
}

/* false: of a form that a rule cannot say. undefined: libdw's word for the outermost frame. */
static bool libdw__slot(Dwarf_Frame *frame, const struct unwind_rule *rule, int reg, __u8 *slot,
			__s16 *offset, bool *undefined)
{
	Dwarf_Op memory[3], *ops;
	__s64 number = 0;
	size_t n;

	*undefined = false;
	if (dwarf_frame_register(frame, reg, memory, &ops, &n))
		return false;
	if (!n) {
		*undefined = ops == memory;
		return true;
	}
	/* The frame address is pushed first in any case; an expression may leave it alone. */
	if (ops[0].atom != DW_OP_call_frame_cfa || n > 2)
		return false;
	if (n == 2 && ops[1].atom == DW_OP_breg6) {
		number = (__s64)ops[1].number;
		*slot = UNWIND_AT_FP;
	} else {
		if (n == 2 && ops[1].atom != DW_OP_plus_uconst)
			return false;
		number = n == 2 ? (__s64)ops[1].number : 0;
		if (rule->kind == UNWIND_SP && rule->cfa_offset + number < 0)
			return true;
		*slot = UNWIND_AT_CFA;
	}
	*offset = (__s16)number;
	return *offset == number;
}

static struct unwind_rule libdw__rule(Dwarf_Frame *frame, bool is_signal)
{
	struct unwind_rule rule = { 0 }, slots = { 0 };
	bool undefined, known = libdw__cfa(frame, &rule);

	known &= libdw__slot(frame, &rule, LIBDW_RA, &slots.ra_slot, &slots.ra_offset, &undefined);
	if (undefined)
		return (struct unwind_rule){ .kind = UNWIND_END };
	if (is_signal)
		return (struct unwind_rule){ .kind = UNWIND_SIGNAL };
	known &= slots.ra_slot == UNWIND_AT_CFA && slots.ra_offset == -8;
	rule.ra_slot = slots.ra_slot;
	rule.ra_offset = slots.ra_offset;
	known &= libdw__slot(frame, &rule, LIBDW_FP, &rule.fp_slot, &rule.fp_offset, &undefined);
	known &= libdw__slot(frame, &rule, LIBDW_BX, &rule.bx_slot, &rule.bx_offset, &undefined);
	return known ? rule : libdw_unsupported;
}

#endif

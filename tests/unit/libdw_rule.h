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

/* DWARF's numbers of a machine's registers; -1: it has none that is kept. */
struct libdw_machine {
	int fp, bx, sp, ra;
	bool has_link_register;
};

static const struct libdw_machine libdw_x86_64 = { .fp = 6, .bx = 3, .sp = 7, .ra = 16 };
static const struct libdw_machine libdw_arm64 = {
	.fp = 29,
	.bx = -1,
	.sp = 31,
	.ra = 30,
	.has_link_register = true,
};

static const struct unwind_rule libdw_unsupported = { .kind = UNWIND_UNSUPPORTED };

static bool libdw__is_plt(const Dwarf_Op *ops, size_t n)
{
	return n == 9 && ops[0].atom == DW_OP_breg7 && ops[1].atom == DW_OP_breg16 &&
	       ops[2].atom == DW_OP_lit15 && ops[3].atom == DW_OP_and && ops[5].atom == DW_OP_ge &&
	       ops[6].atom == DW_OP_lit3 && ops[7].atom == DW_OP_shl && ops[8].atom == DW_OP_plus;
}

static bool libdw__cfa(Dwarf_Frame *frame, const struct libdw_machine *machine,
		       struct unwind_rule *rule)
{
	int reg;
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) || !n)
		return false;
	if (n == 1 && ops[0].atom == DW_OP_bregx) {
		rule->cfa_offset = (__s32)ops[0].number2;
		reg = (int)ops[0].number;
		if (reg == machine->sp || reg == machine->fp || reg == machine->bx) {
			rule->kind = reg == machine->sp ? UNWIND_SP :
				     reg == machine->fp ? UNWIND_FP :
							  UNWIND_BX;
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
	reg = ops[0].atom - DW_OP_breg0;
	if (n < 2 || (reg != machine->fp && reg != machine->sp) || ops[1].atom != DW_OP_deref)
		return false;
	rule->kind = reg == machine->sp ? UNWIND_DEREF_SP : UNWIND_DEREF_FP;
	for (size_t i = 2; i < n; i++) {
		if (ops[i].atom != DW_OP_plus_uconst)
			return false;
		rule->cfa_add = (__s16)(rule->cfa_add + (__s16)ops[i].number);
	}
	return true;
}

/* false: of a form that a rule cannot say. undefined: libdw's word for the outermost frame. */
static bool libdw__slot(Dwarf_Frame *frame, const struct libdw_machine *machine,
			const struct unwind_rule *rule, int reg, __u8 *slot, __s16 *offset,
			bool *undefined)
{
	Dwarf_Op memory[3], *ops;
	__s64 number = 0;
	size_t n;

	*undefined = false;
	if (reg < 0)
		return true;
	if (dwarf_frame_register(frame, reg, memory, &ops, &n))
		return false;
	if (!n) {
		*undefined = ops == memory;
		return true;
	}
	/* The frame address is pushed first in any case; an expression may leave it alone. */
	if (ops[0].atom != DW_OP_call_frame_cfa || n > 2)
		return false;
	if (n == 2 && ops[1].atom == DW_OP_breg0 + machine->fp) {
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

static struct unwind_rule libdw__rule(Dwarf_Frame *frame, const struct libdw_machine *machine,
				      bool is_signal)
{
	struct unwind_rule rule = { 0 };
	bool undefined, known = libdw__cfa(frame, machine, &rule);

	known &= libdw__slot(frame, machine, &rule, machine->ra, &rule.ra_slot, &rule.ra_offset,
			     &undefined);
	if (undefined)
		return (struct unwind_rule){ .kind = UNWIND_END };
	if (is_signal)
		return (struct unwind_rule){ .kind = UNWIND_SIGNAL };
	known &= rule.ra_slot == UNWIND_AT_CFA ?
			 machine->has_link_register || rule.ra_offset == -8 :
			 machine->has_link_register;
	known &= libdw__slot(frame, machine, &rule, machine->fp, &rule.fp_slot, &rule.fp_offset,
			     &undefined);
	known &= libdw__slot(frame, machine, &rule, machine->bx, &rule.bx_slot, &rule.bx_offset,
			     &undefined);
	return known ? rule : libdw_unsupported;
}

#endif

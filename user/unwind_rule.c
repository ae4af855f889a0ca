/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_rule.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>

/* The longest expression of a known form: that of a procedure linkage table. */
#define MAX_OPERATIONS 9

struct operation {
	__u8 code;
	__s64 number;
};

/* How many operations there are; -EOPNOTSUPP: one is of no known form, or they are too many. */
static int read_operations(const struct cfi_expression *expression,
			   struct operation operations[MAX_OPERATIONS])
{
	struct dwarf_cursor cursor = {
		.at = expression->bytes,
		.end = expression->bytes + expression->size,
	};
	int n = 0;

	while (cursor.at < cursor.end) {
		__u8 code = dwarf_cursor__u8(&cursor);
		__s64 number = 0;

		if (n == MAX_OPERATIONS)
			return -EOPNOTSUPP;
		if (code >= DW_OP_breg0 && code <= DW_OP_breg31)
			number = dwarf_cursor__sleb(&cursor);
		else if (code >= DW_OP_lit0 && code <= DW_OP_lit31)
			number = code - DW_OP_lit0;
		else if (code == DW_OP_plus_uconst)
			number = (__s64)dwarf_cursor__uleb(&cursor);
		else if (code != DW_OP_deref && code != DW_OP_and && code != DW_OP_ge &&
			 code != DW_OP_shl && code != DW_OP_plus)
			return -EOPNOTSUPP;
		operations[n++] = (struct operation){ .code = code, .number = number };
	}
	return cursor.failed ? -EOPNOTSUPP : n;
}

/*
 * The stack pointer + n, and 8 more behind the entry's push: what linkers write for .plt,
 *	sp + n + ((((pc & 15) >= threshold) << 3)
 */
static bool is_plt(const struct operation *operations, int n, __u32 stack_pointer)
{
	static const __u8 codes[] = {
		[1] = DW_OP_breg16, [2] = DW_OP_lit15, [3] = DW_OP_and,	 [5] = DW_OP_ge,
		[6] = DW_OP_lit3,   [7] = DW_OP_shl,   [8] = DW_OP_plus,
	};

	if (n != 9 || operations[0].code != DW_OP_breg0 + stack_pointer || operations[1].number ||
	    operations[4].code < DW_OP_lit0 || operations[4].code > DW_OP_lit15)
		return false;
	for (int i = 1; i < n; i++)
		if (i != 4 && operations[i].code != codes[i])
			return false;
	return true;
}

static bool fits_s16(__s64 value)
{
	return value >= SHRT_MIN && value <= SHRT_MAX;
}

static enum unwind_refusal set_cfa(struct unwind_rule *rule, enum unwind_kind kind, __s64 offset,
				   __s64 add)
{
	if (offset < INT_MIN || offset > INT_MAX || !fits_s16(add))
		return UNWIND_FAR_OFFSET;
	rule->kind = kind;
	rule->cfa_offset = (__s32)offset;
	rule->cfa_add = (__s16)add;
	return NR_UNWIND_REFUSALS;
}

/* *(register + n) + m, as functions have that align their stack, and assembly that moves it. */
static enum unwind_refusal make_deref(struct unwind_rule *rule, const struct cfi_machine *machine,
				      const struct operation *operations, int n)
{
	__u32 reg = operations[0].code - DW_OP_breg0;
	__s64 add = 0;

	for (int i = 2; i < n; i++) {
		if (operations[i].code != DW_OP_plus_uconst || operations[i].number < 0 ||
		    operations[i].number > SHRT_MAX)
			return UNWIND_CFA_EXPRESSION;
		add += operations[i].number;
	}
	if (reg == machine->stack_pointer)
		return set_cfa(rule, UNWIND_DEREF_SP, operations[0].number, add);
	if (reg == machine->registers[CFI_FP])
		return set_cfa(rule, UNWIND_DEREF_FP, operations[0].number, add);
	return UNWIND_CFA_EXPRESSION;
}

static enum unwind_refusal make_cfa_expression(struct unwind_rule *rule,
					       const struct cfi_machine *machine,
					       const struct cfi_row *row)
{
	struct operation operations[MAX_OPERATIONS] = { 0 };
	int n = read_operations(&row->cfa_expression, operations);

	if (n > 0 && is_plt(operations, n, machine->stack_pointer))
		return set_cfa(rule, UNWIND_PLT, operations[0].number, operations[4].number);
	if (n >= 2 && operations[0].code >= DW_OP_breg0 && operations[0].code <= DW_OP_breg31 &&
	    operations[1].code == DW_OP_deref)
		return make_deref(rule, machine, operations, n);
	return UNWIND_CFA_EXPRESSION;
}

static enum unwind_refusal make_cfa(struct unwind_rule *rule, const struct cfi_machine *machine,
				    const struct cfi_row *row)
{
	if (row->cfa_expression.bytes)
		return make_cfa_expression(rule, machine, row);
	if (row->cfa_register == machine->stack_pointer)
		return set_cfa(rule, UNWIND_SP, row->cfa_offset, 0);
	if (row->cfa_register == machine->registers[CFI_FP])
		return set_cfa(rule, UNWIND_FP, row->cfa_offset, 0);
	if (row->cfa_register == machine->registers[CFI_BX])
		return set_cfa(rule, UNWIND_BX, row->cfa_offset, 0);
	if (row->cfa_register > 31)
		return UNWIND_CFA_EXPRESSION;
	return set_cfa(rule, UNWIND_REGISTER, row->cfa_offset, (__s64)row->cfa_register);
}

/*
 * Below the stack pointer there is nothing any more: compilers do not take a slot back that an
 * epilogue has already popped. The register has its value again.
 */
static bool is_popped(const struct unwind_rule *rule, __s64 offset)
{
	return rule->kind == UNWIND_SP && rule->cfa_offset + offset < 0;
}

/* Where the caller's frame pointer or rbx is. */
static enum unwind_refusal make_slot(const struct unwind_rule *rule,
				     const struct cfi_machine *machine,
				     const struct cfi_value *value, enum unwind_refusal refusal,
				     __u8 *slot, __s16 *offset)
{
	struct operation operations[MAX_OPERATIONS];
	__s64 number;

	switch (value->how) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		return NR_UNWIND_REFUSALS;
	case CFI_AT_CFA:
		if (is_popped(rule, value->offset))
			return NR_UNWIND_REFUSALS;
		number = value->offset;
		*slot = UNWIND_AT_CFA;
		break;
	case CFI_AT_EXPRESSION:
		if (read_operations(&value->expression, operations) != 1 ||
		    operations[0].code != DW_OP_breg0 + machine->registers[CFI_FP])
			return refusal;
		number = operations[0].number;
		*slot = UNWIND_AT_FP;
		break;
	default:
		return refusal;
	}
	if (!fits_s16(number))
		return UNWIND_FAR_OFFSET;
	*offset = (__s16)number;
	return NR_UNWIND_REFUSALS;
}

static enum unwind_refusal make_return(struct unwind_rule *rule, const struct cfi_machine *machine,
				       const struct cfi_value *value)
{
	bool has_link_register = machine->registers[CFI_BX] > 31;

	if (has_link_register && value->how == CFI_SAME)
		return NR_UNWIND_REFUSALS;
	if (value->how != CFI_AT_CFA || (!has_link_register && value->offset != -8))
		return UNWIND_RA_RULE;
	if (has_link_register && is_popped(rule, value->offset))
		return NR_UNWIND_REFUSALS;
	if (!fits_s16(value->offset))
		return UNWIND_FAR_OFFSET;
	rule->ra_slot = UNWIND_AT_CFA;
	rule->ra_offset = (__s16)value->offset;
	return NR_UNWIND_REFUSALS;
}

enum unwind_refusal unwind_rule__make(struct unwind_rule *rule, const struct cfi_machine *machine,
				      const struct cfi_row *row, bool is_signal)
{
	const struct cfi_value *values = row->values;
	enum unwind_refusal refusal;

	*rule = (struct unwind_rule){ 0 };
	if (values[CFI_RA].how == CFI_UNDEFINED) {
		rule->kind = UNWIND_END;
		return NR_UNWIND_REFUSALS;
	}
	if (is_signal) {
		rule->kind = UNWIND_SIGNAL;
		return NR_UNWIND_REFUSALS;
	}
	refusal = make_cfa(rule, machine, row);
	if (refusal == NR_UNWIND_REFUSALS)
		refusal = make_return(rule, machine, &values[CFI_RA]);
	if (refusal == NR_UNWIND_REFUSALS)
		refusal = make_slot(rule, machine, &values[CFI_FP], UNWIND_FP_RULE, &rule->fp_slot,
				    &rule->fp_offset);
	if (refusal == NR_UNWIND_REFUSALS)
		refusal = make_slot(rule, machine, &values[CFI_BX], UNWIND_BX_RULE, &rule->bx_slot,
				    &rule->bx_offset);
	if (refusal != NR_UNWIND_REFUSALS)
		*rule = (struct unwind_rule){ .kind = UNWIND_UNSUPPORTED };
	return refusal;
}

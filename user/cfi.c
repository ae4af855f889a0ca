/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cfi.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>

/* The name of no register: what arm64 has no use for. */
#define NO_REGISTER (~0U)

static const struct cfi_machine x86_64 = {
	.registers = { [CFI_FP] = 6, [CFI_BX] = 3, [CFI_RA] = 16 },
	.stack_pointer = 7,
};

static const struct cfi_machine arm64 = {
	.registers = { [CFI_FP] = 29, [CFI_BX] = NO_REGISTER, [CFI_RA] = 30 },
	.stack_pointer = 31,
};

const struct cfi_machine *cfi_machine__find(__u16 elf_machine)
{
	switch (elf_machine) {
	case EM_X86_64:
		return &x86_64;
	case EM_AARCH64:
		return &arm64;
	}
	return NULL;
}

/* An encoded address or size. Indirect ones and those relative to other things are not in FDEs. */
static int read_encoded(struct dwarf_cursor *cursor, __u8 encoding, __u64 address, __u64 *value)
{
	const unsigned char *from = cursor->at;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		*value = dwarf_cursor__u64(cursor);
		break;
	case DW_EH_PE_udata2:
		*value = dwarf_cursor__u16(cursor);
		break;
	case DW_EH_PE_sdata2:
		*value = (__u64)(__s64)(__s16)dwarf_cursor__u16(cursor);
		break;
	case DW_EH_PE_udata4:
		*value = dwarf_cursor__u32(cursor);
		break;
	case DW_EH_PE_sdata4:
		*value = (__u64)(__s64)(__s32)dwarf_cursor__u32(cursor);
		break;
	case DW_EH_PE_uleb128:
		*value = dwarf_cursor__uleb(cursor);
		break;
	case DW_EH_PE_sleb128:
		*value = (__u64)dwarf_cursor__sleb(cursor);
		break;
	default:
		return -EOPNOTSUPP;
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		*value += address;
		break;
	default:
		return -EOPNOTSUPP;
	}
	return cursor->failed || cursor->at == from ? -EINVAL : 0;
}

/* A CIE's own extra data: one item a letter of its augmentation. */
static int read_augmentation(struct cfi_common *common, const char *letters,
			     struct dwarf_cursor *record)
{
	struct dwarf_cursor data = *record;
	__u64 size = dwarf_cursor__uleb(&data), ignored;
	__u8 encoding;

	dwarf_cursor__skip(record, (__u64)(data.at - record->at));
	dwarf_cursor__skip(record, size);
	if (record->failed)
		return -EINVAL;
	data.end = record->at;
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			common->encoding = dwarf_cursor__u8(&data);
			break;
		case 'L':
			dwarf_cursor__u8(&data);
			break;
		case 'P':
			/* Where it points to is of no interest, only how long it is. */
			encoding = dwarf_cursor__u8(&data) & 0x0f;
			if (read_encoded(&data, encoding, 0, &ignored))
				return -EOPNOTSUPP;
			break;
		case 'S':
			common->is_signal = true;
			break;
		case 'B': /* arm64: return addresses are signed with key B */
		case 'G': /* arm64: memory tagging */
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	return data.failed ? -EINVAL : 0;
}

int cfi_common__read(struct cfi_common *common, struct dwarf_cursor *record)
{
	__u8 version = dwarf_cursor__u8(record);
	const char *augmentation = (const char *)record->at;
	int err;

	*common = (struct cfi_common){ .encoding = DW_EH_PE_absptr };
	if (version != 1 && version != 3 && version != 4)
		return -EOPNOTSUPP;
	if (!memchr(record->at, '\0', dwarf_cursor__left(record)))
		return -EINVAL;
	dwarf_cursor__skip(record, strlen(augmentation) + 1);
	if (version == 4)
		dwarf_cursor__skip(record, 2); /* sizes of an address and of a segment */
	common->code_factor = dwarf_cursor__uleb(record);
	common->data_factor = dwarf_cursor__sleb(record);
	if (version == 1)
		dwarf_cursor__u8(record);
	else
		dwarf_cursor__uleb(record);
	if (record->failed)
		return -EINVAL;
	if (augmentation[0] == 'z') {
		common->has_augmentation = true;
		err = read_augmentation(common, augmentation + 1, record);
		if (err)
			return err;
	} else if (augmentation[0]) {
		return -EOPNOTSUPP;
	}
	common->instructions = *record;
	return 0;
}

int cfi_function__read(struct cfi_function *function, const struct cfi_common *common,
		       struct dwarf_cursor *record, __u64 address)
{
	int err = read_encoded(record, common->encoding, address, &function->start);

	if (!err)
		err = read_encoded(record, common->encoding & 0x0f, 0, &function->size);
	if (err)
		return err;
	if (common->has_augmentation)
		dwarf_cursor__skip(record, dwarf_cursor__uleb(record));
	if (record->failed || function->start + function->size < function->start)
		return -EINVAL;
	function->instructions = *record;
	return 0;
}

/* Factors are small; a file that overflows them gets a wrong offset, which is checked later. */
static __s64 scaled(const struct cfi_run *run, __s64 value)
{
	return (__s64)((__u64)value * (__u64)run->common->data_factor);
}

/* Where a register's value is kept, or a place to write to for one that nobody asks for. */
static struct cfi_value *find_value(struct cfi_run *run, __u64 reg, struct cfi_value *ignored)
{
	for (int i = 0; i < NR_CFI_REGISTERS; i++)
		if (run->machine->registers[i] == reg)
			return &run->row.values[i];
	return ignored;
}

static void set_offset(struct cfi_run *run, __u64 reg, __s64 offset)
{
	struct cfi_value ignored;

	*find_value(run, reg, &ignored) = (struct cfi_value){ .how = CFI_AT_CFA, .offset = offset };
}

static void set_how(struct cfi_run *run, __u64 reg, enum cfi_how how)
{
	struct cfi_value ignored;

	*find_value(run, reg, &ignored) = (struct cfi_value){ .how = how };
}

static void restore(struct cfi_run *run, __u64 reg)
{
	struct cfi_value ignored, *value = find_value(run, reg, &ignored);

	if (value == &ignored)
		return;
	if (run->initial)
		*value = run->initial->values[value - run->row.values];
	else
		*value = (struct cfi_value){ .how = CFI_SAME };
}

static struct cfi_expression read_expression(struct dwarf_cursor *cursor)
{
	__u64 size = dwarf_cursor__uleb(cursor);
	const unsigned char *bytes = cursor->at;

	dwarf_cursor__skip(cursor, size);
	return (struct cfi_expression){ .bytes = bytes, .size = (__u32)(cursor->at - bytes) };
}

static void define_cfa(struct cfi_run *run, __u64 reg, __s64 offset)
{
	run->row.cfa_register = reg;
	run->row.cfa_offset = offset;
	run->row.cfa_expression = (struct cfi_expression){ 0 };
}

/* Of the instructions without an operand in the opcode, those about one register. */
static int run_register(struct cfi_run *run, struct dwarf_cursor *cursor, __u8 opcode)
{
	__u64 reg = dwarf_cursor__uleb(cursor);
	struct cfi_value ignored;

	switch (opcode) {
	case DW_CFA_offset_extended:
		set_offset(run, reg, scaled(run, (__s64)dwarf_cursor__uleb(cursor)));
		return 0;
	case DW_CFA_offset_extended_sf:
		set_offset(run, reg, scaled(run, dwarf_cursor__sleb(cursor)));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		set_offset(run, reg, scaled(run, -(__s64)dwarf_cursor__uleb(cursor)));
		return 0;
	case DW_CFA_restore_extended:
		restore(run, reg);
		return 0;
	case DW_CFA_undefined:
		set_how(run, reg, CFI_UNDEFINED);
		return 0;
	case DW_CFA_same_value:
		set_how(run, reg, CFI_SAME);
		return 0;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		dwarf_cursor__uleb(cursor); /* signed ones have the same length */
		set_how(run, reg, CFI_OTHER);
		return 0;
	case DW_CFA_expression:
		*find_value(run, reg, &ignored) = (struct cfi_value){
			.how = CFI_AT_EXPRESSION,
			.expression = read_expression(cursor),
		};
		return 0;
	case DW_CFA_val_expression:
		read_expression(cursor);
		set_how(run, reg, CFI_OTHER);
		return 0;
	}
	return -EOPNOTSUPP;
}

/* And those about the frame address and the state as a whole. */
static int run_state(struct cfi_run *run, struct dwarf_cursor *cursor, __u8 opcode)
{
	__u64 reg;

	switch (opcode) {
	case DW_CFA_nop:
	case DW_CFA_GNU_window_save: /* arm64: the return address is signed from here on */
		return 0;
	case DW_CFA_GNU_args_size:
		dwarf_cursor__uleb(cursor);
		return 0;
	case DW_CFA_remember_state:
		if (run->nr_remembered == CFI_MAX_REMEMBERED)
			return -EOPNOTSUPP;
		run->remembered[run->nr_remembered++] = run->row;
		return 0;
	case DW_CFA_restore_state:
		if (!run->nr_remembered)
			return -EINVAL;
		run->row = run->remembered[--run->nr_remembered];
		return 0;
	case DW_CFA_def_cfa:
		reg = dwarf_cursor__uleb(cursor);
		define_cfa(run, reg, (__s64)dwarf_cursor__uleb(cursor));
		return 0;
	case DW_CFA_def_cfa_sf:
		reg = dwarf_cursor__uleb(cursor);
		define_cfa(run, reg, scaled(run, dwarf_cursor__sleb(cursor)));
		return 0;
	case DW_CFA_def_cfa_register:
		run->row.cfa_register = dwarf_cursor__uleb(cursor);
		return run->row.cfa_expression.bytes ? -EINVAL : 0;
	case DW_CFA_def_cfa_offset:
		run->row.cfa_offset = (__s64)dwarf_cursor__uleb(cursor);
		return run->row.cfa_expression.bytes ? -EINVAL : 0;
	case DW_CFA_def_cfa_offset_sf:
		run->row.cfa_offset = scaled(run, dwarf_cursor__sleb(cursor));
		return run->row.cfa_expression.bytes ? -EINVAL : 0;
	case DW_CFA_def_cfa_expression:
		run->row.cfa_expression = read_expression(cursor);
		return 0;
	}
	return run_register(run, cursor, opcode);
}

/* How far the location moves, in factored units; false: another instruction. */
static bool read_advance(struct dwarf_cursor *cursor, __u8 opcode, __u64 *units)
{
	if ((opcode & 0xc0) == DW_CFA_advance_loc)
		*units = opcode & 0x3f;
	else if (opcode == DW_CFA_advance_loc1)
		*units = dwarf_cursor__u8(cursor);
	else if (opcode == DW_CFA_advance_loc2)
		*units = dwarf_cursor__u16(cursor);
	else if (opcode == DW_CFA_advance_loc4)
		*units = dwarf_cursor__u32(cursor);
	else
		return false;
	return true;
}

int cfi_run__next(struct cfi_run *run, struct dwarf_cursor *instructions, struct cfi_row *row)
{
	while (instructions->at < instructions->end) {
		__u8 opcode = dwarf_cursor__u8(instructions);
		__u64 units, next;
		int err = 0;

		if (!run->budget)
			return -E2BIG;
		run->budget--;
		if (read_advance(instructions, opcode, &units)) {
			next = run->location + units * run->common->code_factor;
			if (instructions->failed || next < run->location)
				return -EINVAL;
			if (next == run->location)
				continue;
			*row = run->row;
			run->location = next;
			return 1;
		}
		switch (opcode & 0xc0) {
		case DW_CFA_offset:
			set_offset(run, opcode & 0x3f,
				   scaled(run, (__s64)dwarf_cursor__uleb(instructions)));
			break;
		case DW_CFA_restore:
			restore(run, opcode & 0x3f);
			break;
		default:
			err = run_state(run, instructions, opcode);
		}
		if (err)
			return err;
		if (instructions->failed)
			return -EINVAL;
	}
	*row = run->row;
	return 0;
}

int cfi_run__common(struct cfi_run *run, struct cfi_row *initial)
{
	struct dwarf_cursor instructions = run->common->instructions;
	int err = cfi_run__next(run, &instructions, initial);

	/* A CIE is about no place in particular. */
	return err > 0 ? -EINVAL : err;
}

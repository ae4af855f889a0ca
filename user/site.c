/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site.h"

#include <elf.h>
#include <string.h>

#include "decode.h"

/* Further than any compiler's prologue; keeps the choice near the entry on odd code. */
#define MAX_SITE_OFFSET 64

static bool is_prefix(unsigned char byte)
{
	switch (byte) {
	case 0x26: /* es */
	case 0x2e: /* cs */
	case 0x36: /* ss */
	case 0x3e: /* ds */
	case 0x64: /* fs */
	case 0x65: /* gs */
	case 0x66: /* operand size */
	case 0x67: /* address size */
	case 0xf0: /* lock */
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return (byte & 0xf0) == 0x40; /* rex */
	}
}

static size_t prefix_length(const unsigned char *bytes, size_t size)
{
	size_t i = 0;

	while (i < size && is_prefix(bytes[i]))
		i++;
	return i;
}

/* push, one-byte nop, jmp, jcc and call with no prefix: what every kernel's uprobes emulate. */
static bool is_emulated(const unsigned char *bytes, size_t size)
{
	switch (size) {
	case 1:
		return (bytes[0] & 0xf8) == 0x50 || bytes[0] == 0x90;
	case 2:
		return (bytes[0] == 0x41 && (bytes[1] & 0xf8) == 0x50) || bytes[0] == 0xeb ||
		       (bytes[0] & 0xf0) == 0x70;
	case 5:
		return bytes[0] == 0xe8 || bytes[0] == 0xe9;
	case 6:
		return bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80;
	default:
		return false;
	}
}

/*
 * Could the kernel take it for a five-byte nop? From 6.18 to 7.1 a probe there turns into a call
 * that forked children cannot make: they die. The kernel counts more forms than 90 and 0f 1f: a
 * jump to the next instruction, lea and mov of a register to itself. So this errs to yes.
 */
static bool maybe_five_byte_nop(const unsigned char *bytes, size_t size)
{
	size_t i = prefix_length(bytes, size);

	if (size != 5 || i == size)
		return false;
	if (i + 1 == size)
		return bytes[i] == 0x90;
	switch (bytes[i]) {
	case 0x0f:
		return bytes[i + 1] == 0x0d || (bytes[i + 1] & 0xf8) == 0x18;
	case 0x86:
	case 0x87: /* xchg */
	case 0x88:
	case 0x89: /* mov */
	case 0x8a:
	case 0x8b:
		return bytes[i + 1] >= 0xc0;
	case 0x8d: /* lea, displacement 0 */
		return bytes[4] == 0;
	case 0xe9:
		return !memcmp(bytes + i + 1, "\0\0\0\0", size - i - 1);
	case 0xeb:
		return bytes[i + 1] == 0;
	default:
		return false;
	}
}

/* Refused by the kernel, or by us because processors disagree on it. One refusal fails a link. */
static bool is_refused(const struct decoder *decoder)
{
	const cs_insn *instruction = decoder->instruction;
	const unsigned char *bytes = instruction->bytes;
	size_t i, prefixes = prefix_length(bytes, instruction->size);

	for (i = 0; i < prefixes; i++) {
		switch (bytes[i]) {
		case 0xf0:
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			return true;
		case 0x66:
			if (cs_insn_group(decoder->handle, instruction, CS_GRP_BRANCH_RELATIVE))
				return true;
		}
	}
	return cs_insn_group(decoder->handle, instruction, CS_GRP_INT) ||
	       cs_insn_group(decoder->handle, instruction, CS_GRP_PRIVILEGE);
}

/* The argument that a register or a part of it holds, 3 for the stack pointer, -1: another one. */
static int register_role(unsigned int reg)
{
	switch (reg) {
	case X86_REG_RDI:
	case X86_REG_EDI:
	case X86_REG_DI:
	case X86_REG_DIL:
		return 0;
	case X86_REG_RSI:
	case X86_REG_ESI:
	case X86_REG_SI:
	case X86_REG_SIL:
		return 1;
	case X86_REG_RDX:
	case X86_REG_EDX:
	case X86_REG_DX:
	case X86_REG_DL:
	case X86_REG_DH:
		return 2;
	case X86_REG_RSP:
	case X86_REG_ESP:
	case X86_REG_SP:
	case X86_REG_SPL:
		return SITE_MAX_ARGUMENTS;
	default:
		return -1;
	}
}

/* Plain instructions that go on to the next one. Whatever is not here ends the search. */
static bool is_plain(unsigned int id)
{
	switch (id) {
	case X86_INS_ADD:
	case X86_INS_AND:
	case X86_INS_BSF:
	case X86_INS_BSR:
	case X86_INS_BT:
	case X86_INS_CDQ:
	case X86_INS_CDQE:
	case X86_INS_CMP:
	case X86_INS_CQO:
	case X86_INS_DEC:
	case X86_INS_ENDBR64:
	case X86_INS_IMUL:
	case X86_INS_INC:
	case X86_INS_LEA:
	case X86_INS_LZCNT:
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD:
	case X86_INS_MOVZX:
	case X86_INS_MUL:
	case X86_INS_NEG:
	case X86_INS_NOP:
	case X86_INS_NOT:
	case X86_INS_OR:
	case X86_INS_PXOR:
	case X86_INS_SAR:
	case X86_INS_SBB:
	case X86_INS_SETA:
	case X86_INS_SETAE:
	case X86_INS_SETB:
	case X86_INS_SETBE:
	case X86_INS_SETE:
	case X86_INS_SETNE:
	case X86_INS_SHL:
	case X86_INS_SHR:
	case X86_INS_SUB:
	case X86_INS_TEST:
	case X86_INS_TZCNT:
	case X86_INS_XOR:
	case X86_INS_XORPS:
		return true;
	default:
		return false;
	}
}

/* May the site lie behind this instruction? */
static bool can_pass(const struct decoder *decoder, unsigned int nr_args)
{
	const cs_insn *instruction = decoder->instruction;
	const cs_x86 *x86 = &instruction->detail->x86;
	cs_regs reads, writes;
	__u8 nr_reads, nr_writes, i;

	if (!is_plain(instruction->id))
		return false;
	if (cs_regs_access(decoder->handle, instruction, reads, &nr_reads, writes, &nr_writes))
		return false;
	for (i = 0; i < nr_writes; i++) {
		int role = register_role(writes[i]);

		if (role == SITE_MAX_ARGUMENTS || (role >= 0 && (unsigned int)role < nr_args))
			return false;
	}
	/* The return address lies at the stack pointer: nothing may be stored near it. */
	if (x86->op_count && x86->operands[0].type == X86_OP_MEM &&
	    x86->operands[0].mem.base == X86_REG_RSP && instruction->id != X86_INS_CMP &&
	    instruction->id != X86_INS_TEST && instruction->id != X86_INS_NOP)
		return false;
	return true;
}

/*
 * Does a direct branch anywhere in the function land behind the entry and not behind the site?
 * Such a call would be counted twice, or not at all. Code that cannot be read may hold one.
 */
static bool is_jumped_to(struct decoder *decoder, const unsigned char *code, size_t size,
			 __u64 address, __u32 offset)
{
	__u64 target;

	if (!offset)
		return false;
	decoder__start(decoder, code, size, address);
	while (decoder__next(decoder)) {
		if (decoder__target(decoder, &target) && target > address &&
		    target <= address + offset)
			return true;
	}
	return decoder->size != 0;
}

int site__choose(__u16 machine, const unsigned char *code, size_t size, __u64 address,
		 unsigned int nr_args, struct site *out)
{
	__s64 emulated = -1, stepped = -1;
	struct decoder decoder;
	__u32 offset = 0;
	int err;

	if (!size || nr_args > SITE_MAX_ARGUMENTS)
		return -EINVAL;
	if (machine != EM_X86_64) {
		*out = (struct site){ 0 };
		return 0;
	}
	err = decoder__open(&decoder);
	if (err)
		return err;

	decoder__start(&decoder, code, size, address);
	err = -EINVAL;
	while (offset <= MAX_SITE_OFFSET && decoder__next(&decoder)) {
		const cs_insn *instruction = decoder.instruction;

		err = -EOPNOTSUPP;
		if (!is_refused(&decoder) &&
		    !maybe_five_byte_nop(instruction->bytes, instruction->size)) {
			if (stepped < 0)
				stepped = offset;
			if (is_emulated(instruction->bytes, instruction->size)) {
				emulated = offset;
				break;
			}
		}
		if (!can_pass(&decoder, nr_args))
			break;
		offset += instruction->size;
	}

	if (emulated >= 0 && !is_jumped_to(&decoder, code, size, address, (__u32)emulated)) {
		*out = (struct site){ .offset = (__u32)emulated, .emulated = true };
		err = 0;
	} else if (stepped >= 0 && !is_jumped_to(&decoder, code, size, address, (__u32)stepped)) {
		*out = (struct site){ .offset = (__u32)stepped, .emulated = false };
		err = 0;
	}
	decoder__close(&decoder);
	return err;
}

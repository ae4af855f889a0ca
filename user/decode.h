/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86-64 instructions, one after the other: the little of capstone that is shared by the site
 * rule, the allocator's range and the system call wrappers.
 */
#ifndef ALLOCPATH_DECODE_H
#define ALLOCPATH_DECODE_H

#include <capstone/capstone.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decoder {
	csh handle;
	cs_insn *instruction; /* the last one that decoder__next() found */
	const unsigned char *code; /* what is left */
	size_t size;
	uint64_t address;
};

static inline void decoder__close(struct decoder *decoder)
{
	if (decoder->instruction)
		cs_free(decoder->instruction, 1);
	if (decoder->handle)
		cs_close(&decoder->handle);
	decoder->instruction = NULL;
	decoder->handle = 0;
}

static inline int decoder__open(struct decoder *decoder)
{
	*decoder = (struct decoder){ 0 };
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &decoder->handle) != CS_ERR_OK) {
		decoder->handle = 0;
		return -ENOMEM;
	}
	cs_option(decoder->handle, CS_OPT_DETAIL, CS_OPT_ON);
	decoder->instruction = cs_malloc(decoder->handle);
	if (!decoder->instruction) {
		decoder__close(decoder);
		return -ENOMEM;
	}
	return 0;
}

static inline void decoder__start(struct decoder *decoder, const unsigned char *code, size_t size,
				  __u64 address)
{
	decoder->code = code;
	decoder->size = size;
	decoder->address = address;
}

/* False at the end and at bytes that are no instruction; decoder->size tells which: 0 at the end. */
static inline bool decoder__next(struct decoder *decoder)
{
	return decoder->size && cs_disasm_iter(decoder->handle, &decoder->code, &decoder->size,
					       &decoder->address, decoder->instruction);
}

/* Is it a jump, conditional or not, or a call, whose target stands in the instruction itself? */
static inline bool decoder__target(const struct decoder *decoder, __u64 *target)
{
	const cs_insn *instruction = decoder->instruction;
	const cs_x86 *x86 = &instruction->detail->x86;

	if (!cs_insn_group(decoder->handle, instruction, CS_GRP_JUMP) &&
	    !cs_insn_group(decoder->handle, instruction, CS_GRP_CALL) &&
	    !cs_insn_group(decoder->handle, instruction, CS_GRP_BRANCH_RELATIVE))
		return false;
	if (x86->op_count != 1 || x86->operands[0].type != X86_OP_IMM)
		return false;
	*target = (__u64)x86->operands[0].imm;
	return true;
}

#endif

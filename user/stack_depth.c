/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_depth.h"

#include <stdlib.h>

#define UNKNOWN (-1)
#define MAX_DEPTH_BYTES (1 << 20)

/* The depth behind the instruction, or UNKNOWN: it does with the stack pointer what we cannot. */
static __s32 depth_behind(const struct decoder *decoder, __s32 depth)
{
	const cs_insn *instruction = decoder->instruction;
	const cs_x86_op *operands = instruction->detail->x86.operands;
	cs_regs reads, writes;
	__u8 nr_reads, nr_writes, i;
	__s64 moved = 0;

	switch (instruction->id) {
	case X86_INS_PUSH:
		moved = 8;
		break;
	case X86_INS_POP:
		if (operands[0].type == X86_OP_REG && operands[0].reg == X86_REG_RSP)
			return UNKNOWN;
		moved = -8;
		break;
	case X86_INS_CALL:
		break;
	case X86_INS_SUB:
	case X86_INS_ADD:
		if (operands[0].type != X86_OP_REG || operands[0].reg != X86_REG_RSP)
			break;
		if (operands[1].type != X86_OP_IMM)
			return UNKNOWN;
		moved = instruction->id == X86_INS_SUB ? operands[1].imm : -operands[1].imm;
		break;
	default:
		if (cs_regs_access(decoder->handle, instruction, reads, &nr_reads, writes,
				   &nr_writes))
			return UNKNOWN;
		for (i = 0; i < nr_writes; i++) {
			if (writes[i] == X86_REG_RSP || writes[i] == X86_REG_ESP)
				return UNKNOWN;
		}
	}
	if (moved > MAX_DEPTH_BYTES || moved < -MAX_DEPTH_BYTES || depth + moved < 0 ||
	    depth + moved > MAX_DEPTH_BYTES)
		return UNKNOWN;
	return (__s32)(depth + moved);
}

static bool falls_through(unsigned int id)
{
	return id != X86_INS_JMP && id != X86_INS_RET && id != X86_INS_UD2 && id != X86_INS_HLT;
}

/* Follows one path as far as it is new; branch targets on the way go to the list. */
static void follow(struct stack_depth *depth, struct decoder *decoder, const unsigned char *code,
		   size_t at, size_t *pending, size_t *nr_pending)
{
	__s32 now = depth->depths[at];

	for (;;) {
		size_t next;
		__u64 target;

		decoder__start(decoder, code + at, depth->size - at, depth->address + at);
		if (!decoder__next(decoder))
			return;
		next = at + decoder->instruction->size;
		now = depth_behind(decoder, now);
		if (now == UNKNOWN)
			return;
		if (decoder->instruction->id != X86_INS_CALL && decoder__target(decoder, &target) &&
		    target >= depth->address && target - depth->address < depth->size) {
			size_t to = target - depth->address;

			if (depth->depths[to] == UNKNOWN) {
				depth->depths[to] = now;
				pending[(*nr_pending)++] = to;
			}
		}
		if (!falls_through(decoder->instruction->id) || next >= depth->size ||
		    depth->depths[next] != UNKNOWN)
			return;
		at = next;
		depth->depths[at] = now;
	}
}

int stack_depth__open(struct stack_depth *depth, struct decoder *decoder, const unsigned char *code,
		      size_t size, __u64 address)
{
	size_t *pending, nr_pending = 0, i;

	*depth = (struct stack_depth){ .address = address, .size = size };
	if (!size)
		return 0;
	depth->depths = malloc(size * sizeof(*depth->depths));
	pending = malloc(size * sizeof(*pending)); /* each place comes at most once */
	if (!depth->depths || !pending) {
		free(pending);
		stack_depth__close(depth);
		return -ENOMEM;
	}
	for (i = 0; i < size; i++)
		depth->depths[i] = UNKNOWN;
	depth->depths[0] = 0;
	pending[nr_pending++] = 0;
	while (nr_pending)
		follow(depth, decoder, code, pending[--nr_pending], pending, &nr_pending);
	free(pending);
	return 0;
}

void stack_depth__close(struct stack_depth *depth)
{
	free(depth->depths);
	depth->depths = NULL;
}

int stack_depth__at(const struct stack_depth *depth, __u64 address, __s32 *bytes)
{
	if (address < depth->address || address - depth->address >= depth->size ||
	    depth->depths[address - depth->address] == UNKNOWN)
		return -ENOENT;
	*bytes = depth->depths[address - depth->address];
	return 0;
}

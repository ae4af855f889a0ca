/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

#define MAX_CODE_BYTES (1 << 16)
#define STUB_BYTES 16

/* Where a stub of the linkage table leads inside the file; any other address stays as it is. */
static __u64 resolve(const struct elf_file *elf, __u64 address)
{
	unsigned char stub[STUB_BYTES];
	size_t at = 0;
	__u64 target;
	__s32 distance;

	if (elf->machine != EM_X86_64 || elf_file__read(elf, address, stub, sizeof(stub)))
		return address;
	if (!memcmp(stub, "\xf3\x0f\x1e\xfa", 4)) /* endbr64 */
		at = 4;
	if (stub[at] == 0xf2) /* bnd */
		at++;
	if (stub[at] != 0xff || stub[at + 1] != 0x25) /* jmp *distance(%rip) */
		return address;
	memcpy(&distance, stub + at + 2, sizeof(distance));
	if (elf_file__import(elf, address + at + 6 + (__u64)(__s64)distance, &target))
		return address;
	return target;
}

static void add_jump(struct code *code, __u64 target)
{
	size_t i;

	for (i = 0; i < code->nr_jumps; i++) {
		if (code->jumps[i] == target)
			return;
	}
	if (code->nr_jumps == CODE_MAX_JUMPS)
		code->unseen_exit = true;
	else
		code->jumps[code->nr_jumps++] = target;
}

static void add_return(struct code *code, __u64 address)
{
	if (code->nr_returns == CODE_MAX_RETURNS)
		code->unseen_exit = true;
	else
		code->returns[code->nr_returns++] = address;
}

static void read_instruction(const struct elf_file *elf, const struct decoder *decoder, __u64 start,
			     __u64 end, struct code *code)
{
	const cs_insn *instruction = decoder->instruction;
	__u64 target;

	if (instruction->id == X86_INS_RET) {
		add_return(code, instruction->address);
		return;
	}
	if (!cs_insn_group(decoder->handle, instruction, CS_GRP_JUMP))
		return;
	if (!decoder__target(decoder, &target)) {
		code->unseen_exit = true;
		return;
	}
	if (target >= start && target < end)
		return;
	target = resolve(elf, target);
	if (instruction->address == start && instruction->id == X86_INS_JMP)
		code->forwards_to = target;
	add_jump(code, target);
}

int code__read(const struct elf_file *elf, __u64 address, __u64 size, struct code *code)
{
	struct decoder decoder;
	unsigned char *bytes;
	int err;

	*code = (struct code){ 0 };
	if (!size || size > MAX_CODE_BYTES || elf->machine != EM_X86_64) {
		code->unseen_exit = true;
		return 0;
	}
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	err = elf_file__read(elf, address, bytes, size);
	if (!err)
		err = decoder__open(&decoder);
	if (!err) {
		decoder__start(&decoder, bytes, size, address);
		while (decoder__next(&decoder))
			read_instruction(elf, &decoder, address, address + size, code);
		if (decoder.size)
			code->unseen_exit = true;
		decoder__close(&decoder);
	}
	free(bytes);
	return err;
}

int code__follow_jumps(const struct elf_file *elf, struct code *code, code_size_of *size_of,
		       void *context)
{
	size_t i, j;

	for (i = 0; i < code->nr_jumps; i++) {
		struct code next;
		int err;

		err = code__read(elf, code->jumps[i], size_of(context, code->jumps[i]), &next);
		if (err == -EINVAL)
			next = (struct code){ .unseen_exit = true };
		else if (err)
			return err;
		code->unseen_exit |= next.unseen_exit;
		for (j = 0; j < next.nr_returns; j++)
			add_return(code, next.returns[j]);
		/* Seen jumps are not added again, so this comes to an end. */
		for (j = 0; j < next.nr_jumps; j++)
			add_jump(code, next.jumps[j]);
	}
	return 0;
}

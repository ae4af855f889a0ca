/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wrapper_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "stack_depth.h"

#define MAX_WRAPPER_BYTES 4096 /* mremap, the largest in 2.36, has 170 */
#define MAX_FILE_WRAPPERS 64 /* 9 in 2.36; all files together have MAX_WRAPPER_SITES */

struct search {
	const struct eh_frame *frame;
	const struct wrapper_functions *functions;
	struct decoder decoder;
	struct wrapper wrappers[MAX_FILE_WRAPPERS];
	size_t nr_wrappers;
};

int wrapper_sites__name(const char *name)
{
	static const struct {
		const char *name;
		enum wrapper_name wrapper;
	} names[] = {
		{ "mmap", WRAPPER_MMAP },	{ "mmap64", WRAPPER_MMAP },
		{ "munmap", WRAPPER_MUNMAP },	{ "mprotect", WRAPPER_MPROTECT },
		{ "mremap", WRAPPER_MREMAP },	{ "brk", WRAPPER_BRK },
		{ "madvise", WRAPPER_MADVISE }, { "sbrk", WRAPPER_SBRK },
		{ "syscall", WRAPPER_SYSCALL },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i].name))
			return (int)names[i].wrapper;
	}
	return -ENOENT;
}

static int add_site(struct search *search, const struct stack_depth *depth, __u64 address)
{
	__s32 slot;
	int err;

	err = eh_frame__return_slot(search->frame, address, &slot);
	if (err == -ENOMEM)
		return err;
	if (err && stack_depth__at(depth, address, &slot))
		return 0; /* a place without a slot stops the walk there */
	if (address >> 32 || search->nr_wrappers == MAX_FILE_WRAPPERS)
		return -EOPNOTSUPP;
	search->wrappers[search->nr_wrappers++] = (struct wrapper){
		.address = (__u32)address,
		.return_slot = slot,
	};
	return 0;
}

/* Where the thread goes on after each system call, and after each call of another function. */
static int add_function(struct search *search, __u64 address, __u64 size)
{
	unsigned char code[MAX_WRAPPER_BYTES];
	struct stack_depth depth;
	int err;

	if (!address)
		return 0;
	if (!size || size > sizeof(code))
		return -EOPNOTSUPP;
	err = elf_file__read(search->frame->file, address, code, size);
	if (!err)
		err = stack_depth__open(&depth, &search->decoder, code, size, address);
	if (err)
		return err;
	decoder__start(&search->decoder, code, size, address);
	while (!err && decoder__next(&search->decoder)) {
		unsigned int id = search->decoder.instruction->id;

		if (id == X86_INS_SYSCALL || id == X86_INS_CALL)
			err = add_site(search, &depth, search->decoder.address);
	}
	stack_depth__close(&depth);
	return err;
}

static int compare_wrappers(const void *a, const void *b)
{
	__u32 left = ((const struct wrapper *)a)->address;
	__u32 right = ((const struct wrapper *)b)->address;

	return (left > right) - (left < right);
}

int wrapper_sites__find(const struct eh_frame *frame, const struct wrapper_functions *functions,
			unsigned int needed, struct wrapper **wrappers, size_t *nr_wrappers)
{
	struct search search = { .frame = frame, .functions = functions };
	struct wrapper *found;
	size_t i;
	int err;

	err = decoder__open(&search.decoder);
	if (err)
		return err;
	for (i = 0; i < NR_WRAPPERS && !err; i++) {
		size_t before = search.nr_wrappers;

		err = add_function(&search, functions->address[i], functions->size[i]);
		if (!err && (needed & 1u << i) && search.nr_wrappers == before)
			err = -EOPNOTSUPP;
	}
	decoder__close(&search.decoder);
	if (err)
		return err;
	found = malloc((search.nr_wrappers + 1) * sizeof(*found));
	if (!found)
		return -ENOMEM;
	memcpy(found, search.wrappers, search.nr_wrappers * sizeof(*found));
	qsort(found, search.nr_wrappers, sizeof(*found), compare_wrappers);
	*wrappers = found;
	*nr_wrappers = search.nr_wrappers;
	return 0;
}

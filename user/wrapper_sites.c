/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wrapper_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

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
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i].name))
			return (int)names[i].wrapper;
	}
	return -ENOENT;
}

static bool is_wrapper(const struct search *search, __u64 address)
{
	size_t i;

	for (i = 0; i < NR_WRAPPERS; i++) {
		if (search->functions->address[i] == address)
			return true;
	}
	return false;
}

static int add_site(struct search *search, __u64 address)
{
	__s32 slot;
	int err;

	err = eh_frame__return_slot(search->frame, address, &slot);
	if (err)
		return err == -ENOMEM ? err : 0; /* a place without a slot stops the walk there */
	if (address >> 32 || search->nr_wrappers == MAX_FILE_WRAPPERS)
		return -EOPNOTSUPP;
	search->wrappers[search->nr_wrappers++] = (struct wrapper){
		.address = (__u32)address,
		.return_slot = slot,
	};
	return 0;
}

/* Where the thread goes on after each system call, and after each call of another wrapper. */
static int add_function(struct search *search, __u64 address, __u64 size)
{
	unsigned char code[MAX_WRAPPER_BYTES];
	int err;

	if (!address)
		return 0;
	if (!size || size > sizeof(code))
		return -EOPNOTSUPP;
	err = elf_file__read(search->frame->file, address, code, size);
	if (err)
		return err;
	decoder__start(&search->decoder, code, size, address);
	while (decoder__next(&search->decoder)) {
		unsigned int id = search->decoder.instruction->id;
		__u64 target;

		if (id != X86_INS_SYSCALL &&
		    (id != X86_INS_CALL || !decoder__target(&search->decoder, &target) ||
		     !is_wrapper(search, target)))
			continue;
		err = add_site(search, search->decoder.address);
		if (err)
			return err;
	}
	return 0;
}

static int compare_wrappers(const void *a, const void *b)
{
	__u32 left = ((const struct wrapper *)a)->address;
	__u32 right = ((const struct wrapper *)b)->address;

	return (left > right) - (left < right);
}

/* Without these three a growing call could not be charged to anyone. */
static bool is_needed(size_t name)
{
	return name == WRAPPER_MMAP || name == WRAPPER_BRK || name == WRAPPER_SBRK;
}

int wrapper_sites__find(const struct eh_frame *frame, const struct wrapper_functions *functions,
			struct wrapper **wrappers, size_t *nr_wrappers)
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
		if (!err && is_needed(i) && search.nr_wrappers == before)
			err = -EOPNOTSUPP;
	}
	decoder__close(&search.decoder);
	if (err)
		return err;
	found = malloc(search.nr_wrappers * sizeof(*found));
	if (!found)
		return -ENOMEM;
	memcpy(found, search.wrappers, search.nr_wrappers * sizeof(*found));
	qsort(found, search.nr_wrappers, sizeof(*found), compare_wrappers);
	*wrappers = found;
	*nr_wrappers = search.nr_wrappers;
	return 0;
}

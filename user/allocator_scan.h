/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of allocator files share: the functions that a walk over the symbols finds. */
#ifndef ALLOCPATH_ALLOCATOR_SCAN_H
#define ALLOCPATH_ALLOCATOR_SCAN_H

#include "allocator_file.h"
#include "allocator_names.h"
#include "elf_file.h"
#include "wrapper_sites.h"

#define MAX_FUNCTIONS 96 /* 9 in glibc 2.36, 49 in mimalloc 2.0 */

struct scan {
	struct allocator_function functions[MAX_FUNCTIONS];
	unsigned int ranks[MAX_FUNCTIONS]; /* index into wanted_functions */
	bool is_new[MAX_FUNCTIONS]; /* one of its names is an operator new */
	size_t nr_functions;
	struct wrapper_functions wrappers;
};

/* Adds a symbol whose name has this rank. 0 or -EINVAL: too many. */
int scan__add(struct scan *scan, unsigned int rank, const struct elf_function *symbol);
/* Adds a system call wrapper, if the name is one's. */
void scan__add_wrapper(struct scan *scan, const struct elf_function *symbol);

/* Reads sites of all functions, into the file, by address. */
int scan__read_functions(const struct elf_file *elf, struct scan *scan, struct allocator_file *file,
			 const char **why);

/* Allocators other than glibc's shared library. As allocator_file__read. */
int read_other_allocator(const struct elf_file *elf, __u32 table, struct allocator_file *file,
			 const char **why);

#endif

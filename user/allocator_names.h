/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of allocation functions: what each is, and which allocators it belongs to. */
#ifndef ALLOCPATH_ALLOCATOR_NAMES_H
#define ALLOCPATH_ALLOCATOR_NAMES_H

#include <stdbool.h>

#include "contract.h"

enum wanted_flags {
	WANTED_GLIBC = 1, /* glibc defines it so that it does not call one of the others */
	WANTED_NEW = 2, /* operator new, by whatever name: an exception may pass through it */
	WANTED_CXX = 4, /* in a static program it may be libstdc++'s, which calls malloc */
	WANTED_MIMALLOC = 8, /* elsewhere it calls realloc */
};

struct wanted {
	const char *name;
	enum alloc_function function;
	unsigned int nr_args; /* that must be whole at the probe's site */
	unsigned int flags;
};

/* In order of preference: where two names have one address, the first is shown. */
extern const struct wanted wanted_functions[];

/* Does it begin with a prefix under which jemalloc is linked into programs? */
bool wanted__is_prefixed(const char *name);

/* Index into wanted_functions, of the name or of what follows such a prefix; -ENOENT. */
int wanted__find(const char *name);

#endif

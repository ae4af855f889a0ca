/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which allocator a file has, by its names and texts; and what is to be known of that kind. */
#ifndef ALLOCPATH_ALLOCATOR_KIND_H
#define ALLOCPATH_ALLOCATOR_KIND_H

#include "elf_file.h"

enum allocator_kind {
	KIND_OWN, /* any that is not known */
	KIND_GLIBC, /* inside a static program */
	KIND_GLIBC_DEBUG, /* libc_malloc_debug: hands on to libc */
	KIND_JEMALLOC,
	KIND_GPERFTOOLS,
	KIND_TCMALLOC, /* Google's newer one */
	KIND_MIMALLOC,
	KIND_REFALLOC, /* the reference allocator, user/alloc/ */
	KIND_MUSL,
	KIND_MUSL_OLD, /* before mallocng */
};

/* What its symbols give away; filled while they are walked. */
struct kind_signs {
	bool mallctl, tc_version, google, mi_version, refalloc, musl_ng, musl_old, glibc;
	__u64 mi_version_address;
};

void kind_signs__see(struct kind_signs *signs, const struct elf_function *symbol);

enum allocator_kind allocator_kind__of(const struct elf_file *elf, const struct kind_signs *signs);

/* "jemalloc 5.3.0"; the caller frees. NULL: no memory. */
char *allocator_kind__name(const struct elf_file *elf, enum allocator_kind kind,
			   const struct kind_signs *signs);

/* From which size on requests get mappings of their own, and how much larger these may be. */
void allocator_kind__own_mapping(enum allocator_kind kind, __u64 *from, __u64 *slack);

/* Is all of the library's code the allocator's? */
bool allocator_kind__is_whole_library(enum allocator_kind kind);

/* Does realloc(p, 0) give a block? */
bool allocator_kind__zero_is_block(enum allocator_kind kind);

#endif

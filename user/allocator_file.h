/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file says of the allocator in it: its functions and their probe sites, the range of the
 * allocator's own object, and the system call wrappers that stand between it and the kernel.
 * A pure reader of the file; it knows nothing of processes.
 */
#ifndef ALLOCPATH_ALLOCATOR_FILE_H
#define ALLOCPATH_ALLOCATOR_FILE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"

/* Addresses are those of the file, offsets are bytes in it. */
struct allocator_function {
	enum alloc_function function;
	const char *name; /* static; the first of several names at one address */
	__u64 address;
	__u64 offset;
	__u64 size;
	__u64 site_address;
	__u64 site_offset;
	bool emulated; /* the kernel emulates the site's instruction; else it is stepped */
	bool is_new; /* no return probe may stand on it: returns has the places instead */
	bool has_returns; /* and these are known */
};

/* A ret instruction, through which operator new returns. */
struct allocator_return {
	__u64 address;
	__u64 offset;
};

/* An address inside a bare wrapper at which a thread that is in the kernel will go on. */
struct wrapper {
	__u32 address;
	__s32 return_slot; /* bytes from the stack pointer there to the wrapper's return address */
};

struct allocator_file {
	char *build_id; /* hex; NULL: none */
	char *name; /* "glibc 2.36" */
	__u64 shift; /* address less offset, of its code */
	struct allocator_function *functions; /* by address */
	size_t nr_functions;
	__u64 low; /* range of the allocator's object */
	__u64 high; /* exclusive */
	__u64 own_from; /* the smallest request that gets a mapping of its own */
	__u64 own_slack; /* such a mapping is at most this much larger */
	__u32 flags; /* enum file_flags */
	struct wrapper *wrappers; /* by address */
	size_t nr_wrappers;
	struct allocator_return *returns;
	size_t nr_returns;
	struct tail_jump *jumps; /* file is not set */
	size_t nr_jumps;
};

/*
 * Reads an open ELF file, which stays the caller's. 0: *out is the caller's to free. -ENOENT: it
 * defines no allocator, or is no ELF file. -EOPNOTSUPP: an allocator that is not supported, *why
 * (static) says why. -EINVAL: malformed; other errors as from read() and malloc().
 */
int allocator_file__read(int fd, struct allocator_file **out, const char **why);
void allocator_file__free(struct allocator_file *file);

#endif

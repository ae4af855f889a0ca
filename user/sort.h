/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which a report shows processes. */
#ifndef ALLOCPATH_SORT_H
#define ALLOCPATH_SORT_H

#include "profile.h"

enum sort_key {
	SORT_DEFAULT, /* bytes; at depth kernel, which sees no requests, touched */
	SORT_BYTES,
	SORT_REQUESTS,
	SORT_FAILED,
	SORT_BRK, /* requests served that way; at depth kernel the system calls */
	SORT_MMAP,
	SORT_ARENA,
	SORT_REMAP,
	SORT_LIVE,
	SORT_GROWN,
	SORT_MAPPED,
	SORT_TOUCHED,
	SORT_FAULTS,
	SORT_PID,
	SORT_COMM,
	NR_SORT_KEYS,
};

struct sorted_process {
	__u64 value;
	const struct profile_process *process;
};

/* "?" for a value out of range. */
const char *sort_key__name(enum sort_key key);

/* false: there is no such key, and key is unchanged. */
bool sort_key__parse(const char *name, enum sort_key *key);

/* The key that SORT_DEFAULT stands for at a depth; any other key is itself. */
enum sort_key sort_key__resolve(enum sort_key key, enum probe_depth depth);

/*
 * All processes, the largest first (by pid and comm: the smallest). The caller frees the array,
 * which points into the profile and has room for one element more. NULL: no memory.
 */
struct sorted_process *profile__sorted(const struct profile *profile, enum sort_key key);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was followed of a process's threshold, in a profile: plain data, owned by its process. */
#ifndef ALLOCPATH_PROFILE_RULE_H
#define ALLOCPATH_PROFILE_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "rule.h"

/*
 * The threshold was moved by a free or mallopt, or pinned by the first other mallopt. Between its
 * begin and its end it lies somewhere from from to to; other moves may overlap.
 */
struct profile_move {
	__u64 t_ns; /* its begin since the start of the run */
	__u64 done_ns; /* its end; 0: that was not seen, nor the next two */
	__u64 low, high; /* after it the threshold lies here, inclusive; equal: known */
	__u64 from; /* bytes of chunk; 0: not known */
	__u64 to; /* the freed chunk's size, or what is set; of a pin as from */
	__u64 caller; /* return address of the call */
	char *place; /* "file+0xoffset" of it; NULL: not known */
	__u32 stack; /* of the call: index + 1 in the profile's; 0: none was kept */
	__u32 by; /* 0: a free; else what mallopt set, an enum rule_pin */
};

/* A request that made a kernel call, standing for weight of them. */
struct profile_point {
	__u64 t_ns; /* since the start of the run */
	__u64 size; /* bytes asked for */
	__u64 threshold; /* in force, 0: not known */
	__u32 weight;
	__u32 path; /* enum alloc_path */
};

struct profile_rule {
	struct rule followed;
	__u64 heap_peak; /* bytes between the lowest and the highest break of the run */
	bool is_glibc; /* the process entered a glibc, or maps one */
	bool is_read; /* the next four were read from the process at the end */
	__u64 read_threshold, read_trim_threshold;
	bool read_is_pinned;
	__u64 resident_anon; /* of the process at the end, bytes; 0: not known */
	struct profile_move *moves; /* the first MAX_RULE_MOVES */
	size_t nr_moves;
	struct profile_point *points; /* all of the first, then thinned: weight */
	size_t nr_points;
};

void profile_rule__free(struct profile_rule *rule); /* and the struct itself; NULL is fine */

/*
 * Adds from's counts to into's. Two processes have no threshold in common, so it is unknown then,
 * and moves and points stay into's.
 */
void profile_rule__add(struct profile_rule *into, const struct profile_rule *from);

/* Is the threshold known to the byte? */
bool profile_rule__is_known(const struct profile_rule *rule);

/* "M_TRIM_THRESHOLD" and so on; NULL: it is no such parameter, as by of a free's move. */
const char *rule_pin__parameter(__u32 pin);

#endif

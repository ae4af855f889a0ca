/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a profile says of one process's threshold: figures, a verdict in words, and what another
 * setting would spare. Pure arithmetic; it owns nothing.
 */
#ifndef ALLOCPATH_THRESHOLD_H
#define ALLOCPATH_THRESHOLD_H

#include "profile.h"

#define THRESHOLD_TEXT 256

struct threshold_advice {
	bool given;
	bool needs_full; /* much was zeroed anew, and only depth full tells in whose mappings */
	char setting[THRESHOLD_TEXT];
	__u64 calls, faults, bytes; /* of the measured time, that would not have been */
	__u64 holds; /* bytes that the process would keep instead of giving them back */
};

struct threshold {
	const struct profile_process *process;
	const struct profile_rule *rule; /* NULL: not followed */
	__u64 initial; /* the library's own, before anything moves it; 0: it has none */
	bool is_predicted; /* predicted and trim_threshold are known */
	__u64 predicted, trim_threshold;
	bool has_not_mapped, has_mapped;
	__u64 largest_not_mapped, smallest_mapped; /* requests, bytes */
	double mapped_per_s;
	__u64 refaulted_bytes; /* zeroed again where memory that was given back was touched anew */
	__u64 mapped_refaulted,
		heap_refaulted; /* of them in mappings of requests, in the break's heap */
	char verdict[THRESHOLD_TEXT];
	struct threshold_advice advice;
};

void threshold__of(struct threshold *threshold, const struct profile_process *process,
		   const struct profile *profile);

/* All of a profile, sorted by what could be saved; the caller frees. NULL: no memory. */
struct threshold *threshold__all(const struct profile *profile);

#endif

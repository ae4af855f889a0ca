/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stacks of a profile as locations of a pprof file. */
#ifndef ALLOCPATH_PPROF_STACKS_H
#define ALLOCPATH_PPROF_STACKS_H

#include "pprof.h"
#include "profile.h"
#include "stack_rows.h"
#include "symbols.h"

/* A place of code that has its location; of code of no file each process has its own. */
struct pprof_place {
	__u64 location; /* 0: a free place */
	__u64 offset;
	__u32 object, process;
};

struct pprof_stacks {
	struct pprof *pprof;
	const struct profile *profile;
	struct symbols *symbols; /* NULL: code is addresses */
	__u64 *mappings; /* ids, by the profile's objects */
	struct pprof_place *places; /* open addressing */
	size_t nr_places, room;
};

/*
 * Writes the mappings: one for each file, as if each lay at an address of its own, since a file has
 * a different one in every process. 0 or -ENOMEM; pprof_stacks__close is due in either case.
 */
int pprof_stacks__open(struct pprof_stacks *stacks, struct pprof *pprof,
		       const struct profile *profile, struct symbols *symbols);
void pprof_stacks__close(struct pprof_stacks *stacks);

/*
 * The locations of a row, the innermost first, at least two and at most PPROF_MAX_LOCATIONS. An
 * error stays with pprof.
 */
size_t pprof_stacks__locations(struct pprof_stacks *stacks, const struct profile_process *process,
			       const struct stack_row *row, __u64 *locations);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums and differences of what processes have by stack. */
#ifndef ALLOCPATH_PROFILE_SAMPLES_H
#define ALLOCPATH_PROFILE_SAMPLES_H

#include "profile.h"

/* Sorts a process's samples by stack, and makes rows that agree in all but their figures one. */
void profile_process__sort_samples(struct profile_process *process);

/* Makes room for nr more. 0 or -ENOMEM. */
int profile_process__reserve_samples(struct profile_process *process, size_t nr);

/* Adds from's samples, of the same profile, to into's, which has room for them. */
void profile_process__add_samples(struct profile_process *into, const struct profile_process *from);

/*
 * Where now has the stacks of an earlier profile of the same run: index + 1 by index + 1, 0 where
 * it has not. The caller's to free; NULL: no memory.
 */
__u32 *profile__match_stacks(const struct profile *now, const struct profile *before);

/* Takes before's samples off now's; rows without a change go. stacks: of profile__match_stacks. */
void profile_process__subtract_samples(struct profile_process *now,
				       const struct profile_process *before, const __u32 *stacks);

#endif

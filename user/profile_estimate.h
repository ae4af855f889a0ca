/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what windows counted to what a whole run had: requests of a profile with a budget become
 * estimates, in place, so that a view that knows nothing of budgets shows them too.
 */
#ifndef ALLOCPATH_PROFILE_ESTIMATE_H
#define ALLOCPATH_PROFILE_ESTIMATE_H

#include "profile.h"

/* Requests, paths, sizes and callers of a process. Done once for each; without windows nothing. */
void profile_process__estimate(struct profile_process *process);

/* All processes of a profile with a budget. */
void profile__estimate(struct profile *profile);

/*
 * A size class's share of a process's requests. ESTIMATE_EXACT without a budget; ESTIMATE_FEW where
 * there is no interval.
 */
struct estimate profile_process__share(const struct profile_process *process, __u32 size_class);

/* Takes the sums of an earlier profile of the run off, before anything is estimated. */
void profile_process__subtract_windows(struct profile_process *now,
				       const struct profile_process *before);
void profile_budget__subtract(struct profile_budget *now, const struct profile_budget *before);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From stacks and samples as the programs have them to those of a profile. */
#ifndef ALLOCPATH_PROFILE_STACKS_H
#define ALLOCPATH_PROFILE_STACKS_H

#include "collector.h"

/* The samples of a process in a snapshot; *nr may be 0. */
const struct sample_entry *snapshot__samples_of(const struct snapshot *snapshot, __u32 id,
						size_t *nr);

/* Gives a process its samples, whose stacks are still the programs' numbers. 0 or -ENOMEM. */
int profile_stacks__add(const struct snapshot *snapshot, struct profile_process *process);

/*
 * Gives the profile the objects, frames and stacks that its samples and moves name, and makes the
 * two name those. Once, when all processes are in it. 0 or -ENOMEM.
 */
int profile_stacks__resolve(const struct collector *collector, struct profile *profile);

#endif

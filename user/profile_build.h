/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a snapshot to a profile: names joined to numbers, size rows to their processes. */
#ifndef ALLOCPATH_PROFILE_BUILD_H
#define ALLOCPATH_PROFILE_BUILD_H

#include "collector.h"

/* The size rows of a process in a snapshot; *nr may be 0. */
const struct size_entry *snapshot__sizes_of(const struct snapshot *snapshot, __u32 id, size_t *nr);

/* Makes one process of a profile; the caller owns it. 0 or -ENOMEM. */
int profile_build__process(struct collector *collector, const struct snapshot *snapshot,
			   const struct process *process, struct profile_process *made);

/* Its threshold, where it was followed: into made->rule. 0 or -ENOMEM. */
int profile_build__rule(struct collector *collector, const struct process *process,
			struct profile_process *made);

/* Adds the processes of the host that did nothing, with what can be read of them. 0 or -ENOMEM. */
int profile_build__idle(struct collector *collector, struct profile *profile);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Callers of a process in a profile, and the files that they lie in. */
#ifndef ALLOCPATH_PROFILE_CALLS_H
#define ALLOCPATH_PROFILE_CALLS_H

#include "collector.h"

/* The callers of a process in a snapshot; *nr may be 0. */
const struct call_entry *snapshot__calls_of(const struct snapshot *snapshot, __u32 id, size_t *nr);

/*
 * Adds the callers of a process that is being made. While it runs they get their mappings, of one
 * that has exited they stay addresses. 0 or -ENOMEM; what was added is the process's.
 */
int profile_calls__add(const struct snapshot *snapshot, struct profile_process *process);

#endif

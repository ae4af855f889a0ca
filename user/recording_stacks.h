/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks, and what was taken of each, into a recording and out of it. */
#ifndef ALLOCPATH_RECORDING_STACKS_H
#define ALLOCPATH_RECORDING_STACKS_H

#include "pprof.h"
#include "profile.h"
#include "recording.pb-c.h"
#include "recording_parse.h"

/* The profile's objects and stacks, as parts of their own, before its processes. 0 or -ENOMEM. */
int recording_stacks__put(struct pprof *pprof, const struct profile *profile);

/* A process's samples; both arrays have room for all of them. */
void recording_stacks__fill_samples(Recording__Sample *samples, Recording__Sample **list,
				    const struct profile_process *process);

/* Untrusted: 0, -EINVAL or -ENOMEM. */
int recording_stacks__parse(struct recording_parse *parse, const Recording__Recording *part);
int recording_stacks__parse_samples(struct recording_parse *parse, const Recording__Process *from,
				    struct profile_process *process);

#endif

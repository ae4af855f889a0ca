/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the code in stacks, into a recording and out of it. */
#ifndef ALLOCPATH_RECORDING_CODE_H
#define ALLOCPATH_RECORDING_CODE_H

#include "pprof.h"
#include "profile.h"
#include "recording.pb-c.h"
#include "recording_parse.h"

struct symbols;

/* What is known by now, as parts of their own, behind the objects. symbols may be NULL. 0 or -ENOMEM. */
int recording_code__put(struct pprof *pprof, const struct profile *profile,
			struct symbols *symbols);

/* Untrusted: 0, -EINVAL or -ENOMEM. */
int recording_code__parse(struct recording_parse *parse, const Recording__Recording *part);

#endif

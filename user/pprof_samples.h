/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_PPROF_SAMPLES_H
#define ALLOCPATH_PPROF_SAMPLES_H

#include "pprof.h"
#include "profile.h"

struct symbols;

/*
 * The samples of a profile. What its depth does not measure has no type; the values of each type
 * sum to the exact total of every process, with a frame of its own for callers that were not kept.
 * With stacks each sample has the whole of one, scaled as stack_rows.h says; else two frames.
 */
void pprof_samples__write(struct pprof *pprof, const struct profile *profile,
			  struct symbols *symbols);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First touches by who asked for the memory, and what of the memory was never touched. Exact where
 * each request's stack was taken, else estimates, which a sampled block makes for those like it.
 */
#ifndef ALLOCPATH_STACK_ORIGINS_H
#define ALLOCPATH_STACK_ORIGINS_H

#include "stack_rows.h"

/* Are they in a profile? They need depth full, and stacks. */
bool stack_origins__has(const struct profile *profile);

/*
 * Rows of kind SAMPLE_ORIGIN, whose bytes add up to what the process touched first, and rows of
 * kind SAMPLE_FRESH, whose bytes were given out without having been touched, and were not since.
 * Counts are not filled in. The array is the caller's to free. 0 or -ENOMEM.
 */
int stack_origins__make(const struct profile_process *process, struct stack_row **rows, size_t *nr);

#endif

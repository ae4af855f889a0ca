/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reference allocator has beside malloc's family. A program that is not linked with it
 * can find these by dlsym(RTLD_DEFAULT, ...) and learns so whether it was preloaded.
 */
#ifndef ALLOCPATH_REFALLOC_H
#define ALLOCPATH_REFALLOC_H

#include "refalloc_ledger.h"

/* The live ledger, the allocator's own; NULL where it was built without or could not be mapped. */
const struct refalloc_ledger *refalloc_ledger(void);

/*
 * Sums up the ledger; total is the caller's. -ENOENT: there is none. Exact where no other thread
 * is inside the allocator, and otherwise as true as the counters of each were when they were read.
 */
int refalloc_ledger_read(struct refalloc_slot *total);

#endif

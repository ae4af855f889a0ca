/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of code that are the same in each file, and have no call frame information. */
#ifndef ALLOCPATH_UNWIND_KNOWN_H
#define ALLOCPATH_UNWIND_KNOWN_H

#include "unwind_spans.h"

/* Adds a span for each to the sorted ones, which are then no longer sorted. 0 or -ENOMEM. */
int unwind_known__fill(struct unwind_spans *spans, struct unwind_rules *rules);

#endif

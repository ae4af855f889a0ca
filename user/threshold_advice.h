/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What another threshold or trim threshold would have spared a process, and would hold back. */
#ifndef ALLOCPATH_THRESHOLD_ADVICE_H
#define ALLOCPATH_THRESHOLD_ADVICE_H

#include "threshold.h"

/* Gives threshold->advice, from all its other figures; none where next to nothing is to be spared. */
void threshold__advise(struct threshold *threshold, enum probe_depth depth);

#endif

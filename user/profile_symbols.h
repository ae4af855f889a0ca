/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_PROFILE_SYMBOLS_H
#define ALLOCPATH_PROFILE_SYMBOLS_H

#include "profile.h"
#include "symbols.h"

/*
 * Reads the files that callers lie in while their processes live, through the mapping itself: the
 * path may be another file's by now, or here. 0 or -ENOMEM.
 */
int profile_symbols__read(const struct profile *profile, struct symbols *symbols);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "allocpath ledger": what the reference allocator has counted itself, as text and as JSON. */
#ifndef ALLOCPATH_LEDGER_VIEW_H
#define ALLOCPATH_LEDGER_VIEW_H

#include "options.h"

/* options->ledger says which. The exit status; what went wrong is reported. */
int ledger_view__run(const struct options *options);

#endif

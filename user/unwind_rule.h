/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One row of call frame information as a rule that BPF follows. */
#ifndef ALLOCPATH_UNWIND_RULE_H
#define ALLOCPATH_UNWIND_RULE_H

#include "cfi.h"
#include "unwind.h"
#include "unwind_table.h"

/*
 * Equal ways to step give equal bytes. NR_UNWIND_REFUSALS: understood. Anything else: why the rule
 * is UNWIND_UNSUPPORTED.
 */
enum unwind_refusal unwind_rule__make(struct unwind_rule *rule, const struct cfi_machine *machine,
				      const struct cfi_row *row, bool is_signal);

#endif

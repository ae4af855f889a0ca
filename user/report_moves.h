/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moves of a process's threshold: when, from what to what, and by which free or mallopt. */
#ifndef ALLOCPATH_REPORT_MOVES_H
#define ALLOCPATH_REPORT_MOVES_H

#include <stdbool.h>
#include <stdio.h>

#include "json.h"
#include "profile.h"

struct symbols;

/* The first ones, with the functions that called it; verbose: all, and whole stacks. */
int report_moves__write(FILE *out, const struct profile *profile,
			const struct profile_process *process, unsigned int width, bool verbose,
			struct symbols *symbols);

/* The members "moves" and "nr_moves" of a process; is_followed false: it has none. */
int report_moves__write_json(struct json *json, const struct profile *profile,
			     const struct profile_process *process, bool is_followed,
			     struct symbols *symbols);

/* Has a process of the profile moves whose stacks want names? */
bool report_moves__want_symbols(const struct profile *profile);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the maps are made: what a run has no use for takes next to nothing. */
#ifndef ALLOCPATH_SESSION_BOUNDS_H
#define ALLOCPATH_SESSION_BOUNDS_H

#include <stdbool.h>

struct bpf_object;
struct options;

/* Is it told who asked for what is touched? */
bool session__keeps_origins(const struct options *options);

/* Are callers kept for such a run? At depth full their room goes to stacks, where these are taken. */
bool session__keeps_callers(const struct options *options);

/* Are thresholds followed? */
bool session__follows_rule(const struct options *options);

/* Before load. The sum stays below 256 MiB whatever the options (tests/unit/test_maps). */
void session__bound_maps(struct bpf_object *object, const struct options *options);

#endif

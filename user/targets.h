/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -p, -n, --cgroup, -a and a command mean: which processes are measured, which files probed. */
#ifndef ALLOCPATH_TARGETS_H
#define ALLOCPATH_TARGETS_H

#include <stdbool.h>

struct collector;
struct command;
struct options;

/* Refuses what cannot be measured, before anything is loaded. 0 or -errno, reported. */
int targets__check(const struct options *options);

/* Tells the session which processes are meant. 0 or -errno, reported. */
int targets__select(struct collector *collector, const struct options *options,
		    struct command *command);

/* Probes the files that the targets run from. 0 or -errno, reported. */
int targets__probe(struct collector *collector, const struct options *options,
		   struct command *command);

/* Do any of the processes of -p still run? true for every other target. */
bool targets__live(const struct options *options);

#endif

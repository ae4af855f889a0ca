/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moves of thresholds and judged requests, as the event ring told of them, by process number. */
#ifndef ALLOCPATH_RULE_LOG_H
#define ALLOCPATH_RULE_LOG_H

#include <stddef.h>

#include "rule.h"

/* A free or mallopt that moved or pinned the threshold, or may have. */
struct rule_log_move {
	struct rule_event begun;
	struct rule_event done; /* time_ns 0: that was not seen */
	char *place; /* of its caller: "file+0xoffset", NULL: not known */
};

struct rule_log_process {
	struct rule_log_move *moves;
	size_t nr_moves;
	struct rule_event *points;
	size_t nr_points;
};

struct rule_log {
	struct rule_log_process *processes; /* index is the process number */
	size_t room;
};

/* Takes in an event; tgid is its process's, 0: it has ended. 0 or -ENOMEM. */
int rule_log__add(struct rule_log *log, const struct rule_event *event, __u32 tgid);

/* NULL: nothing was told of it. */
const struct rule_log_process *rule_log__of(const struct rule_log *log, __u32 id);

/* Forgets a process that was folded away. */
void rule_log__forget(struct rule_log *log, __u32 id);

void rule_log__free(struct rule_log *log);

#endif

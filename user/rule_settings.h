/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an environment sets of glibc's malloc: MALLOC_..._ and GLIBC_TUNABLES, as glibc reads them. */
#ifndef ALLOCPATH_RULE_SETTINGS_H
#define ALLOCPATH_RULE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "rule.h"

/* glibc's own defaults, known and unpinned, of a process that was just exec'd. */
void rule_state__default(struct rule_state *state);

/*
 * The same with what an environment sets: length bytes, each variable ended by 0, in the order in
 * which the process has them. origin is RULE_ENVIRONMENT where one of the variables is there.
 */
void rule_state__from_environment(struct rule_state *state, const char *text, size_t length);

/* The same of a running process. 0 or -errno. */
int rule_state__of_process(struct rule_state *state, pid_t pid);

/*
 * The same of the calling process, which its command will inherit. false: none of the variables is
 * there, whatever they may say.
 */
bool rule_state__of_ourselves(struct rule_state *state);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger of the reference allocator, read from outside: from its file, or from a live process.
 * It is read and never mapped, so that a file that is cut short meanwhile is an error and no signal.
 */
#ifndef ALLOCPATH_LEDGER_FILE_H
#define ALLOCPATH_LEDGER_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "refalloc_ledger.h"

/* Slots are read one after another: of a process that runs, they are not of one moment. */
struct ledger_copy {
	struct refalloc_head head; /* checked, but for policy and what version holds */
	struct refalloc_slot total; /* sum of the slots */
	pid_t pid; /* as it was asked for; 0: read from a file */
	char comm[MAX_COMM]; /* of the live process; else "" */
};

/* 0 or -1, reported in one line. */
int ledger_copy__read_file(struct ledger_copy *copy, const char *path);
int ledger_copy__read_process(struct ledger_copy *copy, pid_t pid);

/* Blocks in use and their bytes as asked for. Never below 0, whatever the slots' moments give. */
__u64 ledger_copy__live_count(const struct ledger_copy *copy);
__u64 ledger_copy__live_bytes(const struct ledger_copy *copy);

#endif

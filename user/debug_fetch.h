/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debuginfod: files by build id from a server, where DEBUGINFOD_URLS names one. A child process asks,
 * since the library may wait where it cannot be interrupted. All of a run together takes no longer than a fixed time: a server that hangs or
 * trickles is left, and not asked again.
 */
#ifndef ALLOCPATH_DEBUG_FETCH_H
#define ALLOCPATH_DEBUG_FETCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum fetch_kind {
	FETCH_DEBUG, /* the debug file */
	FETCH_EXECUTABLE, /* the file itself */
};

struct debug_fetch;

/* Does DEBUGINFOD_URLS name a server? Is the library there? */
bool debug_fetch__is_wanted(void);
bool debug_fetch__is_there(void);

/*
 * NULL: DEBUGINFOD_URLS is not set, or no memory. total_ms is for all
 * that will be asked for; once *cancel is not 0 nothing is, NULL: never.
 */
struct debug_fetch *debug_fetch__open(unsigned int total_ms, const volatile sig_atomic_t *cancel);
void debug_fetch__close(struct debug_fetch *fetch);

/*
 * A file that has this build id, checked: a descriptor, the caller's to close. -ENOENT: the server
 * has none; -ESTALE: it gave another file; -ETIMEDOUT: time is up.
 */
int debug_fetch__get(struct debug_fetch *fetch, const char *build_id, enum fetch_kind kind);

/* Did it take longer than it may? */
bool debug_fetch__gave_up(const struct debug_fetch *fetch);

#endif

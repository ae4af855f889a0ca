/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals that end a run, or that tell of a child: flags, and a descriptor to wait on. */
#ifndef ALLOCPATH_SIGNALS_H
#define ALLOCPATH_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Catches SIGINT, SIGTERM, SIGHUP and SIGCHLD, and ignores SIGPIPE. Once. 0 or -errno. */
int signals__catch(void);

/* Was the run to end? */
bool signals__stopped(void);

/* Not 0 once a second signal has come, which ends the making of the report. */
const volatile sig_atomic_t *signals__again(void);

/* Readable from a signal on until signals__read(): one just before a wait does not get lost. */
int signals__fd(void);
void signals__read(void);

#endif

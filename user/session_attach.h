/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's events that the session stands on: which of them, their links, their end. */
#ifndef ALLOCPATH_SESSION_ATTACH_H
#define ALLOCPATH_SESSION_ATTACH_H

struct session;

/* After open, before load: asks the kernel what there is, and has the programs for it loaded. */
void session__choose_events(struct session *session);

void session__detach(struct session *session);

#endif

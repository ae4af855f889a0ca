/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that reads debug information for us, without privileges and with limits. */
#ifndef ALLOCPATH_LINE_WORKER_H
#define ALLOCPATH_LINE_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "line_message.h"

#define LINE_WORKER_MS 5000 /* for one answer, the reading of its file included */
#define LINE_WORKER_LIVES 3 /* how often it may be lost before it is not started again */

struct line_slot {
	const void *owner; /* NULL: free */
	__u64 used; /* when last */
};

struct line_worker {
	pid_t pid; /* 0: does not run */
	int socket;
	unsigned int lost;
	unsigned int timeout_ms;
	const volatile sig_atomic_t *cancel; /* or NULL */
	__u64 clock;
	struct line_slot slots[LINE_MAX_FILES];
};

/* Starts nothing yet. */
void line_worker__open(struct line_worker *worker, const volatile sig_atomic_t *cancel);
void line_worker__close(struct line_worker *worker);

/*
 * Asks for the frames of an address of a file, which has the DWARF; alt_fd is its dwz file or -1.
 * owner tells files apart. 0, and the answer is well-formed; -ETIMEDOUT or -EIO: the process was
 * lost over it, and the owner should not be asked for again; -ECANCELED; -EPIPE: it has been lost
 * too often.
 */
int line_worker__ask(struct line_worker *worker, const void *owner, int fd, int alt_fd,
		     __u64 address, struct line_answer *answer);

/* An owner is gone. */
void line_worker__forget(struct line_worker *worker, const void *owner);

#endif

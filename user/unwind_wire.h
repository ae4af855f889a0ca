/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the builder and its child say to each other: one message a packet, one descriptor with it. */
#ifndef ALLOCPATH_UNWIND_WIRE_H
#define ALLOCPATH_UNWIND_WIRE_H

#include <sys/types.h>

#include "unwind_table.h"

/* With the file. */
struct unwind_request {
	__u64 id;
};

/* With the table in sealed memory, unless there is an error. The first says only that it lives. */
struct unwind_reply {
	__u64 id;
	__s32 err;
	__u32 is_ready;
};

/* passed: -1 for none. -EAGAIN and other errors of sendmsg. */
int unwind_wire__send(int fd, const void *message, size_t size, int passed);
/*
 * 0 and a message of exactly this size; *passed is -1 or the caller's to close. -EPIPE: the other
 * side is gone. -EPROTO: another size. -EAGAIN and other errors of recvmsg.
 */
int unwind_wire__receive(int fd, void *message, size_t size, int *passed);

/* Writes a table into new sealed memory. */
int unwind_wire__write(const struct unwind_table *table, int *fd);
/*
 * Takes over a table that anyone may have written; the descriptor stays the caller's. -EPROTO: it
 * is not sealed, or something in it points out of it.
 */
int unwind_wire__map(int fd, struct unwind_table *table);

#endif

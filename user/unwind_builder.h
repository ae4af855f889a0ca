/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds unwind tables in a child process without privileges, of files that anyone may have
 * written. The child has no descriptors but the files and its results', may not use more than a
 * fixed time and memory for one file, and dies with us. What it hands back is checked as if it had
 * been taken over by the file: a wrong table can make stacks wrong, nothing else.
 *
 * Nothing here waits: submit, poll the descriptor, collect. Small files are built first.
 */
#ifndef ALLOCPATH_UNWIND_BUILDER_H
#define ALLOCPATH_UNWIND_BUILDER_H

#include <sys/types.h>

#include "unwind_table.h"

struct unwind_builder;

/* What became of a submitted file. */
struct unwind_result {
	__u64 id; /* as submitted */
	/*
	 * 0, or why there is no table: an error of unwind_table__build(), -ETIMEDOUT: it took
	 * longer than a file may, -ENOMEM, or -EIO: the child died of it.
	 */
	int err;
	struct unwind_table table; /* the receiver's to free; empty after an error */
};

int unwind_builder__open(struct unwind_builder **builder);

/* Other limits of a file than ten seconds of processor time and two minutes; looked at each second. */
void unwind_builder__set_limits(struct unwind_builder *builder, __u64 cpu_ns, __u64 wall_ns);
/* Ends the child; what was not collected is dropped. NULL is allowed. */
void unwind_builder__close(struct unwind_builder *builder);

/*
 * Queues a file under a number of the caller's. The descriptor is duplicated; the caller keeps his.
 * -ENOSPC: too many files wait; -EMFILE and the like: no descriptor.
 */
int unwind_builder__submit(struct unwind_builder *builder, __u64 id, int fd);
/* Readable (EPOLLIN) when collect() has something to do. Nested epoll: add it as it is. */
int unwind_builder__fd(const struct unwind_builder *builder);
/*
 * Drives the child and takes one finished table: 1, or 0 when there is none yet. Call it until it
 * says 0. -errno: no child can be started any more, nothing further will come.
 */
int unwind_builder__collect(struct unwind_builder *builder, struct unwind_result *result);
/* The child, which is no part of what is measured. 0: there is none. Another after a crash. */
pid_t unwind_builder__pid(const struct unwind_builder *builder);
/* Files that were submitted and not collected. */
size_t unwind_builder__pending(const struct unwind_builder *builder);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unwind tables of the files that processes map: opens a file as soon as it is mapped, has its
 * table built by a child without privileges, and puts it into the bounded maps of the programs,
 * where the least used make room for it.
 */
#ifndef ALLOCPATH_UNWINDER_H
#define ALLOCPATH_UNWINDER_H

#include <linux/types.h>

#include "session_stacks.h"
#include "unwind_room.h"
#include "unwind_table.h"

struct event;
struct session;
struct unwind_builder;

/* A file of code, by its number. */
struct code_file {
	char *path; /* NULL: it was gone before it could be looked at */
	char *build_id; /* hex; NULL: none */
	int fd; /* for the names of its functions, when it may be gone; 0: not kept */
	__u64 nr_rows, build_ns;
	size_t map_bytes;
	int error; /* why it has no table */
	__u64 retry_ns; /* evicted: not built again before that */
};

/* Figures for -v. */
struct unwinder_sums {
	size_t nr_files, nr_ready, nr_refused, nr_evicted;
	__u64 nr_rows, build_ns, map_bytes;
};

struct unwinder {
	struct session *session; /* NULL: no stacks are taken */
	struct stack_maps maps;
	struct unwind_rules rules;
	struct unwind_room room;
	struct unwind_builder *builder;
	struct code_file *files; /* MAX_UNWIND_FILES */
	__u64 clock; /* in steps of UNWINDER_TICK_NS */
	__u64 nr_evictions;
	size_t nr_kept; /* descriptors of files */
};

#define UNWINDER_TICK_NS 100000000ULL

/* 0 or -errno, reported. */
int unwinder__open(struct unwinder *unwinder, struct session *session);
void unwinder__close(struct unwinder *unwinder);

/* An event EVENT_MAPPING. */
void unwinder__learn(struct unwinder *unwinder, const struct event *event);

/* Has the table of a file built before anything maps it. Whatever fails will be tried again then. */
void unwinder__prepare(struct unwinder *unwinder, const char *path);

/* Readable when unwinder__work() has something to do. */
int unwinder__fd(const struct unwinder *unwinder);

/* Puts tables that are finished in their places, and goes on with the clock. */
void unwinder__work(struct unwinder *unwinder);

/* Waits until all tables that were asked for stand, at most so long. Returns how many do not. */
size_t unwinder__wait(struct unwinder *unwinder, int timeout_ms);

void unwinder__sum(const struct unwinder *unwinder, struct unwinder_sums *sums);

#endif

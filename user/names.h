/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel side cannot know of a process: its executable's path and its cgroup's. Learnt
 * when the number is given, since a short-lived process is gone at the end.
 */
#ifndef ALLOCPATH_NAMES_H
#define ALLOCPATH_NAMES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"

struct process_names {
	char *exe; /* NULL: could not be had */
	char *cgroup;
	__u32 tgid;
	bool known; /* an event told of it */
	bool ended;
};

struct names {
	struct process_names *processes; /* index is the process number */
	size_t room;
};

/* Takes in an event of a process. 0 or -ENOMEM. */
int names__learn(struct names *names, const struct event *event);

/* The names of a number, or NULL when nothing is known of it. */
struct process_names *names__of(struct names *names, __u32 id);

/* Executable of an event's process; the caller frees. NULL: it is gone, or no memory. */
char *event__exe(struct names *names, const struct event *event);

/* Forgets a number that was folded away. */
void names__forget(struct names *names, __u32 id);

void names__free(struct names *names);

/* Reads a process's executable and cgroup (v2, else memory); the caller frees. NULL: gone. */
char *proc__exe(__u32 pid);
char *proc__cgroup(__u32 pid);
/* Current name of a process into comm, MAX_COMM bytes. 0 or -errno, comm unchanged. */
int proc__comm(__u32 pid, char *comm);
/* File name of an allocator library that the process has mapped, other than glibc; or NULL. */
char *proc__foreign_allocator(__u32 pid);
/* Has it mapped glibc? */
bool proc__maps_glibc(__u32 pid);

#endif

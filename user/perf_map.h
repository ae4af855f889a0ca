/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Perf maps: what a virtual machine says of the code that it made, a line "START SIZE NAME" in hex
 * for each function, in /tmp/perf-PID.map of its own mount and process namespaces. A later line
 * wins over an earlier one: code moves and is thrown away.
 */
#ifndef ALLOCPATH_PERF_MAP_H
#define ALLOCPATH_PERF_MAP_H

#include <sys/types.h>

#include "text_symbols.h"

struct perf_map_owner {
	__u64 start_ns; /* CLOCK_BOOTTIME, down to a tick of /proc */
	unsigned int euid;
	unsigned int inner_pid; /* its number in the namespace that it is in */
};

/* 0, or -ENOENT: there is no such process. */
int perf_map__owner(pid_t pid, struct perf_map_owner *owner);

/*
 * Opens the map of a live process. A descriptor, good after the process's end; -ENOENT: there is
 * none; -EPERM: it is not the process's own nor root's, so anyone may have written it.
 */
int perf_map__open(pid_t pid);

/*
 * Opens the map that a process of our mount namespace, begun then and with this user, has left behind. A
 * descriptor; -ENOENT: there is none, or one from before; -EPERM as above.
 */
int perf_map__open_left(pid_t pid, uid_t euid, __u64 start_ns);

/*
 * Reads what the map says by now; lines of another form are passed over. What was in symbols before
 * is the caller's to free. 0, -ENOMEM, or -errno of reading; -EFBIG: symbols has what there was
 * room for.
 */
int perf_map__read(int fd, struct text_symbols *symbols);

#endif

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

/*
 * Opens the map of a live process. A descriptor, good after the process's end; -ENOENT: there is
 * none; -EPERM: it is not the process's own nor root's, so anyone may have written it.
 */
int perf_map__open(pid_t pid);

/*
 * Reads what the map says by now; lines of another form are passed over. What was in symbols before
 * is the caller's to free. 0, -ENOMEM, or -errno of reading; -EFBIG: symbols has what there was
 * room for.
 */
int perf_map__read(int fd, struct text_symbols *symbols);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Perf maps of processes, opened while they live and read when they are asked of. */
#ifndef ALLOCPATH_SYMBOL_MAPS_H
#define ALLOCPATH_SYMBOL_MAPS_H

#include <stdbool.h>
#include <sys/types.h>

#include "symbols.h"
#include "text_symbols.h"

struct symbol_map {
	struct symbol_process process;
	int fd;
	bool is_complete; /* nothing more is read: it is as large as it may get */
	__u64 next_ns; /* before then it is not read again, however it grows */
	__u64 size; /* of the file when it was read */
	struct text_symbols symbols;
};

struct symbol_maps {
	struct symbol_map maps[SYMBOLS_MAX_MAPS];
	size_t nr;
	__u64 bytes, max_bytes;
};

/*
 * Opens the map of a process that lives. A descriptor; -ESRCH: it has ended, and its number may be
 * another's since; else as perf_map__open.
 */
int symbol_process__open_map(const struct symbol_process *process);

/*
 * Keeps the map of a process, unless there is one: a duplicate of fd, or with -1 what the process has
 * now, if it lives.
 */
void symbol_maps__keep(struct symbol_maps *maps, const struct symbol_process *process, int fd);
/* The name of an address, which is read again where the map has grown; or NULL. */
const char *symbol_maps__name(struct symbol_maps *maps, const struct symbol_process *process,
			      __u64 address);
void symbol_maps__close(struct symbol_maps *maps);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Perf maps of processes that have code of no file, opened while they live: one that ends may take
 * its map with it, and that of another mount namespace is out of reach then.
 */
#ifndef ALLOCPATH_JIT_MAPS_H
#define ALLOCPATH_JIT_MAPS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "contract.h"
#include "symbols.h"

struct jit_map {
	struct symbol_process process;
	uid_t uid; /* effective, when it made the code */
	bool is_here; /* its mount namespace is ours */
	int fd; /* below 0: there was no map yet */
	__u64 next_ns; /* clock__now_ns of the next look for it */
	__u64 pause_ns;
};

struct jit_maps {
	struct jit_map maps[SYMBOLS_MAX_MAPS];
	size_t nr; /* at most SYMBOLS_MAX_MAPS: later ones are looked for at the end alone */
};

/* An event EVENT_JIT. */
void jit_maps__meet(struct jit_maps *maps, const struct event *event);

/* Looks for maps that have not come yet: where it is time to, or for all of them. */
void jit_maps__look(struct jit_maps *maps, bool all);

/* How long a wait of timeout_ms may last until the next look is due. */
int jit_maps__timeout_ms(const struct jit_maps *maps, int timeout_ms);

void jit_maps__close(struct jit_maps *maps);

#endif

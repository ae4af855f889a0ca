/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be set: by REFALLOC in the environment, read once, and by mallopt. Names and meanings
 * are those of glibc's mallopt where it has them; one differs: the top is trimmed when what would be
 * given back reaches the trim threshold, not when the top does, so that it does not go back and
 * forth with the top pad.
 */
#ifndef REFALLOC_CONFIG_H
#define REFALLOC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "refalloc_ledger.h"

#define MAX_ARENAS 256
#define DYNAMIC_MAX ((size_t)32 << 20) /* glibc's: a larger mapping does not move the threshold */

struct config {
	size_t policy; /* enum refalloc_policy */
	size_t threshold; /* requests from this size on get a mapping of their own */
	size_t dynamic; /* 1: a freed mapping raises the threshold to its own size, as in glibc */
	size_t top_pad; /* the break grows by this much more than asked, and keeps it when trimmed */
	size_t trim_threshold;
	size_t arenas; /* at most; a thread takes the one with the fewest threads */
	size_t cache; /* 1: threads keep freed blocks for themselves */
	size_t sample; /* mean bytes between two sampled requests */
	const char *ledger; /* a file's name, in the environment; NULL: none */
};

/* Threads read and write the thresholds without a lock. */
#define CONFIG_GET(field) __atomic_load_n(&config.field, __ATOMIC_RELAXED)
#define CONFIG_SET(field, value) __atomic_store_n(&config.field, value, __ATOMIC_RELAXED)

extern struct config config;

void config__read(void);

/* A freed mapping of this length: glibc's rule for the dynamic threshold. */
void config__freed_mapping(size_t length);

#endif

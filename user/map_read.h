/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a map of the kernel whole, in batches. */
#ifndef ALLOCPATH_MAP_READ_H
#define ALLOCPATH_MAP_READ_H

#include <stdbool.h>
#include <stddef.h>

/* A map that is read whole, and the array of its entries: a key each, and its value behind. */
struct map_read {
	int fd;
	size_t key_size, value_size;
	char *keys, *values; /* of a batch */
	char *entries;
	size_t nr;
	bool drain; /* what is read is deleted */
};

/* Sorted. The array of entries is the caller's to free; after an error there is none. */
int map_read__sorted(struct map_read *read, int (*compare)(const void *, const void *));

#endif

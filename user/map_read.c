/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map_read.h"

#define BATCH 4096

static int map_read__batches(struct map_read *read)
{
	size_t entry_size = read->key_size + read->value_size, room = 0;
	__u32 batch[4] = {}, *in = NULL; /* as long as the longest key: some kernels write one */
	int error = 0;

	while (!error) {
		__u32 count = BATCH;

		if (read->drain)
			error = bpf_map_lookup_and_delete_batch(read->fd, in, batch, read->keys,
								read->values, &count, NULL);
		else
			error = bpf_map_lookup_batch(read->fd, in, batch, read->keys, read->values,
						     &count, NULL);
		if (error && error != -ENOENT)
			return error;
		if (read->nr + count > room) {
			char *larger;

			room = 2 * (read->nr + count);
			larger = realloc(read->entries, room * entry_size);
			if (!larger)
				return -ENOMEM;
			read->entries = larger;
		}
		for (__u32 i = 0; i < count; i++) {
			char *entry = read->entries + read->nr++ * entry_size;

			memcpy(entry, read->keys + i * read->key_size, read->key_size);
			memcpy(entry + read->key_size, read->values + i * read->value_size,
			       read->value_size);
		}
		in = batch;
	}
	return 0;
}

int map_read__sorted(struct map_read *read, int (*compare)(const void *, const void *))
{
	int error = -ENOMEM;

	read->keys = calloc(BATCH, read->key_size);
	read->values = calloc(BATCH, read->value_size);
	if (read->keys && read->values)
		error = map_read__batches(read);
	free(read->keys);
	free(read->values);
	if (error) {
		free(read->entries);
		read->entries = NULL;
		read->nr = 0;
		return error;
	}
	if (read->nr)
		qsort(read->entries, read->nr, read->key_size + read->value_size, compare);
	return 0;
}

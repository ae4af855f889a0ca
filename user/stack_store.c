/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack_store.h"

/* Grows an array to hold at least as many. */
static int array__grow(void **array, size_t *room, size_t needed, size_t size)
{
	size_t larger = *room ? *room : 1024;
	char *grown;

	if (needed <= *room)
		return 0;
	while (larger < needed)
		larger *= 2;
	grown = realloc(*array, larger * size);
	if (!grown)
		return -ENOMEM;
	memset(grown + *room * size, 0, (larger - *room) * size);
	*array = grown;
	*room = larger;
	return 0;
}

int stack_store__add(struct stack_store *store, const void *data, size_t size)
{
	const struct stack_record *record = data;
	struct stored_stack *stored;
	int error;

	if (size < sizeof(*record) || !record->number || record->number > 2 * MAX_STACKS ||
	    record->nr_frames > MAX_STACK_FRAMES ||
	    size < sizeof(*record) + record->nr_frames * sizeof(__u64))
		return -EINVAL;
	if (store->nr_frames + record->nr_frames > STACK_STORE_MAX_FRAMES) {
		store->nr_dropped++;
		return 0;
	}
	error = array__grow((void **)&store->stacks, &store->room, record->number + 1,
			    sizeof(*store->stacks));
	if (!error)
		error = array__grow((void **)&store->frames, &store->frame_room,
				    store->nr_frames + record->nr_frames, sizeof(*store->frames));
	if (error)
		return error;
	stored = &store->stacks[record->number];
	stored->first_frame = (__u32)store->nr_frames;
	stored->nr_frames = record->nr_frames;
	stored->status = record->status;
	stored->known = 1;
	memcpy(store->frames + store->nr_frames, record + 1, record->nr_frames * sizeof(__u64));
	store->nr_frames += record->nr_frames;
	return 0;
}

const struct stored_stack *stack_store__find(const struct stack_store *store, __u32 number)
{
	if (number >= store->room || !store->stacks[number].known)
		return NULL;
	return &store->stacks[number];
}

void stack_store__free(struct stack_store *store)
{
	free(store->stacks);
	free(store->frames);
	memset(store, 0, sizeof(*store));
}

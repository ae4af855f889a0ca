/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stacks that came through the ring, by their numbers. */
#ifndef ALLOCPATH_STACK_STORE_H
#define ALLOCPATH_STACK_STORE_H

#include <linux/types.h>
#include <stddef.h>

#include "stack.h"

/* Frames that are kept, of all stacks: 48 MiB. What comes after is counted as dropped. */
#define STACK_STORE_MAX_FRAMES (6 << 20)

struct stored_stack {
	__u32 first_frame; /* in frames */
	__u16 nr_frames; /* 0: not come, or dropped */
	__u8 status;
	__u8 known;
};

struct stack_store {
	struct stored_stack *stacks; /* by number, from 1 */
	size_t room;
	__u64 *frames;
	size_t nr_frames, frame_room;
	__u64 nr_dropped;
};

/* Takes in a record of the ring. 0, also where it is dropped; -ENOMEM; -EINVAL: it is malformed. */
int stack_store__add(struct stack_store *store, const void *data, size_t size);

/* NULL: a stack of that number has not come, or was dropped. */
const struct stored_stack *stack_store__find(const struct stack_store *store, __u32 number);

void stack_store__free(struct stack_store *store);

#endif

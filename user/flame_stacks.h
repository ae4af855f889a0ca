/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the stacks of a profile to a tree of named functions. */
#ifndef ALLOCPATH_FLAME_STACKS_H
#define ALLOCPATH_FLAME_STACKS_H

#include "flame_tree.h"
#include "profile.h"
#include "stack_rows.h"
#include "symbols.h"

/* What the width of a frame is. */
enum flame_value {
	FLAME_BYTES, /* asked for */
	FLAME_COUNT, /* requests */
	FLAME_BRK, /* bytes by which the break was raised */
	FLAME_MMAP, /* bytes of anonymous mappings that were made */
	FLAME_FAULTS, /* page faults */
	FLAME_TOUCHED, /* bytes first touched, by who touched them */
	FLAME_TOUCHED_BY_ORIGIN, /* by who had asked for them */
	FLAME_NEVER_TOUCHED, /* bytes given out untouched that stayed so, by who asked for them */
	NR_FLAME_VALUES,
};

/* As --by has it, and as a title has it: "bytes asked for". */
const char *flame_value__name(enum flame_value value);
const char *flame_value__title(enum flame_value value);
bool flame_value__is_bytes(enum flame_value value);
enum sample_kind flame_value__kind(enum flame_value value);
__u64 flame_value__of(enum flame_value value, const struct stack_row *row);

/*
 * Takes a row and the node that its stack leads to, in place of the tree's own sums. Processes and
 * files then go by name alone, which is all that two recordings have in common. 0 or -ENOMEM.
 */
struct flame_sink {
	int (*take)(struct flame_sink *sink, __u32 node, const struct stack_row *row);
};

/* Does it need depth full? */
bool flame_value__is_of_origin(enum flame_value value);

struct flame_settings {
	struct flame_sink *sink; /* NULL: the tree itself */
	enum flame_value by;
	bool reverse; /* from the innermost function to its callers */
	bool keep_allocator; /* functions of the allocator itself too */
};

/*
 * Adds a process: its name, below that its stacks. The sum is the process's exact total. 0 or
 * -ENOMEM.
 */
int flame_stacks__add(struct flame_tree *tree, const struct profile *profile,
		      const struct profile_process *process, struct symbols *symbols,
		      const struct flame_settings *settings);

#endif

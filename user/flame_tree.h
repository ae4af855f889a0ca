/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks merged from the root on: a node is a function below its callers, with what came by it.
 * Node 0 is the root. Strings are the tree's own.
 */
#ifndef ALLOCPATH_FLAME_TREE_H
#define ALLOCPATH_FLAME_TREE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* What stands at a node; each different one is kept once. */
struct flame_frame {
	const char *name;
	const char *object; /* path of its file; NULL: none, as of a process or of what is lost */
	const char *source; /* "file.c:12" where it was first met; NULL: not known */
	bool is_note; /* "[truncated: ...]" and the like: no code */
};

struct flame_node {
	__u32 frame; /* number */
	__u32 parent;
	__u32 first_child, next_sibling; /* 0: none. Sorted by name once the tree is finished */
	__u32 depth; /* of the root 0 */
	__u64 self, total;
};

struct flame_tree {
	struct flame_frame *frames;
	size_t nr_frames, room_frames;
	struct flame_node *nodes;
	size_t nr_nodes, room_nodes;
	__u32 *frame_slots, *node_slots; /* hash tables of numbers + 1 */
	size_t nr_frame_slots, nr_node_slots;
	__u32 depth; /* of the deepest node */
};

/* With its root. 0 or -ENOMEM; free is due either way. */
int flame_tree__init(struct flame_tree *tree, const char *root);
void flame_tree__free(struct flame_tree *tree);

/* The number of a frame, given at first sight; strings are copied then. 0 or -ENOMEM. */
int flame_tree__frame(struct flame_tree *tree, const struct flame_frame *frame, __u32 *number);

/* The child of a node with that frame, made where there is none. 0 or -ENOMEM. */
int flame_tree__child(struct flame_tree *tree, __u32 node, __u32 frame, __u32 *child);

/* Adds to a node, and to all above it. */
void flame_tree__add(struct flame_tree *tree, __u32 node, __u64 value);

/* Puts children in the order of their names: the same profile gives the same picture. 0 or -ENOMEM. */
int flame_tree__finish(struct flame_tree *tree);

static inline const struct flame_frame *flame_tree__frame_of(const struct flame_tree *tree,
							     __u32 node)
{
	return &tree->frames[tree->nodes[node].frame];
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"

#define FIRST_SLOTS 1024

static __u64 hash__mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static __u64 hash__text(__u64 hash, const char *text)
{
	for (; text && *text; text++)
		hash = hash__mix(hash, (unsigned char)*text);
	return hash__mix(hash, text ? 256 : 257);
}

static __u64 frame__hash(const struct flame_frame *frame)
{
	return hash__text(hash__text(frame->is_note, frame->name), frame->object);
}

static __u64 node__hash(__u32 parent, __u32 frame)
{
	return hash__mix(hash__mix(1, parent), frame);
}

static bool text__equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Room for one more, in an array and in its table of slots, which stays half empty. */
static int grow(void **items, size_t size, size_t nr, size_t *room)
{
	size_t wanted = *room ? *room * 2 : FIRST_SLOTS / 2;
	void *grown;

	if (nr < *room)
		return 0;
	if (wanted > ~0U / 4)
		return -ENOMEM;
	grown = realloc(*items, wanted * size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*room = wanted;
	return 0;
}

static void slots__put(__u32 *slots, size_t nr_slots, __u64 hash, __u32 number)
{
	size_t at = hash & (nr_slots - 1);

	while (slots[at])
		at = (at + 1) & (nr_slots - 1);
	slots[at] = number + 1;
}

static int frame_slots__grow(struct flame_tree *tree)
{
	size_t nr_slots = tree->nr_frame_slots ? tree->nr_frame_slots * 2 : FIRST_SLOTS;
	__u32 *slots;

	if ((tree->nr_frames + 1) * 2 <= tree->nr_frame_slots)
		return 0;
	slots = calloc(nr_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < tree->nr_frames; i++)
		slots__put(slots, nr_slots, frame__hash(&tree->frames[i]), (__u32)i);
	free(tree->frame_slots);
	tree->frame_slots = slots;
	tree->nr_frame_slots = nr_slots;
	return 0;
}

static int node_slots__grow(struct flame_tree *tree)
{
	size_t nr_slots = tree->nr_node_slots ? tree->nr_node_slots * 2 : FIRST_SLOTS;
	__u32 *slots;

	if ((tree->nr_nodes + 1) * 2 <= tree->nr_node_slots)
		return 0;
	slots = calloc(nr_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < tree->nr_nodes; i++)
		slots__put(slots, nr_slots, node__hash(tree->nodes[i].parent, tree->nodes[i].frame),
			   (__u32)i);
	free(tree->node_slots);
	tree->node_slots = slots;
	tree->nr_node_slots = nr_slots;
	return 0;
}

static void frame__free(struct flame_frame *frame)
{
	free((char *)frame->name);
	free((char *)frame->object);
	free((char *)frame->source);
}

static int frame__copy(struct flame_frame *copy, const struct flame_frame *frame)
{
	*copy = (struct flame_frame){
		.name = strdup(frame->name),
		.object = frame->object ? strdup(frame->object) : NULL,
		.source = frame->source ? strdup(frame->source) : NULL,
		.is_note = frame->is_note,
	};
	if (copy->name && !copy->object == !frame->object && !copy->source == !frame->source)
		return 0;
	frame__free(copy);
	return -ENOMEM;
}

int flame_tree__frame(struct flame_tree *tree, const struct flame_frame *frame, __u32 *number)
{
	__u64 hash = frame__hash(frame);
	int error;

	error = frame_slots__grow(tree);
	if (error)
		return error;
	for (size_t at = hash & (tree->nr_frame_slots - 1); tree->frame_slots[at];
	     at = (at + 1) & (tree->nr_frame_slots - 1)) {
		const struct flame_frame *known = &tree->frames[tree->frame_slots[at] - 1];

		if (known->is_note == frame->is_note && text__equal(known->name, frame->name) &&
		    text__equal(known->object, frame->object)) {
			*number = tree->frame_slots[at] - 1;
			return 0;
		}
	}
	error = grow((void **)&tree->frames, sizeof(*tree->frames), tree->nr_frames,
		     &tree->room_frames);
	if (!error)
		error = frame__copy(&tree->frames[tree->nr_frames], frame);
	if (error)
		return error;
	*number = (__u32)tree->nr_frames++;
	slots__put(tree->frame_slots, tree->nr_frame_slots, hash, *number);
	return 0;
}

int flame_tree__child(struct flame_tree *tree, __u32 parent, __u32 frame, __u32 *child)
{
	__u64 hash = node__hash(parent, frame);
	struct flame_node *node;
	int error;

	error = node_slots__grow(tree);
	if (error)
		return error;
	for (size_t at = hash & (tree->nr_node_slots - 1); tree->node_slots[at];
	     at = (at + 1) & (tree->nr_node_slots - 1)) {
		__u32 number = tree->node_slots[at] - 1;

		if (number && tree->nodes[number].parent == parent &&
		    tree->nodes[number].frame == frame) {
			*child = number;
			return 0;
		}
	}
	error = grow((void **)&tree->nodes, sizeof(*tree->nodes), tree->nr_nodes,
		     &tree->room_nodes);
	if (error)
		return error;
	*child = (__u32)tree->nr_nodes++;
	node = &tree->nodes[*child];
	*node = (struct flame_node){
		.frame = frame,
		.parent = parent,
		.next_sibling = tree->nodes[parent].first_child,
		.depth = tree->nodes[parent].depth + 1,
	};
	tree->nodes[parent].first_child = *child;
	if (node->depth > tree->depth)
		tree->depth = node->depth;
	slots__put(tree->node_slots, tree->nr_node_slots, hash, *child);
	return 0;
}

void flame_tree__add(struct flame_tree *tree, __u32 node, __u64 value)
{
	tree->nodes[node].self += value;
	for (; node; node = tree->nodes[node].parent)
		tree->nodes[node].total += value;
	tree->nodes[0].total += value;
}

int flame_tree__init(struct flame_tree *tree, const char *root)
{
	struct flame_frame frame = { .name = root };
	__u32 number;
	int error;

	memset(tree, 0, sizeof(*tree));
	error = flame_tree__frame(tree, &frame, &number);
	if (!error)
		error = node_slots__grow(tree);
	if (!error)
		error = grow((void **)&tree->nodes, sizeof(*tree->nodes), 0, &tree->room_nodes);
	if (error)
		return error;
	tree->nodes[0] = (struct flame_node){ .frame = number };
	tree->nr_nodes = 1;
	return 0;
}

void flame_tree__free(struct flame_tree *tree)
{
	for (size_t i = 0; i < tree->nr_frames; i++)
		frame__free(&tree->frames[i]);
	free(tree->frames);
	free(tree->nodes);
	free(tree->frame_slots);
	free(tree->node_slots);
	memset(tree, 0, sizeof(*tree));
}

struct sorted_child {
	const struct flame_frame *frame;
	__u32 node;
};

static int sorted_child__compare(const void *left, const void *right)
{
	const struct sorted_child *a = left, *b = right;
	int order = strcmp(a->frame->name, b->frame->name);

	if (order)
		return order;
	return strcmp(a->frame->object ? a->frame->object : "",
		      b->frame->object ? b->frame->object : "");
}

int flame_tree__finish(struct flame_tree *tree)
{
	struct sorted_child *children = calloc(tree->nr_nodes, sizeof(*children));

	if (!children)
		return -ENOMEM;
	for (size_t i = 0; i < tree->nr_nodes; i++) {
		__u32 *link = &tree->nodes[i].first_child;
		size_t nr = 0;

		for (__u32 child = *link; child; child = tree->nodes[child].next_sibling)
			children[nr++] =
				(struct sorted_child){ flame_tree__frame_of(tree, child), child };
		qsort(children, nr, sizeof(*children), sorted_child__compare);
		for (size_t at = 0; at < nr; at++) {
			*link = children[at].node;
			link = &tree->nodes[children[at].node].next_sibling;
		}
		*link = 0;
	}
	free(children);
	return 0;
}

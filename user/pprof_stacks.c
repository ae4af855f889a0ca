/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_symbols.h"
#include "pprof_stacks.h"
#include "profile_symbols.h"
#include "report_stacks.h"

#define FIRST_ROOM 1024

/* Files lie so far apart; none has code beyond that. */
#define OBJECT_SHIFT 32
#define PAGE_MASK 4095ULL

static bool object__is_kernel(const struct profile_object *object)
{
	return !strcmp(object->path, KERNEL_OBJECT);
}

static bool object__is_mapped(const struct profile_object *object)
{
	return object->path[0] == '/' || !strcmp(object->path, "[vdso]") ||
	       object__is_kernel(object);
}

/* Of all its code: the kernel's has addresses already. */
static __u64 object__bias(const struct profile *profile, __u32 object)
{
	if (object__is_kernel(&profile->objects[object - 1]))
		return 0;
	return (__u64)object << OBJECT_SHIFT;
}

/* What is known of an object from all its frames. */
struct extent {
	__u64 start, end;
	bool named;
};

static int measure(struct pprof_stacks *stacks, struct extent *extents)
{
	const struct profile *profile = stacks->profile;
	/* Files are the same for all; code of no file is not asked for here. */
	const struct profile_process any = {};

	for (size_t i = 0; i < profile->nr_frames; i++) {
		const struct profile_frame *frame = &profile->frames[i];
		struct extent *extent;
		struct frame_names names;
		int error;

		if (!frame->object || frame->object > profile->nr_objects ||
		    !object__is_mapped(&profile->objects[frame->object - 1]))
			continue;
		extent = &extents[frame->object - 1];
		if (!extent->end || frame->offset < extent->start)
			extent->start = frame->offset;
		if (frame->offset >= extent->end)
			extent->end = frame->offset + 1;
		error = profile_symbols__find(stacks->symbols, profile, &any, frame, &names);
		if (error)
			return error;
		extent->named |= names.nr_frames && names.frames[names.nr_frames - 1].function;
	}
	return 0;
}

int pprof_stacks__open(struct pprof_stacks *stacks, struct pprof *pprof,
		       const struct profile *profile, struct symbols *symbols)
{
	struct extent *extents = calloc(profile->nr_objects + 1, sizeof(*extents));
	int error;

	*stacks = (struct pprof_stacks){ .pprof = pprof, .profile = profile, .symbols = symbols };
	stacks->mappings = calloc(profile->nr_objects + 1, sizeof(*stacks->mappings));
	error = extents && stacks->mappings ? measure(stacks, extents) : -ENOMEM;
	for (size_t i = 0; !error && i < profile->nr_objects; i++) {
		const struct profile_object *object = &profile->objects[i];
		struct profile_mapping mapping = {
			.start = object__bias(profile, (__u32)i + 1),
			.path = object->path,
			.build_id = object->build_id,
		};

		if (!extents[i].end)
			continue;
		mapping.limit = mapping.start + ((extents[i].end + PAGE_MASK) & ~PAGE_MASK);
		if (object__is_kernel(object))
			mapping.start = extents[i].start & ~PAGE_MASK;
		stacks->mappings[i] = pprof__mapping(pprof, &mapping, extents[i].named);
	}
	free(extents);
	return error;
}

void pprof_stacks__close(struct pprof_stacks *stacks)
{
	free(stacks->mappings);
	free(stacks->places);
}

static struct pprof_place *find_place(const struct pprof_stacks *stacks,
				      const struct pprof_place *wanted)
{
	__u64 hash = wanted->offset ^ (__u64)wanted->object << 40 ^ (__u64)wanted->process << 20;
	size_t mask = stacks->room - 1, at = hash * 0x9e3779b97f4a7c15ULL >> 32 & mask;

	while (stacks->places[at].location && (stacks->places[at].offset != wanted->offset ||
					       stacks->places[at].object != wanted->object ||
					       stacks->places[at].process != wanted->process))
		at = (at + 1) & mask;
	return &stacks->places[at];
}

static int grow(struct pprof_stacks *stacks)
{
	size_t old_room = stacks->room, room = old_room ? 2 * old_room : FIRST_ROOM;
	struct pprof_place *old = stacks->places, *more = calloc(room, sizeof(*more));

	if (!more)
		return -ENOMEM;
	stacks->places = more;
	stacks->room = room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i].location)
			*find_place(stacks, &old[i]) = old[i];
	free(old);
	return 0;
}

/* 0: no memory, which pprof remembers. */
static __u64 find_location(struct pprof_stacks *stacks, const struct profile_process *process,
			   const struct profile_frame *frame)
{
	struct pprof_place wanted = { .offset = frame->offset, .object = frame->object }, *place;
	struct frame_names names;
	__u64 mapping = 0, address = frame->offset;

	if (frame->object && frame->object <= stacks->profile->nr_objects)
		mapping = stacks->mappings[frame->object - 1];
	if (mapping)
		address += object__bias(stacks->profile, frame->object);
	else
		wanted.process = process->id;
	if (2 * stacks->nr_places >= stacks->room && grow(stacks)) {
		stacks->pprof->error = -ENOMEM;
		return 0;
	}
	place = find_place(stacks, &wanted);
	if (place->location)
		return place->location;
	if (profile_symbols__find(stacks->symbols, stacks->profile, process, frame, &names)) {
		stacks->pprof->error = -ENOMEM;
		return 0;
	}
	wanted.location =
		pprof__code(stacks->pprof, mapping, address, names.frames, names.nr_frames);
	*place = wanted;
	stacks->nr_places++;
	return wanted.location;
}

size_t pprof_stacks__locations(struct pprof_stacks *stacks, const struct profile_process *process,
			       const struct stack_row *row, __u64 *locations)
{
	const struct profile *profile = stacks->profile;
	const struct profile_stack *stack = NULL;
	char note[64];
	size_t nr = 0;

	if (row->stack && row->stack <= profile->nr_stacks)
		stack = &profile->stacks[row->stack - 1];
	if (!stack)
		locations[nr++] = pprof__name(stacks->pprof, row->stack ? "[stack not kept]" :
									  stack_row__why(row));
	for (__u32 i = 0; stack && i < stack->nr_frames && i < MAX_STACK_FRAMES; i++)
		locations[nr++] =
			find_location(stacks, process, &profile->frames[stack->first_frame + i]);
	if (stack && STACK_STATUS(stack->status) != STACK_COMPLETE) {
		snprintf(note, sizeof(note), "[truncated: %s]",
			 stack_status__name(STACK_STATUS(stack->status)));
		locations[nr++] = pprof__name(stacks->pprof, note);
	}
	/* go's pprof leaves out samples of one frame. */
	while (nr < 2)
		locations[nr++] = pprof__name(stacks->pprof, process->comm);
	return nr;
}

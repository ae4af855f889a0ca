/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_symbols.h"
#include "profile_samples.h"
#include "profile_stacks.h"

const struct sample_entry *snapshot__samples_of(const struct snapshot *snapshot, __u32 id,
						size_t *nr)
{
	size_t low = 0, high = snapshot->nr_samples, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snapshot->samples[middle].key.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < snapshot->nr_samples && snapshot->samples[end].key.id == id; end++)
		;
	*nr = end - low;
	return snapshot->samples + low;
}

int profile_stacks__add(const struct snapshot *snapshot, struct profile_process *process)
{
	const struct sample_entry *entries;
	size_t nr;

	entries = snapshot__samples_of(snapshot, process->id, &nr);
	process->samples = calloc(nr + 1, sizeof(*process->samples));
	if (!process->samples)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		const struct sample_key *key = &entries[i].key;
		const struct sample_row *row = &entries[i].row;

		process->samples[i] = (struct profile_sample){
			.stack = key->stack,
			.size_class = key->size_class,
			.path = key->path,
			.function = key->function,
			.kind = key->kind,
			.samples = row->samples,
			.count = (row->count + SAMPLE_COUNT_UNIT / 2) / SAMPLE_COUNT_UNIT,
			.bytes = row->bytes,
		};
	}
	process->nr_samples = nr;
	return 0;
}

/* What is renamed, by the old number: the new index + 1, 0 where it is not met yet. */
struct renaming {
	const struct collector *collector;
	struct profile *profile;
	__u32 *stacks;
	__u32 *objects; /* by number of the file of code */
	__u32 jit, kernel;
	size_t frame_room, stack_room;
};

static __u32 renaming__add_object(struct renaming *renaming, const char *path, const char *build_id,
				  int fd)
{
	struct profile *profile = renaming->profile;
	struct profile_object *objects, *object;

	objects = realloc(profile->objects, (profile->nr_objects + 1) * sizeof(*objects));
	if (!objects)
		return 0;
	profile->objects = objects;
	object = &objects[profile->nr_objects];
	object->path = strdup(path);
	object->fd = fd;
	object->build_id = build_id ? strdup(build_id) : NULL;
	if (!object->path || (build_id && !object->build_id)) {
		free(object->path);
		free(object->build_id);
		return 0;
	}
	return (__u32)++profile->nr_objects;
}

/* Two numbers of one file, as overlays give them, are one object. */
static __u32 renaming__find_object(const struct renaming *renaming, const struct code_file *file)
{
	const struct profile *profile = renaming->profile;

	for (size_t i = 0; i < profile->nr_objects; i++) {
		const struct profile_object *object = &profile->objects[i];

		if (!strcmp(object->path, file->path) && file->build_id && object->build_id &&
		    !strcmp(object->build_id, file->build_id))
			return (__u32)i + 1;
	}
	return 0;
}

static __u32 renaming__kernel(struct renaming *renaming)
{
	char *build_id;

	if (renaming->kernel)
		return renaming->kernel;
	build_id = kernel_symbols__build_id();
	renaming->kernel = renaming__add_object(renaming, KERNEL_OBJECT, build_id, 0);
	free(build_id);
	return renaming->kernel;
}

/* 0: no memory. */
static __u32 renaming__object(struct renaming *renaming, __u32 number)
{
	const struct code_file *file;
	__u32 object;

	if (number == UNWIND_ANONYMOUS) {
		if (!renaming->jit)
			renaming->jit = renaming__add_object(renaming, "[jit]", NULL, 0);
		return renaming->jit;
	}
	if (number == UNWIND_KERNEL)
		return renaming__kernel(renaming);
	if (number >= MAX_UNWIND_FILES)
		number = 0; /* of those that found no number */
	if (renaming->objects[number])
		return renaming->objects[number];
	file = &renaming->collector->unwinder.files[number];
	if (!number || !file->path) {
		object = renaming__add_object(renaming, "[unknown]", NULL, 0);
	} else {
		object = renaming__find_object(renaming, file);
		if (!object)
			object = renaming__add_object(renaming, file->path, file->build_id,
						      file->fd);
	}
	renaming->objects[number] = object;
	return object;
}

static int renaming__make_room(struct renaming *renaming, size_t nr_frames)
{
	struct profile *profile = renaming->profile;

	if (profile->nr_stacks == renaming->stack_room) {
		struct profile_stack *stacks;

		renaming->stack_room = renaming->stack_room ? 2 * renaming->stack_room : 256;
		stacks = realloc(profile->stacks, renaming->stack_room * sizeof(*stacks));
		if (!stacks)
			return -ENOMEM;
		profile->stacks = stacks;
	}
	if (profile->nr_frames + nr_frames > renaming->frame_room) {
		struct profile_frame *frames;

		renaming->frame_room = 2 * (profile->nr_frames + nr_frames);
		frames = realloc(profile->frames, renaming->frame_room * sizeof(*frames));
		if (!frames)
			return -ENOMEM;
		profile->frames = frames;
	}
	return 0;
}

/* Makes a number of the programs' an index + 1 of the profile's; what has not come is 0. */
static int renaming__stack(struct renaming *renaming, __u32 *number)
{
	const struct stack_store *store = &renaming->collector->stacks;
	const struct stored_stack *stored = stack_store__find(store, *number);
	struct profile *profile = renaming->profile;
	__u32 renamed;

	if (!stored) {
		*number = 0;
		return 0;
	}
	renamed = renaming->stacks[*number];
	if (renamed) {
		*number = renamed;
		return 0;
	}
	if (renaming__make_room(renaming, stored->nr_frames))
		return -ENOMEM;
	profile->stacks[profile->nr_stacks] = (struct profile_stack){
		.number = *number,
		.first_frame = (__u32)profile->nr_frames,
		.nr_frames = stored->nr_frames,
		.status = stored->status,
	};
	for (__u32 i = 0; i < stored->nr_frames; i++) {
		__u64 frame = store->frames[stored->first_frame + i];
		__u32 file = FRAME_FILE(frame), object = renaming__object(renaming, file);

		if (!object)
			return -ENOMEM;
		profile->frames[profile->nr_frames++] = (struct profile_frame){
			object,
			file == UNWIND_KERNEL ? FRAME_KERNEL_ADDRESS(frame) : FRAME_OFFSET(frame),
		};
	}
	renaming->stacks[*number] = (__u32)++profile->nr_stacks;
	*number = (__u32)profile->nr_stacks;
	return 0;
}

int profile_stacks__resolve(const struct collector *collector, struct profile *profile)
{
	struct renaming renaming = { .collector = collector, .profile = profile };
	int error = 0;

	renaming.stacks = calloc(collector->stacks.room + 1, sizeof(*renaming.stacks));
	renaming.objects = calloc(MAX_UNWIND_FILES, sizeof(*renaming.objects));
	if (!renaming.stacks || !renaming.objects)
		error = -ENOMEM;
	for (size_t i = 0; !error && i < profile->nr_processes; i++) {
		struct profile_process *process = &profile->processes[i];

		for (size_t j = 0; !error && j < process->nr_samples; j++)
			error = renaming__stack(&renaming, &process->samples[j].stack);
		for (size_t j = 0; !error && process->rule && j < process->rule->nr_moves; j++)
			error = renaming__stack(&renaming, &process->rule->moves[j].stack);
		/* What has not come is one stack now. */
		profile_process__sort_samples(process);
	}
	free(renaming.stacks);
	free(renaming.objects);
	return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile_symbols.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel_symbols.h"

/* NULL: the frame is of no file that is known. */
static const struct profile_object *find_object(const struct profile *profile,
						const struct profile_frame *frame)
{
	if (!frame->object || frame->object > profile->nr_objects)
		return NULL;
	return &profile->objects[frame->object - 1];
}

bool profile_symbols__is_kernel(const struct profile *profile, const struct profile_frame *frame)
{
	const struct profile_object *object = find_object(profile, frame);

	return object && !strcmp(object->path, KERNEL_OBJECT);
}

bool profile_symbols__is_jit(const struct profile *profile, const struct profile_frame *frame)
{
	const struct profile_object *object = find_object(profile, frame);

	return object && !strcmp(object->path, "[jit]");
}

/* true: the recording has names, with lines where they are wanted. */
static bool find_recorded(const struct profile *profile, const struct profile_process *process,
			  const struct profile_frame *frame, bool lines, struct frame_names *names)
{
	const struct profile_place *place, wanted = {
		.offset = frame->offset,
		.process = profile_symbols__is_jit(profile, frame) ? process->id : 0,
		.object = frame->object,
	};

	if (!profile->nr_places)
		return false;
	place = bsearch(&wanted, profile->places, profile->nr_places, sizeof(*place),
			profile_place__compare);
	if (!place)
		return false;
	names->frames = &profile->names[place->first_name];
	names->nr_frames = place->nr_names;
	if (lines)
		return names->frames[names->nr_frames - 1].file;
	names->frames += names->nr_frames;
	names->nr_frames = 1;
	return true;
}

int profile_symbols__find(struct symbols *symbols, const struct profile *profile,
			  const struct profile_process *process, const struct profile_frame *frame,
			  struct frame_names *names)
{
	const struct profile_object *object = find_object(profile, frame);
	const struct symbol_process code_of = { (pid_t)process->pid, process->start_ns };
	struct symbol_object wanted;
	struct frame_names recorded = { 0 };
	int error;

	*names = (struct frame_names){ 0 };
	if (!symbols || !object)
		return 0;
	/* The same address is other code in each of them. */
	if (process->members > 1 && profile_symbols__is_jit(profile, frame))
		return 0;
	if (find_recorded(profile, process, frame, symbols__wants_lines(symbols), &recorded) ||
	    (profile->is_recorded && profile_symbols__is_jit(profile, frame))) {
		*names = recorded;
		return 0;
	}
	if (profile_symbols__is_jit(profile, frame))
		return symbols__jit_frames(symbols, &code_of, frame->offset, &names->frames,
					   &names->nr_frames);
	wanted = (struct symbol_object){
		.path = object->path,
		.build_id = object->build_id,
		.fd = object->fd ? object->fd : -1,
	};
	error = symbols__frames(symbols, &wanted, frame->offset, &names->frames, &names->nr_frames);
	if (!error && recorded.nr_frames && !names->frames[names->nr_frames - 1].function)
		*names = recorded;
	return error;
}

void profile_symbols__place(const struct profile *profile, const struct profile_frame *frame,
			    char *text, size_t size)
{
	const struct profile_object *object = find_object(profile, frame);
	const struct symbol_object nameless = { .path = object ? object->path : NULL };
	size_t length;

	if (!object) {
		snprintf(text, size, "0x%llx", frame->offset);
		return;
	}
	symbols__nameless(&nameless, frame->offset, text, size);
	length = strlen(text);
	if (object->build_id && !profile_symbols__is_kernel(profile, frame))
		snprintf(text + length, size - length, " [%.12s]", object->build_id);
}

static int read_mapping(const struct profile_process *process,
			const struct profile_mapping *mapping, struct symbols *symbols)
{
	struct symbol_object object = {
		.path = mapping->path,
		.build_id = mapping->build_id,
		.fd = -1,
	};
	const struct symbol_process code_of = { (pid_t)process->pid, process->start_ns };
	char path[96];
	int error;

	/* Without a build id it could not be found again. */
	if (!mapping->build_id) {
		symbols__keep_map(symbols, &code_of, -1);
		return 0;
	}
	if (symbols__has_read(symbols, &object))
		return 0;
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", process->pid, mapping->start,
		 mapping->limit);
	object.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (object.fd < 0)
		return 0;
	error = symbols__read(symbols, &object);
	close(object.fd);
	return error;
}

int profile_symbols__read(const struct profile *profile, struct symbols *symbols)
{
	int error = 0;

	for (size_t i = 0; !error && i < profile->nr_processes; i++) {
		const struct profile_process *process = &profile->processes[i];

		for (size_t j = 0; !error && j < process->nr_mappings; j++)
			error = read_mapping(process, &process->mappings[j], symbols);
	}
	return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recording_stacks.h"

/* Of a part: so many frames stay far below what readers take at once. */
#define PART_STACKS 1024

static void put_object(struct pprof *pprof, const struct profile_object *from)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__Object object = RECORDING__OBJECT__INIT, *objects = &object;

	object.path.data = (unsigned char *)from->path;
	object.path.len = strlen(from->path);
	object.build_id.data = (unsigned char *)from->build_id;
	object.build_id.len = from->build_id ? strlen(from->build_id) : 0;
	recording.object = &objects;
	recording.n_object = 1;
	pprof__put_recording(pprof, &recording);
}

/* Frames of one part, in columns. */
struct columns {
	Recording__Stack stacks[PART_STACKS], *list[PART_STACKS];
	uint32_t *objects;
	uint64_t *offsets;
};

static int columns__put(struct columns *columns, struct pprof *pprof, const struct profile *profile,
			size_t first)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	size_t frames = 0;

	for (size_t i = first; i < profile->nr_stacks && i < first + PART_STACKS; i++)
		frames += profile->stacks[i].nr_frames;
	columns->objects = calloc(frames + 1, sizeof(*columns->objects));
	columns->offsets = calloc(frames + 1, sizeof(*columns->offsets));
	if (!columns->objects || !columns->offsets) {
		free(columns->objects);
		free(columns->offsets);
		return -ENOMEM;
	}
	frames = 0;
	recording.stack = columns->list;
	for (size_t i = first; i < profile->nr_stacks && i < first + PART_STACKS; i++) {
		const struct profile_stack *from = &profile->stacks[i];
		Recording__Stack *stack = &columns->stacks[recording.n_stack];

		recording__stack__init(stack);
		stack->status = from->status;
		stack->object = columns->objects + frames;
		stack->offset = columns->offsets + frames;
		stack->n_object = stack->n_offset = from->nr_frames;
		for (__u32 j = 0; j < from->nr_frames; j++, frames++) {
			columns->objects[frames] = profile->frames[from->first_frame + j].object;
			columns->offsets[frames] = profile->frames[from->first_frame + j].offset;
		}
		columns->list[recording.n_stack++] = stack;
	}
	pprof__put_recording(pprof, &recording);
	free(columns->objects);
	free(columns->offsets);
	return 0;
}

int recording_stacks__put(struct pprof *pprof, const struct profile *profile)
{
	Recording__SampleSums sums[NR_TAKEN_KINDS], *list[NR_TAKEN_KINDS];
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	struct columns *columns;
	int error = 0;

	if (!profile->has_stacks)
		return 0;
	columns = malloc(sizeof(*columns));
	if (!columns)
		return -ENOMEM;
	recording.has_stacks = true;
	recording.sample_bytes = profile->sample_bytes;
	for (int kind = 0; kind < NR_TAKEN_KINDS; kind++) {
		recording__sample_sums__init(&sums[kind]);
		sums[kind].kind = (__u32)kind;
		sums[kind].seen = profile->sums[kind].seen;
		sums[kind].taken = profile->sums[kind].taken;
		sums[kind].weights = profile->sums[kind].weights;
		sums[kind].variance = profile->sums[kind].variance;
		list[kind] = &sums[kind];
	}
	recording.sample_sums = list;
	recording.n_sample_sums = NR_TAKEN_KINDS;
	pprof__put_recording(pprof, &recording);
	for (size_t i = 0; i < profile->nr_objects; i++)
		put_object(pprof, &profile->objects[i]);
	for (size_t i = 0; !error && i < profile->nr_stacks; i += PART_STACKS)
		error = columns__put(columns, pprof, profile, i);
	free(columns);
	return error;
}

void recording_stacks__fill_samples(Recording__Sample *samples, Recording__Sample **list,
				    const struct profile_process *process)
{
	for (size_t i = 0; i < process->nr_samples; i++) {
		const struct profile_sample *from = &process->samples[i];
		Recording__Sample *into = list[i] = &samples[i];

		recording__sample__init(into);
		into->stack = from->stack;
		into->kind = from->kind;
		if (sample_kind__is_of_request(from->kind)) {
			into->min = size_class__min(from->size_class);
			into->path = from->path;
			into->function = from->function;
		}
		into->samples = from->samples;
		into->count = from->count;
		into->bytes = from->bytes;
	}
}

static int parse_object(struct recording_parse *parse, const Recording__Object *from)
{
	struct profile *profile = &parse->profile;
	struct profile_object *objects, *into;
	int error;

	objects = recording_parse__append(parse, profile->objects, profile->nr_objects,
					  sizeof(*objects));
	if (!objects)
		return -ENOMEM;
	profile->objects = objects;
	into = &objects[profile->nr_objects++];
	error = recording_parse__own_text(parse, &from->path, &into->path);
	return error ? error : recording_parse__text(parse, &from->build_id, &into->build_id);
}

static int parse_stack(struct recording_parse *parse, const Recording__Stack *from)
{
	struct profile *profile = &parse->profile;
	struct profile_frame *frames;
	struct profile_stack *stacks;

	/* A reason to end that is new to this reader is shown as "?". */
	if (from->n_object != from->n_offset || from->n_object > MAX_STACK_FRAMES ||
	    from->status > UINT8_MAX || profile->nr_stacks >= UINT32_MAX - 1)
		return -EINVAL;
	stacks = recording_parse__append(parse, profile->stacks, profile->nr_stacks,
					 sizeof(*stacks));
	if (!stacks)
		return -ENOMEM;
	profile->stacks = stacks;
	stacks[profile->nr_stacks++] = (struct profile_stack){
		.first_frame = (__u32)profile->nr_frames,
		.status = (__u8)from->status,
	};
	for (size_t i = 0; i < from->n_object; i++) {
		if (from->object[i] > profile->nr_objects)
			return -EINVAL;
		frames = recording_parse__append(parse, profile->frames, profile->nr_frames,
						 sizeof(*frames));
		if (!frames)
			return -ENOMEM;
		profile->frames = frames;
		frames[profile->nr_frames++] = (struct profile_frame){
			.object = from->object[i],
			.offset = from->offset[i],
		};
		stacks[profile->nr_stacks - 1].nr_frames++;
	}
	return 0;
}

int recording_stacks__parse(struct recording_parse *parse, const Recording__Recording *part)
{
	int error = 0;

	if (part->has_stacks) {
		parse->profile.has_stacks = true;
		parse->profile.sample_bytes = part->sample_bytes;
	}
	for (size_t i = 0; i < part->n_sample_sums; i++) {
		const Recording__SampleSums *from = part->sample_sums[i];

		if (from->kind < NR_TAKEN_KINDS)
			parse->profile.sums[from->kind] = (struct sample_sums){
				.seen = from->seen,
				.taken = from->taken,
				.weights = from->weights,
				.variance = from->variance,
			};
	}
	for (size_t i = 0; !error && i < part->n_object; i++)
		error = parse_object(parse, part->object[i]);
	for (size_t i = 0; !error && i < part->n_stack; i++)
		error = parse_stack(parse, part->stack[i]);
	return error;
}

/* 0: taken. 1: of a kind, path or function that is new to this reader: as if it had not been kept. */
static int parse_sample(struct recording_parse *parse, const Recording__Sample *from,
			struct profile_sample *into)
{
	int size_class;

	if (from->stack > parse->profile.nr_stacks)
		return -EINVAL;
	if (from->kind >= NR_SAMPLE_KINDS)
		return 1;
	*into = (struct profile_sample){
		.stack = from->stack,
		.kind = (__u8)from->kind,
		.samples = from->samples,
		.count = from->count,
		.bytes = from->bytes,
	};
	if (!sample_kind__is_of_request(into->kind))
		return 0;
	size_class = recording_parse__class(from->min);
	if (size_class < 0 || from->path >= parse->paths.nr ||
	    from->function >= parse->functions.nr)
		return -EINVAL;
	if (parse->paths.known[from->path] < 0 || parse->functions.known[from->function] < 0)
		return 1;
	into->size_class = (__u16)size_class;
	into->path = (__u8)parse->paths.known[from->path];
	into->function = (__u8)parse->functions.known[from->function];
	return 0;
}

int recording_stacks__parse_samples(struct recording_parse *parse, const Recording__Process *from,
				    struct profile_process *process)
{
	process->samples = recording_parse__room(parse, from->n_sample, sizeof(*process->samples));
	if (!process->samples)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_sample; i++) {
		int taken = parse_sample(parse, from->sample[i],
					 &process->samples[process->nr_samples]);

		if (taken < 0)
			return taken;
		process->nr_samples += !taken;
	}
	return 0;
}

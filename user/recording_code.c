/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recording_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile_symbols.h"
#include "string_table.h"

/* Of a part, which stays far below what readers take at once. */
#define PART_PLACES 4096
#define PART_NAMES 65536
#define PART_TEXT_BYTES (1U << 20)
#define MAX_PLACE_NAMES 64 /* inlined into each other */

struct places {
	struct profile_place *places;
	size_t nr, room;
};

static int places__add(struct places *places, __u32 process, const struct profile_frame *frame)
{
	if (places->nr == places->room) {
		size_t room = places->room ? 2 * places->room : 1024;
		struct profile_place *more = realloc(places->places, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		places->places = more;
		places->room = room;
	}
	places->places[places->nr++] = (struct profile_place){
		.offset = frame->offset,
		.object = frame->object,
		.process = process,
	};
	return 0;
}

/* Code of no file is each process's own: by its stacks, each once. */
static int places__add_process(struct places *places, const struct profile *profile,
			       const struct profile_process *process)
{
	bool *seen = calloc(profile->nr_stacks + 1, sizeof(*seen));
	int error = seen ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < process->nr_samples; i++) {
		__u32 number = process->samples[i].stack;
		const struct profile_stack *stack;

		if (!number || number > profile->nr_stacks || seen[number])
			continue;
		seen[number] = true;
		stack = &profile->stacks[number - 1];
		for (__u32 j = 0; !error && j < stack->nr_frames; j++) {
			const struct profile_frame *frame =
				&profile->frames[stack->first_frame + j];

			if (profile_symbols__is_jit(profile, frame))
				error = places__add(places, process->id, frame);
		}
	}
	free(seen);
	return error;
}

static int places__make(struct places *places, const struct profile *profile)
{
	bool has_jit = false;
	int error = 0;

	for (size_t i = 0; !error && i < profile->nr_frames; i++) {
		const struct profile_frame *frame = &profile->frames[i];

		if (profile_symbols__is_jit(profile, frame))
			has_jit = true;
		else if (frame->object && frame->object <= profile->nr_objects)
			error = places__add(places, 0, frame);
	}
	for (size_t i = 0; !error && has_jit && i < profile->nr_processes; i++)
		error = places__add_process(places, profile, &profile->processes[i]);
	if (!error && places->nr)
		qsort(places->places, places->nr, sizeof(*places->places), profile_place__compare);
	return error;
}

/* A part while it is filled. */
struct part {
	Recording__Code code;
	struct string_table texts;
	ProtobufCBinaryData text[2 * PART_NAMES];
	size_t nr_text, nr_texts_put; /* in this part; in those before */
	size_t text_bytes;
	uint32_t process[PART_PLACES], object[PART_PLACES], nr_names[PART_PLACES];
	uint64_t offset[PART_PLACES];
	uint32_t function[PART_NAMES], file[PART_NAMES], line[PART_NAMES];
};

static void part__begin(struct part *part)
{
	recording__code__init(&part->code);
	part->code.process = part->process;
	part->code.object = part->object;
	part->code.offset = part->offset;
	part->code.nr_names = part->nr_names;
	part->code.function = part->function;
	part->code.file = part->file;
	part->code.line = part->line;
	part->text_bytes = 0;
}

static void part__put(struct part *part, struct pprof *pprof)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;

	if (!part->code.n_process)
		return;
	/* The first text is the empty one: it stands for none. */
	recording.text = part->text;
	for (size_t i = part->nr_texts_put + 1; i < part->texts.nr; i++) {
		part->text[recording.n_text].data = (unsigned char *)part->texts.texts[i];
		part->text[recording.n_text++].len = strlen(part->texts.texts[i]);
	}
	part->nr_texts_put = part->texts.nr - 1;
	recording.code = &part->code;
	pprof__put_recording(pprof, &recording);
	part__begin(part);
}

static int part__text(struct part *part, const char *text, uint32_t *number)
{
	long got = string_table__number(&part->texts, text ? text : "");

	if (got < 0)
		return -ENOMEM;
	*number = (uint32_t)got;
	part->text_bytes += text ? strlen(text) : 0;
	return 0;
}

static int part__add(struct part *part, const struct profile_place *place,
		     const struct frame_names *names)
{
	size_t at = part->code.n_process;
	int error = 0;

	part->process[at] = place->process;
	part->object[at] = place->object;
	part->offset[at] = place->offset;
	part->nr_names[at] = (uint32_t)names->nr_frames;
	for (size_t i = 0; !error && i < names->nr_frames; i++) {
		size_t to = part->code.n_function + i;

		part->line[to] = names->frames[i].line;
		error = part__text(part, names->frames[i].function, &part->function[to]);
		if (!error)
			error = part__text(part, names->frames[i].file, &part->file[to]);
	}
	part->code.n_function += names->nr_frames;
	part->code.n_file = part->code.n_line = part->code.n_function;
	part->code.n_process++;
	part->code.n_object = part->code.n_offset = part->code.n_nr_names = part->code.n_process;
	return error;
}

static const struct profile_process *find_process(const struct profile *profile, __u32 id)
{
	for (size_t i = 0; i < profile->nr_processes; i++)
		if (profile->processes[i].id == id)
			return &profile->processes[i];
	return NULL;
}

static int put_places(struct part *part, struct pprof *pprof, const struct profile *profile,
		      const struct places *places, struct symbols *symbols)
{
	const struct profile_process any = { 0 }, *process = &any;
	int error = 0;

	for (size_t i = 0; !error && i < places->nr; i++) {
		const struct profile_place *place = &places->places[i];
		const struct profile_frame frame = { .object = place->object,
						     .offset = place->offset };
		struct frame_names names;

		if (i && !profile_place__compare(place, place - 1))
			continue;
		if (!i || place->process != place[-1].process)
			process = profile_symbols__is_jit(profile, &frame) ?
					  find_process(profile, place->process) :
					  &any;
		error = profile_symbols__find(symbols, profile, process, &frame, &names);
		if (error || !names.nr_frames || names.nr_frames > MAX_PLACE_NAMES ||
		    !names.frames[names.nr_frames - 1].function)
			continue;
		error = part__add(part, place, &names);
		if (part->code.n_process == PART_PLACES || part->text_bytes > PART_TEXT_BYTES ||
		    part->code.n_function > PART_NAMES - MAX_PLACE_NAMES)
			part__put(part, pprof);
	}
	if (!error)
		part__put(part, pprof);
	return error;
}

int recording_code__put(struct pprof *pprof, const struct profile *profile, struct symbols *symbols)
{
	struct places places = { 0 };
	struct part *part;
	int error;

	if (!symbols || !profile->has_stacks)
		return 0;
	part = calloc(1, sizeof(*part));
	if (!part)
		return -ENOMEM;
	part__begin(part);
	error = string_table__open(&part->texts);
	if (!error)
		error = places__make(&places, profile);
	if (!error)
		error = put_places(part, pprof, profile, &places, symbols);
	string_table__close(&part->texts);
	free(places.places);
	free(part);
	return error;
}

static int parse_text(struct recording_parse *parse, const ProtobufCBinaryData *from)
{
	struct profile *profile = &parse->profile;
	char **texts;
	int error;

	texts = recording_parse__append(parse, profile->texts, profile->nr_texts, sizeof(*texts));
	if (!texts)
		return -ENOMEM;
	profile->texts = texts;
	error = recording_parse__own_text(parse, from, &texts[profile->nr_texts++]);
	if (error)
		return error;
	for (char *at = texts[profile->nr_texts - 1]; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	return 0;
}

static int append_name(struct recording_parse *parse, const struct symbol_frame *name)
{
	struct profile *profile = &parse->profile;
	struct symbol_frame *names;

	names = recording_parse__append(parse, profile->names, profile->nr_names, sizeof(*names));
	if (!names)
		return -ENOMEM;
	profile->names = names;
	names[profile->nr_names++] = *name;
	return 0;
}

/* The names of a place, and behind them the one of its function without file and line. */
static int parse_names(struct recording_parse *parse, const Recording__Code *code, size_t first,
		       __u32 nr)
{
	const struct profile *profile = &parse->profile;
	struct symbol_frame name = { 0 };
	int error = 0;

	for (size_t i = first; !error && i < first + nr; i++) {
		if (code->function[i] > profile->nr_texts || code->file[i] > profile->nr_texts)
			return -EINVAL;
		name = (struct symbol_frame){ .line = code->line[i],
					      .inlined = i + 1 < first + nr };
		if (code->function[i])
			name.function = profile->texts[code->function[i] - 1];
		if (code->file[i])
			name.file = profile->texts[code->file[i] - 1];
		error = append_name(parse, &name);
	}
	name.file = NULL;
	name.line = 0;
	return error ? error : append_name(parse, &name);
}

static int parse_code(struct recording_parse *parse, const Recording__Code *code)
{
	struct profile *profile = &parse->profile;
	struct profile_place *places;
	size_t first = 0;
	int error = 0;

	if (code->n_object != code->n_process || code->n_offset != code->n_process ||
	    code->n_nr_names != code->n_process || code->n_file != code->n_function ||
	    code->n_line != code->n_function)
		return -EINVAL;
	for (size_t i = 0; !error && i < code->n_process; i++) {
		__u32 nr = code->nr_names[i];

		if (!nr || nr > MAX_PLACE_NAMES || nr > code->n_function - first ||
		    profile->nr_names > UINT32_MAX - MAX_PLACE_NAMES - 1)
			return -EINVAL;
		places = recording_parse__append(parse, profile->places, profile->nr_places,
						 sizeof(*places));
		if (!places)
			return -ENOMEM;
		profile->places = places;
		places[profile->nr_places] = (struct profile_place){
			.offset = code->offset[i],
			.process = code->process[i],
			.object = code->object[i],
			.first_name = (__u32)profile->nr_names,
			.nr_names = nr,
		};
		/* They are looked up by halves: out of order is not as we write them. */
		if (profile->nr_places && profile_place__compare(&places[profile->nr_places - 1],
								 &places[profile->nr_places]) >= 0)
			return -EINVAL;
		profile->nr_places++;
		error = parse_names(parse, code, first, nr);
		first += nr;
	}
	return error;
}

int recording_code__parse(struct recording_parse *parse, const Recording__Recording *part)
{
	int error = 0;

	for (size_t i = 0; !error && i < part->n_text; i++)
		error = parse_text(parse, &part->text[i]);
	return error || !part->code ? error : parse_code(parse, part->code);
}

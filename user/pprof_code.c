/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings, and locations of code in them with its functions and lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pprof.h"
#include "symbols.h"

#define FIRST_ROOM 256
#define MAX_LINES 64 /* inlined into each other at one location */

__u64 pprof__mapping(struct pprof *pprof, const struct profile_mapping *from, bool named)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	Pprof__Mapping mapping = PPROF__MAPPING__INIT, *mappings = &mapping;

	mapping.id = ++pprof->nr_mappings;
	mapping.memory_start = from->start;
	mapping.memory_limit = from->limit;
	mapping.file_offset = from->offset;
	mapping.filename = pprof__string(pprof, from->path);
	if (from->build_id)
		mapping.build_id = pprof__string(pprof, from->build_id);
	mapping.has_functions = named;
	mapping.has_filenames = named;
	mapping.has_line_numbers = named;
	mapping.has_inline_frames = named;
	part.mapping = &mappings;
	part.n_mapping = 1;
	pprof__put(pprof, &part);
	return mapping.id;
}

static struct pprof_function *find_place(const struct pprof *pprof, __s64 name, __s64 file)
{
	size_t mask = pprof->functions_room - 1;
	size_t at = (((__u64)name << 20) ^ (__u64)file) * 0x9e3779b97f4a7c15ULL >> 32 & mask;

	while (pprof->functions[at].id &&
	       (pprof->functions[at].name != name || pprof->functions[at].file != file))
		at = (at + 1) & mask;
	return &pprof->functions[at];
}

static int grow(struct pprof *pprof)
{
	size_t old_room = pprof->functions_room, room = old_room ? 2 * old_room : FIRST_ROOM, i;
	struct pprof_function *old = pprof->functions, *more = calloc(room, sizeof(*more));

	if (!more)
		return -ENOMEM;
	pprof->functions = more;
	pprof->functions_room = room;
	for (i = 0; i < old_room; i++)
		if (old[i].id)
			*find_place(pprof, old[i].name, old[i].file) = old[i];
	free(old);
	return 0;
}

/* The function of a frame, written where it is new. 0: no memory, which pprof remembers. */
static __u64 find_function(struct pprof *pprof, const struct symbol_frame *frame)
{
	Pprof__Function function = PPROF__FUNCTION__INIT, *functions = &function;
	Pprof__Profile part = PPROF__PROFILE__INIT;
	struct pprof_function *place;

	if (2 * pprof->nr_code_functions >= pprof->functions_room && grow(pprof)) {
		pprof->error = -ENOMEM;
		return 0;
	}
	function.name = pprof__string(pprof, frame->function ? frame->function : "?");
	function.filename = frame->file ? pprof__string(pprof, frame->file) : 0;
	place = find_place(pprof, function.name, function.filename);
	if (place->id)
		return place->id;
	function.id = ++pprof->nr_functions;
	function.system_name = function.name;
	part.function = &functions;
	part.n_function = 1;
	pprof__put(pprof, &part);
	*place = (struct pprof_function){
		.id = function.id,
		.name = function.name,
		.file = function.filename,
	};
	pprof->nr_code_functions++;
	return function.id;
}

__u64 pprof__code(struct pprof *pprof, __u64 mapping, __u64 address,
		  const struct symbol_frame *frames, size_t nr_frames)
{
	Pprof__Location location = PPROF__LOCATION__INIT, *locations = &location;
	Pprof__Line lines[MAX_LINES], *list[MAX_LINES];
	Pprof__Profile part = PPROF__PROFILE__INIT;
	size_t i;

	/* The function that the code is in counts: without its name there is none. */
	if (nr_frames > MAX_LINES || (nr_frames && !frames[nr_frames - 1].function))
		nr_frames = 0;
	for (i = 0; i < nr_frames; i++) {
		pprof__line__init(&lines[i]);
		lines[i].function_id = find_function(pprof, &frames[i]);
		lines[i].line = frames[i].line;
		list[i] = &lines[i];
	}
	location.id = ++pprof->nr_locations;
	location.mapping_id = mapping;
	location.address = address;
	location.line = list;
	location.n_line = nr_frames;
	part.location = &locations;
	part.n_location = 1;
	pprof__put(pprof, &part);
	return location.id;
}

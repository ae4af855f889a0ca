/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "line_reader.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "code_ranges.h"
#include "fd_message.h"

#define MAX_DEPTH 64 /* of scopes in each other */

/* A compilation unit. Its functions are listed when the first address in it is asked for. */
struct unit {
	Dwarf_Die die; /* has the line table */
	Dwarf_Die tree; /* has the functions: another one where DWARF is split */
	bool is_listed;
	struct code_ranges functions; /* names are indexes of dies */
	Dwarf_Die *dies;
	size_t nr_dies, room;
};

struct line_file {
	int fd, alt_fd;
	Dwarf *dwarf, *alt;
	struct code_ranges ranges; /* names are indexes of units */
	struct unit *units;
	size_t nr_units, room;
};

static void add_range(struct code_ranges *ranges, __u64 start, __u64 end, size_t name)
{
	struct code_range range = { .start = start, .name = (__u32)name };

	/* Code that was dropped in linking has stayed here at address 0. */
	if (!start || end <= start)
		return;
	range.size = end - start < ~0U ? (__u32)(end - start) : ~0U;
	code_ranges__add(ranges, &range);
}

static void add_ranges(struct code_ranges *ranges, Dwarf_Die *die, size_t name)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0)
		add_range(ranges, start, end, name);
}

static void *grow(void *array, size_t nr, size_t *room, size_t element)
{
	void *more;

	if (nr < *room)
		return array;
	more = realloc(array, (*room ? 2 * *room : 64) * element);
	if (more)
		*room = *room ? 2 * *room : 64;
	return more;
}

static void list_units(struct line_file *file)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	__u8 type;

	while (!dwarf_get_units(file->dwarf, cu, &cu, NULL, &type, &die, NULL)) {
		struct unit *more;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		more = grow(file->units, file->nr_units, &file->room, sizeof(*more));
		if (!more)
			break;
		file->units = more;
		add_ranges(&file->ranges, &die, file->nr_units);
		file->units[file->nr_units++] = (struct unit){ .die = die, .tree = die };
	}
	code_ranges__sort(&file->ranges);
}

struct line_file *line_file__open(int fd, int alt_fd)
{
	struct line_file *file = calloc(1, sizeof(*file));

	if (!file) {
		close(fd);
		if (alt_fd >= 0)
			close(alt_fd);
		return NULL;
	}
	file->fd = fd;
	file->alt_fd = alt_fd;
	file->dwarf = dwarf_begin(fd, DWARF_C_READ);
	if (!file->dwarf) {
		line_file__close(file);
		return NULL;
	}
	if (alt_fd >= 0)
		file->alt = dwarf_begin(alt_fd, DWARF_C_READ);
	if (file->alt)
		dwarf_setalt(file->dwarf, file->alt);
	list_units(file);
	return file;
}

void line_file__close(struct line_file *file)
{
	size_t i;

	if (!file)
		return;
	for (i = 0; i < file->nr_units; i++) {
		code_ranges__free(&file->units[i].functions);
		free(file->units[i].dies);
	}
	free(file->units);
	code_ranges__free(&file->ranges);
	dwarf_end(file->dwarf);
	dwarf_end(file->alt);
	close(file->fd);
	if (file->alt_fd >= 0)
		close(file->alt_fd);
	free(file);
}

static void list_function(struct unit *unit, Dwarf_Die *die)
{
	Dwarf_Die *more = grow(unit->dies, unit->nr_dies, &unit->room, sizeof(*more));

	if (!more)
		return;
	unit->dies = more;
	add_ranges(&unit->functions, die, unit->nr_dies);
	unit->dies[unit->nr_dies++] = *die;
}

/* Functions with code, wherever they are declared. */
static void list_functions(struct unit *unit, Dwarf_Die *parent, unsigned int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			list_function(unit, &die);
			/* Functions may lie in functions. */
			list_functions(unit, &die, depth + 1);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			list_functions(unit, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (!dwarf_siblingof(&die, &die));
}

static struct unit *find_unit(struct line_file *file, __u64 address)
{
	const struct code_range *range = code_ranges__find(&file->ranges, address);
	struct unit *unit;
	Dwarf_Die split;

	if (!range || !range->size)
		return NULL;
	unit = &file->units[range->name];
	if (unit->is_listed)
		return unit;
	unit->is_listed = true;
	if (!dwarf_cu_info(unit->die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) && split.addr)
		unit->tree = split;
	list_functions(unit, &unit->tree, 0);
	code_ranges__sort(&unit->functions);
	return unit;
}

/* The offset of a text in the answer; 0: none, or no room. */
static __u32 add_text(struct line_answer *answer, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	__u32 at = answer->text_size;

	if (!length || length >= sizeof(answer->text) - at)
		return 0;
	memcpy(answer->text + at, text, length + 1);
	answer->text_size += (__u32)length + 1;
	return at;
}

static const char *find_string(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static __u32 add_name(struct line_answer *answer, Dwarf_Die *die)
{
	const char *name = find_string(die, DW_AT_linkage_name);

	if (!name)
		name = find_string(die, DW_AT_MIPS_linkage_name);
	if (!name)
		name = find_string(die, DW_AT_name);
	return add_text(answer, name);
}

static __u64 find_number(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_formudata(dwarf_attr(die, name, &attribute), &value) ? 0 : value;
}

/* The inlined call at the address in a scope, one deeper. false: none. */
static bool find_inlined(Dwarf_Die *scope, __u64 address, Dwarf_Die *found, unsigned int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(scope, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&die, address) <= 0)
			continue;
		if (tag == DW_TAG_inlined_subroutine) {
			*found = die;
			return true;
		}
		if (find_inlined(&die, address, found, depth + 1))
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

/* Where the line table puts the address: in the innermost function. */
static void add_line(struct unit *unit, __u64 address, struct line_answer *answer,
		     struct line_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);
	int number = 0;

	if (!line)
		return;
	frame->file = add_text(answer, dwarf_linesrc(line, NULL, NULL));
	if (!dwarf_lineno(line, &number) && number > 0)
		frame->line = (__u32)number;
}

/* Where an inlined function was called: in the next frame. */
static void add_call(struct unit *unit, Dwarf_Die *call, struct line_answer *answer,
		     struct line_frame *frame)
{
	__u64 number = find_number(call, DW_AT_call_file);
	Dwarf_Files *files;
	size_t nr;

	if (!dwarf_getsrcfiles(&unit->die, &files, &nr) && number < nr)
		frame->file = add_text(answer, dwarf_filesrc(files, number, NULL, NULL));
	frame->line = (__u32)find_number(call, DW_AT_call_line);
}

void line_file__frames(struct line_file *file, __u64 address, struct line_answer *answer)
{
	const struct code_range *function;
	Dwarf_Die scopes[LINE_MAX_FRAMES]; /* outermost first */
	size_t nr = 0, i;
	struct unit *unit;

	answer->nr_frames = 0;
	answer->text[0] = '\0';
	answer->text_size = 1;
	unit = find_unit(file, address);
	if (!unit)
		return;
	function = code_ranges__find(&unit->functions, address);
	if (function && function->size) {
		scopes[nr++] = unit->dies[function->name];
		while (nr < LINE_MAX_FRAMES &&
		       find_inlined(&scopes[nr - 1], address, &scopes[nr], 0))
			nr++;
	}
	for (i = 0; i < nr; i++) {
		struct line_frame *frame = &answer->frames[i];

		*frame = (struct line_frame){ .function = add_name(answer, &scopes[nr - 1 - i]) };
		if (i)
			add_call(unit, &scopes[nr - i], answer, frame);
		else
			add_line(unit, address, answer, frame);
	}
	if (!nr) {
		answer->frames[0] = (struct line_frame){ 0 };
		add_line(unit, address, answer, &answer->frames[0]);
		nr = answer->frames[0].file ? 1 : 0;
	}
	answer->nr_frames = (__u32)nr;
}

void line_reader__serve(int socket)
{
	static struct line_file *files[LINE_MAX_FILES];
	static struct line_answer answer;
	struct line_request request;
	int fds[FD_MESSAGE_MAX_FDS];

	while (fd_message__receive(socket, &request, sizeof(request), fds) == sizeof(request)) {
		struct line_file **file = &files[request.slot % LINE_MAX_FILES];

		if (request.operation == LINE_OPEN) {
			line_file__close(*file);
			*file = fds[0] < 0 ? NULL : line_file__open(fds[0], fds[1]);
			continue;
		}
		answer.nr_frames = 0;
		answer.text_size = 1;
		if (*file)
			line_file__frames(*file, request.address, &answer);
		if (fd_message__send(socket, &answer,
				     offsetof(struct line_answer, text) + answer.text_size, NULL,
				     0))
			break;
	}
}

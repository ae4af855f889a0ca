/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flame_stacks.h"
#include "kernel_symbols.h"
#include "profile_symbols.h"
#include "report_stacks.h"
#include "stack_origins.h"
#include "text.h"

#define JIT_FRAME "[jit]"

static const struct {
	const char *name, *title;
	enum sample_kind kind;
	bool is_bytes;
} values[NR_FLAME_VALUES] = {
	[FLAME_BYTES] = { "bytes", "bytes asked for", SAMPLE_REQUEST, true },
	[FLAME_COUNT] = { "count", "requests", SAMPLE_REQUEST, false },
	[FLAME_BRK] = { "brk", "bytes by which the break grew", SAMPLE_GROWN, true },
	[FLAME_MMAP] = { "mmap", "bytes of anonymous mappings", SAMPLE_MAPPED, true },
	[FLAME_FAULTS] = { "faults", "page faults", SAMPLE_FAULT, false },
	[FLAME_TOUCHED] = { "touched", "bytes first touched", SAMPLE_FAULT, true },
	[FLAME_TOUCHED_BY_ORIGIN] = { "touched-by-origin",
				      "bytes first touched, by who asked for them", SAMPLE_ORIGIN,
				      true },
	[FLAME_NEVER_TOUCHED] = { "never-touched", "bytes asked for and never touched",
				  SAMPLE_FRESH, true },
};

const char *flame_value__name(enum flame_value value)
{
	return value < NR_FLAME_VALUES ? values[value].name : "?";
}

const char *flame_value__title(enum flame_value value)
{
	return value < NR_FLAME_VALUES ? values[value].title : "?";
}

bool flame_value__is_bytes(enum flame_value value)
{
	return value < NR_FLAME_VALUES && values[value].is_bytes;
}

enum sample_kind flame_value__kind(enum flame_value value)
{
	return values[value].kind;
}

__u64 flame_value__of(enum flame_value value, const struct stack_row *row)
{
	return values[value].is_bytes ? row->bytes : row->count;
}

bool flame_value__is_of_origin(enum flame_value value)
{
	return value == FLAME_TOUCHED_BY_ORIGIN || value == FLAME_NEVER_TOUCHED;
}

/* The frames of one stack, the innermost first, as numbers of the tree. */
struct flame_path {
	__u32 *numbers;
	size_t nr, room;
};

struct flame_build {
	struct flame_tree *tree;
	const struct profile *profile;
	const struct profile_process *process;
	struct symbols *symbols;
	const struct flame_settings *settings;
	struct flame_path path;
};

static int path__push(struct flame_path *path, __u32 number)
{
	__u32 *numbers;

	if (path->nr == path->room) {
		size_t room = path->room ? path->room * 2 : 128;

		numbers = realloc(path->numbers, room * sizeof(*numbers));
		if (!numbers)
			return -ENOMEM;
		path->numbers = numbers;
		path->room = room;
	}
	path->numbers[path->nr++] = number;
	return 0;
}

static int build__push(struct flame_build *build, const struct flame_frame *frame)
{
	struct flame_frame plain = *frame;
	__u32 number;
	int error;

	if (build->settings->sink && plain.object)
		plain.object = text__base_name(plain.object);
	error = flame_tree__frame(build->tree, &plain, &number);
	return error ? error : path__push(&build->path, number);
}

static int build__push_note(struct flame_build *build, const char *note)
{
	const struct flame_frame frame = { .name = note, .is_note = true };

	return build__push(build, &frame);
}

/*
 * Functions through which a request reaches the kernel, or its allocator: of no interest to who
 * asks where memory goes.
 */
static bool name__is_allocator(const char *name)
{
	static const char *const names[] = {
		"malloc",
		"calloc",
		"realloc",
		"reallocarray",
		"memalign",
		"posix_memalign",
		"valloc",
		"pvalloc",
		"aligned_alloc",
		"mmap",
		"mmap64",
		"mremap",
		"sbrk",
		"brk",
		"munmap",
		"mprotect",
		"madvise",
		"mallocx",
		"rallocx",
		"xallocx",
		"malloc@plt",
		"calloc@plt",
		"realloc@plt",
		"mmap@plt",
		"__libc_malloc",
		"__libc_calloc",
		"__libc_realloc",
		"__libc_memalign",
		"__sbrk",
		"__brk",
		"__mmap",
		"sysmalloc",
		"_int_malloc",
		"_int_realloc",
		"_int_memalign",
		"__default_morecore",
		"__glibc_morecore",
		"new_heap",
		"grow_heap",
		"arena_get2",
		"tcache_init",
		"sysmalloc_mmap",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "operator new", 12);
}

/* The allocator that lies in a file, as "glibc 2.36"; NULL: none that was probed. */
static const char *object__allocator(const struct profile *profile,
				     const struct profile_object *object)
{
	for (size_t i = 0; i < profile->nr_files; i++) {
		const struct profile_file *file = &profile->files[i];

		if (file->build_id && object->build_id ? !strcmp(file->build_id, object->build_id) :
							 !strcmp(file->path, object->path))
			return file->allocator;
	}
	return NULL;
}

/* Is this innermost frame the allocator's? Where a file is nothing but one, by its file alone. */
static bool build__folds(const struct flame_build *build, const struct profile_object *object,
			 const char *name)
{
	const char *allocator = object__allocator(build->profile, object);
	bool is_libc = allocator &&
		       (!strncmp(allocator, "glibc", 5) || !strncmp(allocator, "musl", 4));

	if (name && name__is_allocator(name))
		return true;
	if (!allocator)
		return false;
	if (!is_libc && build->process->exe && strcmp(object->path, build->process->exe) != 0)
		return true;
	return !name && is_libc;
}

/* One place may be several frames: those inlined into it come first. */
static int build__push_code(struct flame_build *build, const struct profile_object *object,
			    const struct profile_frame *place, bool *folds)
{
	const struct symbol_object symbol_object = { .path = object->path };
	struct frame_names names;
	int error;

	error = profile_symbols__find(build->symbols, build->profile, build->process, place,
				      &names);
	for (size_t i = 0; !error && i < names.nr_frames; i++) {
		const struct symbol_frame *name = &names.frames[i];
		struct flame_frame frame = { .name = name->function, .object = object->path };
		char nameless[256], source[512];

		if (*folds && build__folds(build, object, frame.name))
			continue;
		*folds = false;
		if (!frame.name) {
			symbols__nameless(&symbol_object, place->offset, nameless,
					  sizeof(nameless));
			frame.name = nameless;
		}
		if (name->file) {
			snprintf(source, sizeof(source), "%s:%u", name->file, name->line);
			frame.source = source;
		}
		error = build__push(build, &frame);
	}
	return error;
}

/* Code of no file, as "[jit]". What has no name is one frame however much of it there is. */
static int build__push_fileless(struct flame_build *build, const struct profile_frame *place,
				const char *object)
{
	struct flame_frame frame = { .name = object, .object = object };
	struct frame_names names;
	__u32 number;
	int error;

	error = profile_symbols__find(build->symbols, build->profile, build->process, place,
				      &names);
	if (!error && names.nr_frames && names.frames[0].function)
		frame.name = names.frames[0].function;
	if (!error)
		error = flame_tree__frame(build->tree, &frame, &number);
	if (error)
		return error;
	if (frame.name == object && build->path.nr &&
	    build->path.numbers[build->path.nr - 1] == number)
		return 0;
	return path__push(&build->path, number);
}

static int build__push_frame(struct flame_build *build, const struct profile_frame *frame,
			     bool *folds)
{
	const struct profile *profile = build->profile;
	const struct profile_object *object;

	if (!frame->object || frame->object > profile->nr_objects)
		return build__push_fileless(build, frame, JIT_FRAME);
	object = &profile->objects[frame->object - 1];
	if (profile_symbols__is_jit(profile, frame))
		return build__push_fileless(build, frame, JIT_FRAME);
	if (profile_symbols__is_kernel(profile, frame))
		return build__push_fileless(build, frame, KERNEL_OBJECT);
	return build__push_code(build, object, frame, folds);
}

static int build__push_stack(struct flame_build *build, const struct stack_row *row)
{
	const struct profile *profile = build->profile;
	const struct profile_stack *stack;
	/* A fault may be anywhere: what lies in libc then is no allocator for that. */
	bool folds = !build->settings->keep_allocator && row->kind != SAMPLE_FAULT;
	char note[64];
	int error = 0;

	if (!row->stack || row->stack > profile->nr_stacks)
		return build__push_note(build,
					row->stack ? "[stack not kept]" : stack_row__why(row));
	stack = &profile->stacks[row->stack - 1];
	for (__u32 i = 0; !error && i < stack->nr_frames; i++)
		error = build__push_frame(build, &profile->frames[stack->first_frame + i], &folds);
	if (error || STACK_STATUS(stack->status) == STACK_COMPLETE)
		return error;
	snprintf(note, sizeof(note), "[truncated: %s]",
		 stack_status__name(STACK_STATUS(stack->status)));
	return build__push_note(build, note);
}

static int build__add_row(struct flame_build *build, const struct stack_row *row, __u32 process)
{
	const struct flame_path *path = &build->path;
	struct flame_sink *sink = build->settings->sink;
	__u64 value = flame_value__of(build->settings->by, row);
	__u32 node = process;
	int error;

	if (!value)
		return 0;
	build->path.nr = 0;
	error = build__push_stack(build, row);
	for (size_t i = 0; !error && i < path->nr; i++)
		error = flame_tree__child(
			build->tree, node,
			path->numbers[build->settings->reverse ? i : path->nr - 1 - i], &node);
	if (error)
		return error;
	if (sink)
		return sink->take(sink, node, row);
	flame_tree__add(build->tree, node, value);
	return 0;
}

int flame_stacks__add(struct flame_tree *tree, const struct profile *profile,
		      const struct profile_process *process, struct symbols *symbols,
		      const struct flame_settings *settings)
{
	struct flame_build build = {
		.tree = tree,
		.profile = profile,
		.process = process,
		.symbols = symbols,
		.settings = settings,
	};
	struct flame_frame name = { .name = "" };
	struct stack_row *rows;
	__u32 frame, node = 0;
	char text[64];
	size_t nr;
	int error;

	error = flame_value__is_of_origin(settings->by) ? stack_origins__make(process, &rows, &nr) :
							  stack_rows__make(process, &rows, &nr);
	if (error)
		return error;
	if (settings->sink)
		snprintf(text, sizeof(text), "%s", process->comm);
	else if (process->members > 1)
		snprintf(text, sizeof(text), "%s (%u processes)", process->comm, process->members);
	else
		snprintf(text, sizeof(text), "%s (%u)", process->comm, process->pid);
	name.name = text;
	for (size_t i = 0; !error && i < nr; i++) {
		if (rows[i].kind != values[settings->by].kind)
			continue;
		if (!node)
			error = flame_tree__frame(tree, &name, &frame);
		if (!node && !error)
			error = flame_tree__child(tree, 0, frame, &node);
		if (!error)
			error = build__add_row(&build, &rows[i], node);
	}
	free(rows);
	free(build.path.numbers);
	return error;
}

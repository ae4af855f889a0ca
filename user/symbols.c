/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demangle.h"
#include "regular_file.h"
#include "symbol_file.h"
#include "symbol_results.h"

#define MAX_OPEN 128 /* files at a time, each with a few descriptors */
#define MAX_DEMANGLED 4096

/* A file that was asked for. */
struct object {
	struct symbol_file *file; /* NULL: not read yet, given up for room, or nothing to read */
	char *build_id; /* of the file that was read, or that was wanted */
	bool seen; /* counted */
	bool hopeless; /* there is nothing to read, and there will not be */
	__u64 used; /* when last */
};

struct symbols {
	struct symbols_options options;
	struct symbols_stats stats;
	struct string_table keys; /* what tells objects apart; numbers are those of objects */
	struct object *objects;
	size_t room;
	size_t nr_open;
	__u64 table_bytes;
	__u64 clock;
	struct symbol_results results;
};

struct symbols *symbols__open(const struct symbols_options *options)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	if (options)
		symbols->options = *options;
	if (!symbols->options.max_bytes)
		symbols->options.max_bytes = SYMBOLS_MAX_BYTES;
	if (!symbols->options.fetch_ms)
		symbols->options.fetch_ms = SYMBOLS_FETCH_MS;
	if (string_table__open(&symbols->keys) ||
	    symbol_results__open(&symbols->results, symbols->options.max_bytes / 3)) {
		symbols__close(symbols);
		return NULL;
	}
	return symbols;
}

static void release_file(struct symbols *symbols, struct object *object)
{
	if (!object->file)
		return;
	symbols->table_bytes -= symbol_table__bytes(&object->file->table);
	symbols->nr_open--;
	symbol_file__close(object->file);
	free(object->file);
	object->file = NULL;
}

void symbols__close(struct symbols *symbols)
{
	size_t i;

	if (!symbols)
		return;
	for (i = 0; i < symbols->room; i++) {
		release_file(symbols, &symbols->objects[i]);
		free(symbols->objects[i].build_id);
	}
	free(symbols->objects);
	string_table__close(&symbols->keys);
	symbol_results__close(&symbols->results);
	free(symbols);
}

static bool is_cancelled(const struct symbols *symbols)
{
	return symbols->options.cancel && *symbols->options.cancel;
}

/* The number of an object, which is new at its first sight. -ENOMEM. */
static long find_object(struct symbols *symbols, const struct symbol_object *wanted)
{
	char key[4200];
	struct stat status;
	long number;

	if (wanted->build_id && *wanted->build_id)
		snprintf(key, sizeof(key), "build-id %s", wanted->build_id);
	else if (wanted->fd >= 0 && !fstat(wanted->fd, &status))
		snprintf(key, sizeof(key), "file %llx:%llx %lld %lld.%09ld",
			 (unsigned long long)status.st_dev, (unsigned long long)status.st_ino,
			 (long long)status.st_size, (long long)status.st_mtim.tv_sec,
			 status.st_mtim.tv_nsec);
	else
		snprintf(key, sizeof(key), "%s %s", wanted->by_path ? "path" : "unknown",
			 wanted->path ? wanted->path : "");
	number = string_table__number(&symbols->keys, key);
	if (number >= 0 && (size_t)number >= symbols->room) {
		size_t room = symbols->room ? 2 * symbols->room : 64;
		struct object *more = realloc(symbols->objects, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + symbols->room, 0, (room - symbols->room) * sizeof(*more));
		symbols->objects = more;
		symbols->room = room;
	}
	return number;
}

/* Makes room for one more file: those that were used longest ago are read again when needed. */
static void make_room(struct symbols *symbols)
{
	while (symbols->nr_open >= MAX_OPEN ||
	       (symbols->nr_open && symbols->table_bytes > symbols->options.max_bytes / 3)) {
		struct object *oldest = NULL;
		size_t i;

		for (i = 0; i < symbols->room; i++) {
			struct object *object = &symbols->objects[i];

			if (object->file && (!oldest || object->used < oldest->used))
				oldest = object;
		}
		if (!oldest)
			break;
		release_file(symbols, oldest);
	}
}

/* A descriptor of the file, to be closed; or -1. */
static int open_object(const struct symbol_object *wanted)
{
	if (wanted->fd >= 0)
		return fcntl(wanted->fd, F_DUPFD_CLOEXEC, 3);
	if (!wanted->path || wanted->path[0] != '/' || (!wanted->build_id && !wanted->by_path))
		return -1;
	return regular_file__open(wanted->path);
}

static int read_file(struct symbols *symbols, const struct symbol_object *wanted,
		     struct object *object)
{
	struct symbol_file *file;
	int fd, err;

	make_room(symbols);
	fd = open_object(wanted);
	if (fd < 0)
		return -ENOENT;
	file = malloc(sizeof(*file));
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	err = symbol_file__open(file, fd, wanted->build_id);
	if (err) {
		free(file);
		return err;
	}
	object->file = file;
	symbols->nr_open++;
	symbols->table_bytes += symbol_table__bytes(&file->table);
	return 0;
}

static int prepare_object(struct symbols *symbols, const struct symbol_object *wanted,
			  struct object *object)
{
	const char *build_id = wanted->build_id;
	int err;

	object->used = ++symbols->clock;
	if (object->file || object->hopeless)
		return 0;
	err = read_file(symbols, wanted, object);
	if (err == -ENOMEM)
		return err;
	object->hopeless = err != 0;
	if (!object->seen) {
		object->seen = true;
		if (err)
			symbols->stats.files_refused++;
		else
			symbols->stats.files++;
		if (!err && !object->file->table.ranges.nr)
			symbols->stats.files_unnamed++;
		if (!err)
			build_id = object->file->build_id;
		if (build_id && !object->build_id)
			object->build_id = strdup(build_id);
	}
	return 0;
}

/* The name as it is shown. NULL: no memory. */
static const char *keep_name(struct symbols *symbols, char *name)
{
	char text[MAX_DEMANGLED + sizeof("@plt")];
	char *suffix = strrchr(name, '@');
	const char *shown = name;

	if (suffix)
		*suffix = '\0';
	if (demangle(name, text, MAX_DEMANGLED))
		shown = text;
	if (suffix)
		*suffix = '@';
	if (suffix && shown == text)
		memcpy(text + strlen(text), "@plt", sizeof("@plt"));
	return symbol_results__text(&symbols->results, shown);
}

static void find_frames(struct symbols *symbols, struct object *object, __u64 offset,
			struct symbol_frame *frames, size_t *nr_frames)
{
	char name[SYMBOL_MAX_NAME];
	__u64 before;

	*nr_frames = 1;
	frames[0] = (struct symbol_frame){ 0 };
	if (!object->file)
		return;
	before = symbol_table__bytes(&object->file->table);
	if (symbol_table__name(&object->file->table, offset, name))
		frames[0].function = keep_name(symbols, name);
	symbols->table_bytes += symbol_table__bytes(&object->file->table) - before;
}

int symbols__frames(struct symbols *symbols, const struct symbol_object *wanted, __u64 offset,
		    const struct symbol_frame **frames, size_t *nr_frames)
{
	static const struct symbol_frame nameless;
	struct symbol_frame found[SYMBOL_RESULTS_MAX_FRAMES];
	long number = find_object(symbols, wanted);
	const struct symbol_result *result;
	size_t nr;
	int err;

	if (number < 0)
		return -ENOMEM;
	*frames = &nameless;
	*nr_frames = 1;
	result = symbol_results__find(&symbols->results, (__u32)number, offset);
	if (!result && !is_cancelled(symbols)) {
		err = prepare_object(symbols, wanted, &symbols->objects[number]);
		if (err)
			return err;
		find_frames(symbols, &symbols->objects[number], offset, found, &nr);
		err = symbol_results__keep(&symbols->results, (__u32)number, offset, found, nr);
		if (err == -ENOMEM)
			return err;
		symbols->stats.frames++;
		if (err)
			symbols->stats.frames_not_kept++;
		else if (found[0].function)
			symbols->stats.frames_named++;
		result = symbol_results__find(&symbols->results, (__u32)number, offset);
	}
	if (result) {
		*frames = result->frames;
		*nr_frames = result->nr_frames;
	}
	return 0;
}

void symbols__nameless(const struct symbol_object *object, __u64 offset, char *text, size_t size)
{
	const char *path = object->path && *object->path ? object->path : "[unknown]";
	const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;

	snprintf(text, size, "%s+0x%llx", slash ? slash + 1 : path, (unsigned long long)offset);
}

const char *symbols__build_id(struct symbols *symbols, const struct symbol_object *object)
{
	long number = find_object(symbols, object);

	return number < 0 ? NULL : symbols->objects[number].build_id;
}

const struct symbols_stats *symbols__stats(struct symbols *symbols)
{
	symbols->stats.bytes = symbols->results.bytes + symbols->table_bytes;
	return &symbols->stats;
}

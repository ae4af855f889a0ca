/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "debug_fetch.h"
#include "debug_file.h"
#include "demangle.h"
#include "kernel_symbols.h"
#include "log.h"
#include "symbol_maps.h"
#include "symbol_objects.h"
#include "symbol_results.h"

#define MAX_DEMANGLED 4096

struct symbols {
	struct symbols_options options;
	struct symbols_stats stats;
	struct debug_fetch *fetch;
	struct line_worker worker;
	struct line_answer answer; /* of the worker; too large for a stack */
	struct symbol_objects objects;
	struct symbol_results results;
	struct symbol_maps maps;
	bool kernel_read;
	struct text_symbols kernel;
	char *kernel_build_id;
};

/* The frames of one offset, while they are put together. */
struct finding {
	struct symbol_frame frames[SYMBOL_RESULTS_MAX_FRAMES];
	size_t nr;
};

static void fill_options(struct symbols *symbols, const struct symbols_options *options)
{
	if (options)
		symbols->options = *options;
	if (!symbols->options.max_bytes)
		symbols->options.max_bytes = SYMBOLS_MAX_BYTES;
	if (!symbols->options.fetch_ms)
		symbols->options.fetch_ms = SYMBOLS_FETCH_MS;
	if (!symbols->options.debug_root)
		symbols->options.debug_root = DEBUG_FILE_ROOT;
}

struct symbols *symbols__open(const struct symbols_options *options)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	fill_options(symbols, options);
	if (!symbols->options.no_fetch)
		symbols->fetch =
			debug_fetch__open(symbols->options.fetch_ms, symbols->options.cancel);
	line_worker__open(&symbols->worker, symbols->options.cancel);
	symbols->objects = (struct symbol_objects){
		.search = { .debug_root = symbols->options.debug_root,
			    .fetch = symbols->fetch,
			    .lines = symbols->options.lines,
			    .cancel = symbols->options.cancel },
		.stats = &symbols->stats,
		.worker = &symbols->worker,
		.max_bytes = symbols->options.max_bytes / 3,
	};
	symbols->maps.max_bytes = symbols->options.max_bytes / 3;
	if (symbol_objects__open(&symbols->objects) ||
	    symbol_results__open(&symbols->results, symbols->options.max_bytes / 3)) {
		symbols__close(symbols);
		return NULL;
	}
	return symbols;
}

void symbols__close(struct symbols *symbols)
{
	if (!symbols)
		return;
	symbol_objects__close(&symbols->objects);
	line_worker__close(&symbols->worker);
	debug_fetch__close(symbols->fetch);
	symbol_results__close(&symbols->results);
	symbol_maps__close(&symbols->maps);
	text_symbols__free(&symbols->kernel);
	free(symbols->kernel_build_id);
	free(symbols);
}

static bool is_cancelled(const struct symbols *symbols)
{
	return symbols->options.cancel && *symbols->options.cancel;
}

/* A name as it is shown; NULL: no memory. */
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

/* Adds what debug information says: inlined functions, files and lines. */
static void find_lines(struct symbols *symbols, long number, __u64 offset, struct finding *finding)
{
	struct symbol_entry *entry = &symbols->objects.entries[number];
	struct line_answer *answer = &symbols->answer;
	struct symbol_file *file = entry->file;
	const char *function = finding->frames[0].function;
	__u64 address;
	int err;

	if (!file || !file->has_lines || entry->no_lines ||
	    !symbol_file__address(file, offset, &address))
		return;
	err = line_worker__ask(&symbols->worker, file,
			       file->debug_fd >= 0 ? file->debug_fd : file->fd, file->dwz_fd,
			       address, answer);
	if (err) {
		if (err != -ECANCELED)
			symbols->stats.lines_gave_up = entry->no_lines = true;
		return;
	}
	/* Between functions a line is that of the code before: as wrong as its name would be. */
	if (!function && answer->nr_frames && !answer->frames[answer->nr_frames - 1].function)
		return;
	for (__u32 i = 0; i < answer->nr_frames; i++) {
		const struct line_frame *from = &answer->frames[i];
		bool is_last = i + 1 == answer->nr_frames;

		finding->frames[i] = (struct symbol_frame){
			.line = from->file ? from->line : 0,
			.inlined = !is_last,
		};
		if (from->file)
			finding->frames[i].file =
				symbol_results__text(&symbols->results, answer->text + from->file);
		/* The function that the code is in is what the symbol says. */
		if (is_last && function)
			finding->frames[i].function = function;
		else if (from->function)
			finding->frames[i].function =
				keep_name(symbols, answer->text + from->function);
	}
	if (answer->nr_frames)
		finding->nr = answer->nr_frames;
}

static int find_in_file(struct symbols *symbols, long number, const struct symbol_object *wanted,
			__u64 offset, struct finding *finding)
{
	char name[SYMBOL_MAX_NAME];
	int err;

	err = symbol_objects__prepare(&symbols->objects, number, wanted);
	if (err)
		return err;
	if (symbol_objects__name(&symbols->objects, number, offset, name))
		finding->frames[0].function = keep_name(symbols, name);
	if (symbols->options.lines)
		find_lines(symbols, number, offset, finding);
	return 0;
}

static int find_in_kernel(struct symbols *symbols, const struct symbol_object *wanted,
			  __u64 address, struct finding *finding)
{
	const char *name;
	int err;

	if (!symbols->kernel_read) {
		symbols->kernel_read = true;
		symbols->kernel_build_id = kernel_symbols__build_id();
		err = kernel_symbols__read(KERNEL_SYMBOLS_PATH, &symbols->kernel);
		if (err == -ENOMEM)
			return err;
		if (err)
			log__warning("functions of the kernel have no names: %s",
				     err == -EACCES ? "it hides them (kernel.kptr_restrict, "
						      "CAP_SYSLOG)" :
						      strerror(-err));
	}
	if (wanted->build_id &&
	    (!symbols->kernel_build_id || strcasecmp(wanted->build_id, symbols->kernel_build_id)))
		return 0;
	name = text_symbols__innermost(&symbols->kernel, address);
	if (name)
		finding->frames[0].function = symbol_results__text(&symbols->results, name);
	return 0;
}

/* Keeps what was found, and hands it out. */
static int finish(struct symbols *symbols, long number, __u64 offset, const struct finding *finding,
		  const struct symbol_frame **frames, size_t *nr_frames)
{
	const struct symbol_result *result;
	int err;

	err = symbol_results__keep(&symbols->results, (__u32)number, offset, finding->frames,
				   finding->nr);
	if (err == -ENOMEM)
		return err;
	symbols->stats.frames++;
	if (err) {
		symbols->stats.frames_not_kept++;
		return 0;
	}
	if (finding->frames[finding->nr - 1].function)
		symbols->stats.frames_named++;
	result = symbol_results__find(&symbols->results, (__u32)number, offset);
	*frames = result->frames;
	*nr_frames = result->nr_frames;
	return 0;
}

/* true: it was found before, or nothing is to be looked for. */
static bool is_known(struct symbols *symbols, long number, __u64 offset,
		     const struct symbol_frame **frames, size_t *nr_frames)
{
	static const struct symbol_frame nameless;
	const struct symbol_result *result;

	*frames = &nameless;
	*nr_frames = 1;
	result = symbol_results__find(&symbols->results, (__u32)number, offset);
	if (result) {
		*frames = result->frames;
		*nr_frames = result->nr_frames;
	}
	return result || is_cancelled(symbols);
}

int symbols__frames(struct symbols *symbols, const struct symbol_object *wanted, __u64 offset,
		    const struct symbol_frame **frames, size_t *nr_frames)
{
	long number = symbol_objects__number(&symbols->objects, wanted);
	struct finding finding = { .nr = 1 };
	int err;

	if (number < 0)
		return -ENOMEM;
	if (is_known(symbols, number, offset, frames, nr_frames))
		return 0;
	if (wanted->path && !strcmp(wanted->path, KERNEL_OBJECT))
		err = find_in_kernel(symbols, wanted, offset, &finding);
	else
		err = find_in_file(symbols, number, wanted, offset, &finding);
	if (err)
		return err;
	/* Cut short in the middle it is not what there is to find. */
	if (is_cancelled(symbols))
		return 0;
	return finish(symbols, number, offset, &finding, frames, nr_frames);
}

int symbols__read(struct symbols *symbols, const struct symbol_object *wanted)
{
	long number = symbol_objects__number(&symbols->objects, wanted);

	if (number < 0)
		return -ENOMEM;
	return is_cancelled(symbols) ? 0 :
				       symbol_objects__prepare(&symbols->objects, number, wanted);
}

bool symbols__has_read(struct symbols *symbols, const struct symbol_object *wanted)
{
	long number = symbol_objects__number(&symbols->objects, wanted);

	return number >= 0 && (symbols->objects.entries[number].file ||
			       symbols->objects.entries[number].fd_hopeless);
}

void symbols__keep_map(struct symbols *symbols, const struct symbol_process *process, int fd)
{
	symbol_maps__keep(&symbols->maps, process, fd);
}

int symbols__jit_frames(struct symbols *symbols, const struct symbol_process *process,
			__u64 address, const struct symbol_frame **frames, size_t *nr_frames)
{
	struct finding finding = { .nr = 1 };
	const char *name;
	char key[64];
	long number;

	snprintf(key, sizeof(key), "code of %d %llx", process->pid, process->start_ns);
	number = symbol_objects__number_of(&symbols->objects, key);
	if (number < 0)
		return -ENOMEM;
	if (is_known(symbols, number, address, frames, nr_frames))
		return 0;
	name = symbol_maps__name(&symbols->maps, process, address);
	/* A map grows: what is not in it may be, the next time. */
	if (!name)
		return 0;
	finding.frames[0].function = symbol_results__text(&symbols->results, name);
	return finish(symbols, number, address, &finding, frames, nr_frames);
}

void symbols__nameless(const struct symbol_object *object, __u64 offset, char *text, size_t size)
{
	const char *path = object->path && *object->path ? object->path : "[unknown]";
	const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;

	/* Where it lies is what the kernel hides. */
	if (!strcmp(path, KERNEL_OBJECT)) {
		snprintf(text, size, "%s", path);
		return;
	}
	snprintf(text, size, "%s+0x%llx", slash ? slash + 1 : path, (unsigned long long)offset);
}

const char *symbols__build_id(struct symbols *symbols, const struct symbol_object *object)
{
	long number = symbol_objects__number(&symbols->objects, object);

	return number < 0 ? NULL : symbols->objects.entries[number].build_id;
}

bool symbols__wants_lines(const struct symbols *symbols)
{
	return symbols->options.lines;
}

const struct symbols_stats *symbols__stats(struct symbols *symbols)
{
	symbols->stats.bytes = symbols->results.bytes + symbols->objects.table_bytes +
			       symbols->maps.bytes + text_symbols__bytes(&symbols->kernel);
	symbols->stats.fetch_gave_up = debug_fetch__gave_up(symbols->fetch);
	return &symbols->stats;
}

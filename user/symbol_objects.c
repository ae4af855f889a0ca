/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debug_fetch.h"
#include "debug_file.h"
#include "regular_file.h"
#include "vdso_file.h"

#define MAX_OPEN 128 /* files at a time, each with up to four descriptors */

int symbol_objects__open(struct symbol_objects *objects)
{
	return string_table__open(&objects->keys);
}

static void release_file(struct symbol_objects *objects, struct symbol_entry *entry)
{
	if (!entry->file)
		return;
	objects->table_bytes -= symbol_table__bytes(&entry->file->table);
	objects->nr_open--;
	line_worker__forget(objects->worker, entry->file);
	symbol_file__close(entry->file);
	free(entry->file);
	entry->file = NULL;
}

void symbol_objects__close(struct symbol_objects *objects)
{
	size_t i;

	for (i = 0; i < objects->room; i++) {
		release_file(objects, &objects->entries[i]);
		free(objects->entries[i].build_id);
	}
	free(objects->entries);
	string_table__close(&objects->keys);
}

long symbol_objects__number_of(struct symbol_objects *objects, const char *key)
{
	long number = string_table__number(&objects->keys, key);

	if (number >= 0 && (size_t)number >= objects->room) {
		size_t room = objects->room ? 2 * objects->room : 64;
		struct symbol_entry *more = realloc(objects->entries, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + objects->room, 0, (room - objects->room) * sizeof(*more));
		objects->entries = more;
		objects->room = room;
	}
	return number;
}

long symbol_objects__number(struct symbol_objects *objects, const struct symbol_object *wanted)
{
	struct stat status;
	char key[4200];

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
	return symbol_objects__number_of(objects, key);
}

/* Makes room for one more file: those that were used longest ago are read again when needed. */
static void make_room(struct symbol_objects *objects)
{
	while (objects->nr_open >= MAX_OPEN ||
	       (objects->nr_open && objects->table_bytes > objects->max_bytes)) {
		struct symbol_entry *oldest = NULL;
		size_t i;

		for (i = 0; i < objects->room; i++) {
			struct symbol_entry *entry = &objects->entries[i];

			if (entry->file && (!oldest || entry->used < oldest->used))
				oldest = entry;
		}
		if (!oldest)
			break;
		release_file(objects, oldest);
	}
}

/* A descriptor of the file that the object says, to be closed; or -1. */
static int open_object(const struct symbol_object *wanted)
{
	if (wanted->fd >= 0)
		return fcntl(wanted->fd, F_DUPFD_CLOEXEC, 3);
	if (wanted->path && !strcmp(wanted->path, "[vdso]"))
		return vdso_file__open();
	if (!wanted->path || wanted->path[0] != '/' || (!wanted->build_id && !wanted->by_path))
		return -1;
	return regular_file__open(wanted->path);
}

/* Another place of a file that is not at its path: as some distributions keep it, or a server. */
static int open_by_build_id(struct symbol_objects *objects, const char *build_id, bool *is_fetched)
{
	int fd;

	if (!build_id)
		return -ENOENT;
	fd = debug_file__by_build_id(objects->search.debug_root, build_id, "");
	if (fd >= 0 || !objects->search.fetch)
		return fd;
	fd = debug_fetch__get(objects->search.fetch, build_id, FETCH_EXECUTABLE);
	*is_fetched = fd >= 0;
	return fd;
}

static int read_file(struct symbol_objects *objects, const struct symbol_object *wanted,
		     struct symbol_entry *entry)
{
	bool is_fetched = false;
	struct symbol_file *file;
	int fd, err = -ENOENT;

	make_room(objects);
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	fd = open_object(wanted);
	if (fd >= 0)
		err = symbol_file__open(file, fd, wanted->path, wanted->build_id, &objects->search);
	if (err && err != -ENOMEM) {
		fd = open_by_build_id(objects, wanted->build_id, &is_fetched);
		if (fd >= 0)
			err = symbol_file__open(file, fd, wanted->path, wanted->build_id,
						&objects->search);
	}
	if (err) {
		free(file);
		return err;
	}
	entry->file = file;
	objects->nr_open++;
	objects->table_bytes += symbol_table__bytes(&file->table);
	if (!entry->seen)
		objects->stats->fetched += is_fetched;
	return 0;
}

static void count_file(struct symbols_stats *stats, const struct symbol_file *file)
{
	if (!file) {
		stats->files_refused++;
		return;
	}
	stats->files++;
	if (!file->table.ranges.nr)
		stats->files_unnamed++;
	if (file->is_fetched)
		stats->fetched++;
	else if (file->debug_fd >= 0)
		stats->debug_files++;
}

int symbol_objects__prepare(struct symbol_objects *objects, long number,
			    const struct symbol_object *wanted)
{
	struct symbol_entry *entry = &objects->entries[number];
	const char *build_id = wanted->build_id;
	int err;

	entry->used = ++objects->clock;
	if (entry->file || (wanted->fd < 0 ? entry->hopeless : entry->fd_hopeless))
		return 0;
	err = read_file(objects, wanted, entry);
	if (err == -ENOMEM)
		return err;
	entry->hopeless = err != 0;
	entry->fd_hopeless = err && wanted->fd >= 0;
	if (entry->seen)
		return 0;
	entry->seen = true;
	count_file(objects->stats, entry->file);
	if (entry->file)
		build_id = entry->file->build_id;
	entry->build_id = build_id ? strdup(build_id) : NULL;
	return build_id && !entry->build_id ? -ENOMEM : 0;
}

bool symbol_objects__name(struct symbol_objects *objects, long number, __u64 offset,
			  char name[SYMBOL_MAX_NAME])
{
	struct symbol_entry *entry = &objects->entries[number];
	__u64 before;
	bool found;

	if (!entry->file)
		return false;
	/* Frame descriptions may be read for it. */
	before = symbol_table__bytes(&entry->file->table);
	found = symbol_table__name(&entry->file->table, offset, name);
	objects->table_bytes += symbol_table__bytes(&entry->file->table) - before;
	return found;
}

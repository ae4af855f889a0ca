/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"
#include "maps_line.h"
#include "profile_calls.h"

const struct call_entry *snapshot__calls_of(const struct snapshot *snapshot, __u32 id, size_t *nr)
{
	size_t low = 0, high = snapshot->nr_calls, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snapshot->calls[middle].key.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < snapshot->nr_calls && snapshot->calls[end].key.id == id; end++)
		;
	*nr = end - low;
	return snapshot->calls + low;
}

/* NULL: none, or the file may not be opened. */
static char *mapping__build_id(__u32 pid, const struct maps_line *line)
{
	char path[96], *build_id = NULL;
	struct elf_file file;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", pid, line->start, line->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!elf_file__open(&file, fd)) {
		if (elf_file__build_id(&file, &build_id))
			build_id = NULL;
		elf_file__close(&file);
	}
	close(fd);
	return build_id;
}

static int mapping__add(struct profile_process *process, const struct maps_line *line)
{
	struct profile_mapping *mappings, *mapping;

	mappings = realloc(process->mappings, (process->nr_mappings + 1) * sizeof(*mappings));
	if (!mappings)
		return -ENOMEM;
	process->mappings = mappings;
	mapping = &mappings[process->nr_mappings];
	*mapping = (struct profile_mapping){
		.start = line->start,
		.limit = line->end,
		.offset = line->offset,
		.path = strdup(*line->path ? line->path : "//anon"),
	};
	if (!mapping->path)
		return -ENOMEM;
	if (line->inode)
		mapping->build_id = mapping__build_id(process->pid, line);
	process->nr_mappings++;
	return 0;
}

/* Both are in the order of addresses, so one walk over maps serves all. */
static int calls__find_mappings(struct profile_process *process)
{
	char path[64], *text = NULL;
	size_t room = 0, at = 0;
	int error = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", process->pid);
	maps = fopen(path, "re");
	if (!maps)
		return 0;
	while (!error && at < process->nr_calls && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line))
			continue;
		while (at < process->nr_calls && process->calls[at].caller < line.start)
			at++;
		if (at == process->nr_calls || process->calls[at].caller >= line.end ||
		    line.rights[2] != 'x')
			continue;
		error = mapping__add(process, &line);
		while (!error && at < process->nr_calls && process->calls[at].caller < line.end)
			process->calls[at++].mapping = (__u32)process->nr_mappings;
	}
	free(text);
	fclose(maps);
	return error;
}

int profile_calls__add(const struct snapshot *snapshot, struct profile_process *process)
{
	const struct call_entry *entries;
	size_t nr;

	entries = snapshot__calls_of(snapshot, process->id, &nr);
	process->calls = calloc(nr + 1, sizeof(*process->calls));
	if (!process->calls)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		process->calls[i] = (struct profile_call){
			.caller = entries[i].key.caller,
			.size_class = entries[i].key.size_class,
			.path = entries[i].key.path,
			.function = entries[i].key.function,
			.count = entries[i].row.count,
			.bytes = entries[i].row.bytes,
		};
	process->nr_calls = nr;
	return nr && !process->exited ? calls__find_mappings(process) : 0;
}

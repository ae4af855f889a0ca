/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile_symbols.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int read_mapping(const struct profile_process *process,
			const struct profile_mapping *mapping, struct symbols *symbols)
{
	struct symbol_object object = {
		.path = mapping->path,
		.build_id = mapping->build_id,
		.fd = -1,
	};
	char path[96];
	int error;

	/* Without a build id it could not be found again. */
	if (!mapping->build_id) {
		symbols__keep_map(symbols, (pid_t)process->pid);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "perf_map.h"

#define REST_FACTOR 20 /* reading again takes at most this part of the time */
#define LEAST_REST_NS 100000000ULL

/* Processes' starts are told to a tick of /proc, or to the nanosecond. */
#define START_NS_APART 20000000ULL

bool symbol_process__is(const struct symbol_process *process, pid_t pid, __u64 start_ns)
{
	__u64 apart = process->start_ns - start_ns;

	if (process->start_ns < start_ns)
		apart = -apart;
	return process->pid == pid && (!process->start_ns || !start_ns || apart < START_NS_APART);
}

static struct symbol_map *find(struct symbol_maps *maps, const struct symbol_process *process)
{
	for (size_t i = 0; i < maps->nr; i++)
		if (symbol_process__is(&maps->maps[i].process, process->pid, process->start_ns))
			return &maps->maps[i];
	return NULL;
}

int symbol_process__open_map(const struct symbol_process *process)
{
	struct perf_map_owner owner;

	if (perf_map__owner(process->pid, &owner) ||
	    !symbol_process__is(process, process->pid, owner.start_ns))
		return -ESRCH;
	return perf_map__open(process->pid);
}

void symbol_maps__keep(struct symbol_maps *maps, const struct symbol_process *process, int fd)
{
	if (maps->nr == SYMBOLS_MAX_MAPS || find(maps, process))
		return;
	fd = fd < 0 ? symbol_process__open_map(process) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		maps->maps[maps->nr++] = (struct symbol_map){ .process = *process, .fd = fd };
}

/* true: it was read, and says more than before. */
static bool read_again(struct symbol_maps *maps, struct symbol_map *map)
{
	__u64 size, start_ns = clock__now_ns();
	struct stat status;

	if (map->is_complete || start_ns < map->next_ns || fstat(map->fd, &status))
		return false;
	size = (__u64)status.st_size;
	if (size == map->size)
		return false;
	maps->bytes -= text_symbols__bytes(&map->symbols);
	text_symbols__free(&map->symbols);
	map->size = size;
	if (maps->bytes > maps->max_bytes || perf_map__read(map->fd, &map->symbols))
		map->is_complete = true;
	maps->bytes += text_symbols__bytes(&map->symbols);
	map->next_ns = clock__now_ns();
	map->next_ns += LEAST_REST_NS + REST_FACTOR * (map->next_ns - start_ns);
	return true;
}

const char *symbol_maps__name(struct symbol_maps *maps, const struct symbol_process *process,
			      __u64 address)
{
	struct symbol_map *map = find(maps, process);
	const char *name;

	if (!map) {
		symbol_maps__keep(maps, process, -1);
		map = find(maps, process);
	}
	if (!map)
		return NULL;
	name = text_symbols__latest(&map->symbols, address);
	if (!name && read_again(maps, map))
		name = text_symbols__latest(&map->symbols, address);
	return name;
}

void symbol_maps__close(struct symbol_maps *maps)
{
	for (size_t i = 0; i < maps->nr; i++) {
		text_symbols__free(&maps->maps[i].symbols);
		close(maps->maps[i].fd);
	}
	maps->nr = 0;
}

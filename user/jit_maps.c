/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jit_maps.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "perf_map.h"
#include "symbol_maps.h"

#define NS_PER_MS 1000000ULL

/* Virtual machines make their map with the first code; some never do. */
#define FIRST_PAUSE_NS (10 * NS_PER_MS)
#define LAST_PAUSE_NS (5000 * NS_PER_MS)

/* False: it has ended, and left none. */
static bool look(struct jit_map *map, __u64 now_ns)
{
	map->fd = symbol_process__open_map(&map->process);
	if (map->fd != -ESRCH) {
		map->next_ns = now_ns + map->pause_ns;
		if (map->pause_ns < LAST_PAUSE_NS)
			map->pause_ns *= 2;
		return true;
	}
	if (map->is_here)
		map->fd = perf_map__open_left(map->process.pid, map->uid, map->process.start_ns);
	return map->fd >= 0;
}

static bool is_our_namespace(__u64 number)
{
	struct stat status;

	return !stat("/proc/self/ns/mnt", &status) && status.st_ino == number;
}

void jit_maps__meet(struct jit_maps *maps, const struct event *event)
{
	struct jit_map *map, made = {
		.process = { .pid = (pid_t)event->tgid, .start_ns = event->address },
		.uid = event->parent_id,
		.is_here = event->end && is_our_namespace(event->end),
		.fd = -1,
		.pause_ns = FIRST_PAUSE_NS,
	};
	struct perf_map_owner owner;

	if (!made.process.start_ns) {
		if (perf_map__owner(made.process.pid, &owner))
			return;
		made.process.start_ns = owner.start_ns;
		made.uid = owner.euid;
	}
	for (size_t i = 0; i < maps->nr; i++)
		if (symbol_process__is(&maps->maps[i].process, made.process.pid,
				       made.process.start_ns))
			return;
	if (maps->nr == SYMBOLS_MAX_MAPS)
		return;
	map = &maps->maps[maps->nr++];
	*map = made;
	if (!look(map, clock__now_ns()))
		maps->nr--;
}

void jit_maps__look(struct jit_maps *maps, bool all)
{
	__u64 now_ns = clock__now_ns();

	for (size_t i = 0; i < maps->nr; i++) {
		struct jit_map *map = &maps->maps[i];

		if (map->fd >= 0 || (!all && now_ns < map->next_ns) || look(map, now_ns))
			continue;
		*map = maps->maps[--maps->nr];
		i--;
	}
}

int jit_maps__timeout_ms(const struct jit_maps *maps, int timeout_ms)
{
	__u64 now_ns = maps->nr ? clock__now_ns() : 0;

	for (size_t i = 0; i < maps->nr; i++) {
		const struct jit_map *map = &maps->maps[i];
		__u64 left_ns = map->next_ns > now_ns ? map->next_ns - now_ns : 0;

		if (map->fd < 0 && left_ns / NS_PER_MS < (__u64)timeout_ms)
			timeout_ms = (int)(left_ns / NS_PER_MS) + 1;
	}
	return timeout_ms;
}

void jit_maps__close(struct jit_maps *maps)
{
	for (size_t i = 0; i < maps->nr; i++)
		if (maps->maps[i].fd >= 0)
			close(maps->maps[i].fd);
	maps->nr = 0;
}

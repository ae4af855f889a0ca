/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

char *proc__exe(__u32 pid)
{
	char path[64], target[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length <= 0)
		return NULL;
	target[length] = 0;
	return strdup(target);
}

/* Of a process that has exited and is not waited for yet, /proc says that it is in the root cgroup. */
static bool proc__has_exited(__u32 pid)
{
	char *exe = proc__exe(pid);
	bool has_exited = !exe;

	free(exe);
	return has_exited;
}

/* Lines are "0::/path" for v2 and "N:controllers:/path" for v1. */
char *proc__cgroup(__u32 pid)
{
	char path[64], line[4352];
	char *cgroup = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	while (fgets(line, sizeof(line), file)) {
		char *start;

		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "0::", 3))
			start = line + 3;
		else if (!cgroup && strstr(line, ":memory:"))
			start = strstr(line, ":memory:") + 8;
		else
			continue;
		/* The v1 path says more where v2 is only mounted beside it. */
		if (cgroup && !strcmp(start, "/"))
			continue;
		free(cgroup);
		cgroup = strdup(start);
	}
	fclose(file);
	return cgroup;
}

int proc__comm(__u32 pid, char *comm)
{
	char path[64], line[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		snprintf(comm, MAX_COMM, "%.*s", MAX_COMM - 1, line);
	}
	fclose(file);
	return 0;
}

/* The file name of the first mapping whose path has one of the names in it. */
static char *proc__mapped(__u32 pid, const char *const *names, size_t nr_names)
{
	char path[64], line[512], found[256];
	char *name = NULL;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return NULL;
	while (!name && fgets(line, sizeof(line), maps)) {
		for (size_t i = 0; !name && i < nr_names; i++) {
			char *at = strstr(line, names[i]);

			if (!at)
				continue;
			snprintf(found, sizeof(found), "%s", at + 1);
			found[strcspn(found, "\n")] = 0;
			name = strdup(found);
		}
	}
	fclose(maps);
	return name;
}

char *proc__foreign_allocator(__u32 pid)
{
	static const char *const names[] = { "/libjemalloc.so", "/libtcmalloc", "/libmimalloc",
					     "/librefalloc.so", "/ld-musl" };

	return proc__mapped(pid, names, sizeof(names) / sizeof(names[0]));
}

bool proc__maps_glibc(__u32 pid)
{
	static const char *const names[] = { "/libc.so.6" };
	char *name = proc__mapped(pid, names, 1);

	free(name);
	return name != NULL;
}

static int names__grow(struct names *names, __u32 id)
{
	size_t room = names->room ? names->room : 256;
	struct process_names *processes;

	while (room <= id)
		room *= 2;
	if (room == names->room)
		return 0;
	processes = realloc(names->processes, room * sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	memset(processes + names->room, 0, (room - names->room) * sizeof(*processes));
	names->processes = processes;
	names->room = room;
	return 0;
}

struct process_names *names__of(struct names *names, __u32 id)
{
	if (id >= names->room || !names->processes[id].known)
		return NULL;
	return &names->processes[id];
}

/*
 * A fork child runs its parent's program, whatever /proc says by now: it may have exec'd since.
 * After an exec /proc is right unless it is gone; then the path as it was called has to do.
 */
char *event__exe(struct names *names, const struct event *event)
{
	struct process_names *parent = names__of(names, event->parent_id);
	char *exe;

	if (event->type == EVENT_PROCESS && parent && parent->exe)
		return strdup(parent->exe);
	exe = proc__exe(event->tgid);
	if (!exe && event->filename[0])
		exe = strndup(event->filename, sizeof(event->filename));
	return exe;
}

int names__learn(struct names *names, const struct event *event)
{
	struct process_names *parent, *of;
	char *exe, *cgroup;

	if (event->type != EVENT_PROCESS && event->type != EVENT_EXEC && event->type != EVENT_END)
		return 0;
	if (names__grow(names, event->id))
		return -ENOMEM;
	of = &names->processes[event->id];
	of->known = true;
	of->tgid = event->tgid;
	if (event->type == EVENT_END) {
		of->ended = true;
		return 0;
	}
	/* The old names go last: an event may name itself as its parent. */
	exe = event__exe(names, event);
	cgroup = proc__cgroup(event->tgid);
	parent = names__of(names, event->parent_id);
	if (parent && parent->cgroup && cgroup && proc__has_exited(event->tgid)) {
		free(cgroup);
		cgroup = NULL;
	}
	if (!cgroup && parent && parent->cgroup)
		cgroup = strdup(parent->cgroup);
	free(of->exe);
	free(of->cgroup);
	of->exe = exe;
	of->cgroup = cgroup;
	return 0;
}

void names__forget(struct names *names, __u32 id)
{
	struct process_names *of = names__of(names, id);

	if (!of)
		return;
	free(of->exe);
	free(of->cgroup);
	memset(of, 0, sizeof(*of));
}

void names__free(struct names *names)
{
	for (size_t id = 0; id < names->room; id++)
		names__forget(names, id);
	free(names->processes);
	memset(names, 0, sizeof(*names));
}

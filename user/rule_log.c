/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maps_line.h"
#include "rule_log.h"

/* "file+0xoffset" of an address, while the process lives; NULL: not to be had. */
static char *address__place(__u32 tgid, __u64 address)
{
	char path[64], *text = NULL, *place = NULL;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
	maps = fopen(path, "re");
	if (!maps)
		return NULL;
	while (!place && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line) || address < line.start || address >= line.end)
			continue;
		if (asprintf(&place, "%s+0x%llx", *line.path ? line.path : "[anon]",
			     address - line.start + line.offset) < 0)
			place = NULL;
		break;
	}
	free(text);
	fclose(maps);
	return place;
}

static int rule_log__grow(struct rule_log *log, __u32 id)
{
	size_t room = log->room ? log->room : 64;
	struct rule_log_process *processes;

	while (room <= id)
		room *= 2;
	if (room == log->room)
		return 0;
	processes = realloc(log->processes, room * sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	memset(processes + log->room, 0, (room - log->room) * sizeof(*processes));
	log->processes = processes;
	log->room = room;
	return 0;
}

/* Doubles at each power of two. */
static int events__add(struct rule_event **events, size_t *nr, const struct rule_event *event)
{
	if (!(*nr & (*nr - 1))) {
		struct rule_event *larger;

		larger = realloc(*events, (*nr ? 2 * *nr : 1) * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		*events = larger;
	}
	(*events)[(*nr)++] = *event;
	return 0;
}

int rule_log__add(struct rule_log *log, const struct rule_event *event, __u32 tgid)
{
	struct rule_log_process *of;
	char **places;

	if (rule_log__grow(log, event->id))
		return -ENOMEM;
	of = &log->processes[event->id];
	if (event->type == EVENT_JUDGED)
		return events__add(&of->points, &of->nr_points, event);
	places = realloc(of->places, (of->nr_moves + 1) * sizeof(*places));
	if (!places)
		return -ENOMEM;
	of->places = places;
	if (events__add(&of->moves, &of->nr_moves, event))
		return -ENOMEM;
	places[of->nr_moves - 1] = tgid ? address__place(tgid, event->caller) : NULL;
	return 0;
}

const struct rule_log_process *rule_log__of(const struct rule_log *log, __u32 id)
{
	return id < log->room ? &log->processes[id] : NULL;
}

void rule_log__forget(struct rule_log *log, __u32 id)
{
	struct rule_log_process *of;

	if (id >= log->room)
		return;
	of = &log->processes[id];
	for (size_t i = 0; i < of->nr_moves; i++)
		free(of->places[i]);
	free(of->moves);
	free(of->places);
	free(of->points);
	memset(of, 0, sizeof(*of));
}

void rule_log__free(struct rule_log *log)
{
	for (size_t id = 0; id < log->room; id++)
		rule_log__forget(log, id);
	free(log->processes);
	memset(log, 0, sizeof(*log));
}

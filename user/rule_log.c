/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
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

/* Room for one more of nr, doubled at each power of two. NULL: no memory; list is as it was. */
static void *list__grow(void *list, size_t nr, size_t size)
{
	return nr & (nr - 1) ? list : realloc(list, (nr ? 2 * nr : 1) * size);
}

static int process__add_point(struct rule_log_process *of, const struct rule_event *event)
{
	struct rule_event *points = list__grow(of->points, of->nr_points, sizeof(*points));

	if (!points)
		return -ENOMEM;
	of->points = points;
	points[of->nr_points++] = *event;
	return 0;
}

static int process__add_move(struct rule_log_process *of, const struct rule_event *event,
			     __u32 tgid)
{
	struct rule_log_move *moves = list__grow(of->moves, of->nr_moves, sizeof(*moves));

	if (!moves)
		return -ENOMEM;
	of->moves = moves;
	moves[of->nr_moves++] = (struct rule_log_move){
		.begun = *event,
		.place = tgid ? address__place(tgid, event->caller) : NULL,
	};
	return 0;
}

/* Few overlap: it is one of the last. */
static void process__end_move(struct rule_log_process *of, const struct rule_event *event)
{
	for (size_t i = of->nr_moves; i; i--) {
		struct rule_log_move *move = &of->moves[i - 1];

		if (move->begun.time_ns == event->size && !move->done.time_ns) {
			move->done = *event;
			return;
		}
	}
}

int rule_log__add(struct rule_log *log, const struct rule_event *event, __u32 tgid)
{
	struct rule_log_process *of;

	if (rule_log__grow(log, event->id))
		return -ENOMEM;
	of = &log->processes[event->id];
	if (event->type == EVENT_JUDGED)
		return process__add_point(of, event);
	if (event->type == EVENT_MOVE)
		return process__add_move(of, event, tgid);
	process__end_move(of, event);
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
		free(of->moves[i].place);
	free(of->moves);
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

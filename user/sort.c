/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "sort.h"

static const char *const sort_key_names[NR_SORT_KEYS] = {
	[SORT_DEFAULT] = "default", [SORT_BYTES] = "bytes",   [SORT_REQUESTS] = "requests",
	[SORT_FAILED] = "failed",   [SORT_BRK] = "brk",	      [SORT_MMAP] = "mmap",
	[SORT_ARENA] = "arena",	    [SORT_REMAP] = "remap",   [SORT_LIVE] = "live",
	[SORT_GROWN] = "grown",	    [SORT_MAPPED] = "mapped", [SORT_TOUCHED] = "touched",
	[SORT_FAULTS] = "faults",   [SORT_PID] = "pid",	      [SORT_COMM] = "comm",
};

const char *sort_key__name(enum sort_key key)
{
	return (unsigned int)key < NR_SORT_KEYS ? sort_key_names[key] : "?";
}

bool sort_key__parse(const char *name, enum sort_key *key)
{
	for (int i = SORT_DEFAULT + 1; i < NR_SORT_KEYS; i++) {
		if (strcmp(name, sort_key_names[i]) == 0) {
			*key = (enum sort_key)i;
			return true;
		}
	}
	return false;
}

enum sort_key sort_key__resolve(enum sort_key key, enum probe_depth depth)
{
	if (key != SORT_DEFAULT)
		return key;
	return depth == DEPTH_KERNEL ? SORT_TOUCHED : SORT_BYTES;
}

/* What the key compares; a smaller value comes later. */
static __u64 sort_value(const struct profile_process *process, enum sort_key key,
			enum probe_depth depth)
{
	const struct process_counters *counters = &process->counters;

	switch (key) {
	case SORT_BYTES:
		return profile_process__request_bytes(process);
	case SORT_REQUESTS:
		return profile_process__requests(process);
	case SORT_FAILED:
		return counters->failed;
	case SORT_BRK:
		return depth == DEPTH_KERNEL ? counters->brk_calls :
					       counters->paths[PATH_BRK].count;
	case SORT_MMAP:
		return depth == DEPTH_KERNEL ? counters->mmap_calls :
					       counters->paths[PATH_MMAP].count;
	case SORT_ARENA:
		return counters->paths[PATH_ARENA].count;
	case SORT_REMAP:
		return depth == DEPTH_KERNEL ? counters->mremap_calls :
					       counters->paths[PATH_REMAP].count;
	case SORT_LIVE:
		return process->live_bytes;
	case SORT_GROWN:
		return counters->brk_grown_bytes;
	case SORT_MAPPED:
		return counters->mmap_anon_bytes;
	case SORT_TOUCHED:
		return counters->first_touch_bytes;
	case SORT_FAULTS:
		return profile_process__faults(process);
	case SORT_PID:
		return ~(__u64)process->pid;
	default:
		return 0;
	}
}

/* Equal values go by what was touched, then by number, so that an order never depends on qsort. */
static int compare_sorted(const void *a, const void *b)
{
	const struct sorted_process *x = a, *y = b;
	__u64 x_touched = x->process->counters.first_touch_bytes;
	__u64 y_touched = y->process->counters.first_touch_bytes;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	if (x_touched != y_touched)
		return x_touched < y_touched ? 1 : -1;
	return (x->process->id > y->process->id) - (x->process->id < y->process->id);
}

static int compare_comms(const void *a, const void *b)
{
	const struct sorted_process *x = a, *y = b;
	int order = strcmp(x->process->comm, y->process->comm);

	return order ? order : compare_sorted(a, b);
}

struct sorted_process *profile__sorted(const struct profile *profile, enum sort_key key)
{
	struct sorted_process *sorted = calloc(profile->nr_processes + 1, sizeof(*sorted));

	if (!sorted)
		return NULL;
	key = sort_key__resolve(key, profile->depth);
	for (size_t i = 0; i < profile->nr_processes; i++) {
		sorted[i].process = &profile->processes[i];
		sorted[i].value = sort_value(sorted[i].process, key, profile->depth);
	}
	qsort(sorted, profile->nr_processes, sizeof(*sorted),
	      key == SORT_COMM ? compare_comms : compare_sorted);
	return sorted;
}

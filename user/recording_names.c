/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "profile.h"
#include "recording_names.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A counter, or a row of them with a name each. */
struct counter_row {
	const char *name;
	size_t first; /* position in struct process_counters */
	size_t nr;
	size_t step;
	const char *(*element)(unsigned int index); /* NULL: the index */
};

#define POSITION(member) (offsetof(struct process_counters, member) / sizeof(__u64))
#define ONE(member)                                                                                \
	{                                                                                          \
		.name = #member, .first = POSITION(member), .nr = 1, .step = 1                     \
	}
#define ROW(member, count, names)                                                                  \
	{                                                                                          \
		.name = #member, .first = POSITION(member), .nr = (count), .step = 1,              \
		.element = (names)                                                                 \
	}

#define NAMES_OF(function, type)                                                                   \
	static const char *function##_of(unsigned int index)                                       \
	{                                                                                          \
		return function((type)index);                                                      \
	}

NAMES_OF(path__name, enum alloc_path)
NAMES_OF(home__name, enum home)
NAMES_OF(release__name, enum release)
NAMES_OF(fault_class__name, enum fault_class)
NAMES_OF(region__name, enum region)

/* tests/unit/test_recording.c checks that each counter stands here once. */
static const struct counter_row counter_rows[] = {
	{ "requests", POSITION(paths[0].count), NR_PATHS, 2, path__name_of },
	{ "request_bytes", POSITION(paths[0].bytes), NR_PATHS, 2, path__name_of },
	ONE(failed),
	ONE(unknown_result),
	ONE(orphans),
	ONE(mallopt_calls),
	ONE(internal),
	ROW(home, NR_HOMES, home__name_of),
	ROW(releases, NR_RELEASES, release__name_of),
	ONE(release_bytes),
	ONE(release_of_unknown),
	ONE(live_added_count),
	ONE(live_added_bytes),
	ONE(live_removed_count),
	ONE(live_removed_bytes),
	ONE(brk_calls),
	ONE(brk_failed),
	ONE(brk_grown_bytes),
	ONE(brk_shrunk_bytes),
	ONE(mmap_calls),
	ONE(mmap_failed),
	ONE(mmap_anon_bytes),
	ONE(mmap_file_bytes),
	ONE(mmap_stack_bytes),
	ONE(mmap_populated_bytes),
	ONE(munmap_calls),
	ONE(munmap_failed),
	ONE(munmap_bytes),
	ONE(mremap_calls),
	ONE(mremap_failed),
	ONE(mremap_grown_bytes),
	ONE(mremap_shrunk_bytes),
	ONE(mprotect_calls),
	ONE(mprotect_failed),
	ONE(mprotect_bytes),
	ONE(madvise_calls),
	ONE(madvise_failed),
	ONE(madvise_dontneed_bytes),
	ONE(madvise_free_bytes),
	ROW(faults, NR_FAULT_CLASSES, fault_class__name_of),
	ONE(first_touch_bytes),
	ROW(first_touch_region_bytes, NR_REGIONS, region__name_of),
	ROW(first_touch_orders, NR_FAULT_ORDERS, NULL),
	ONE(faults_major),
	ONE(faults_kernel_mode),
	ONE(faults_probe),
	ONE(faults_unended),
	ONE(file_private_bytes),
	ONE(growth_touched_bytes),
	ONE(populated_bytes),
	ONE(foreign_bytes),
	ONE(probe_bytes),
};

bool counter__name(size_t nth, char name[COUNTER_NAME])
{
	for (size_t i = 0; i < ARRAY_SIZE(counter_rows); i++) {
		const struct counter_row *row = &counter_rows[i];
		size_t index = (nth - row->first) / row->step;

		if (nth < row->first || (nth - row->first) % row->step || index >= row->nr)
			continue;
		if (row->nr == 1)
			snprintf(name, COUNTER_NAME, "%s", row->name);
		else if (row->element)
			snprintf(name, COUNTER_NAME, "%s.%s", row->name,
				 row->element((unsigned int)index));
		else
			snprintf(name, COUNTER_NAME, "%s.%zu", row->name, index);
		return true;
	}
	return false;
}

void event__name(enum event_kind kind, enum outcome outcome, char name[COUNTER_NAME])
{
	snprintf(name, COUNTER_NAME, "%s.%s", event_kind__name(kind), outcome__name(outcome));
}

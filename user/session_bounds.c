/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/libbpf.h>
#include <unistd.h>

#include "options.h"
#include "session_bounds.h"

/* Processes of a command, or chosen by number; and whatever is chosen at depth full. */
#define CHOSEN_PROCESSES 1024

/* At depth full, where live blocks take 112 MiB: 24 MiB of tables. */
#define FULL_UNWIND_PARTS 6
#define FULL_SAMPLES (MAX_SAMPLES / 2)

static void map__set_entries(struct bpf_object *object, const char *name, __u32 entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (map)
		bpf_map__set_max_entries(map, entries);
}

bool session__keeps_callers(const struct options *options)
{
	return options->view == VIEW_RECORD && options->depth != DEPTH_KERNEL &&
	       !(options->takes_stacks && options->depth == DEPTH_FULL);
}

bool session__keeps_origins(const struct options *options)
{
	return options->takes_stacks && options->depth == DEPTH_FULL &&
	       (options->view == VIEW_FLAME || options->view == VIEW_RECORD);
}

bool session__follows_rule(const struct options *options)
{
	return options->view == VIEW_RECORD || options->view == VIEW_THRESHOLD;
}

void session__bound_maps(struct bpf_object *object, const struct options *options)
{
	static const char *const of_stacks[] = {
		"mappings",	"unwind_files",	 "unwind_tables", "unwind_rules", "unwind_pages",
		"unwind_parts", "stack_numbers", "samples",	  "unwinds",
	};

	if (options->depth != DEPTH_FULL)
		map__set_entries(object, "live_blocks", 1);
	if (!session__follows_rule(options)) {
		map__set_entries(object, "rules", 1);
		map__set_entries(object, "forked_rules", 1);
	}
	if (!session__keeps_origins(options))
		map__set_entries(object, "origins", 1);
	if (!session__keeps_callers(options))
		map__set_entries(object, "call_rows", 1);
	if (!(options->budget > 0))
		map__set_entries(object, "window_rows", 1);
	if (!options->takes_stacks) {
		for (size_t i = 0; i < sizeof(of_stacks) / sizeof(of_stacks[0]); i++)
			map__set_entries(object, of_stacks[i], 1);
		map__set_entries(object, "stack_records", (__u32)sysconf(_SC_PAGESIZE));
		return;
	}
	if (options->target == TARGET_COMMAND || options->target == TARGET_PIDS ||
	    options->depth == DEPTH_FULL)
		map__set_entries(object, "mappings", CHOSEN_PROCESSES);
	if (options->depth == DEPTH_FULL) {
		map__set_entries(object, "unwind_parts", FULL_UNWIND_PARTS);
		/* The stacks of moves are no samples. */
		map__set_entries(object, "samples",
				 options->view == VIEW_THRESHOLD ? 1 : FULL_SAMPLES);
	}
}

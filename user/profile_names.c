/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "profile_names.h"

static const char *const path_names[NR_PATHS] = {
	[PATH_POOL] = "pool", [PATH_ARENA] = "arena", [PATH_BRK] = "brk",
	[PATH_MMAP] = "mmap", [PATH_REMAP] = "remap",
};

static const char *const release_names[NR_RELEASES] = {
	[RELEASE_KEPT] = "kept",     [RELEASE_MADVISE] = "madvise", [RELEASE_TRIM] = "trim",
	[RELEASE_MUNMAP] = "munmap", [RELEASE_REMAP] = "remap",
};

static const char *const home_names[NR_HOMES] = {
	[HOME_HEAP] = "heap",
	[HOME_MAPPING] = "mapping",
	[HOME_ARENA] = "arena",
};

static const char *const region_names[NR_REGIONS] = {
	[REGION_HEAP] = "heap",	  [REGION_OWN_MAPPING] = "own_mapping",
	[REGION_ARENA] = "arena", [REGION_ANON] = "anon",
	[REGION_STACK] = "stack",
};

static const char *const fault_class_names[NR_FAULT_CLASSES] = {
	[FAULT_FIRST_TOUCH] = "first_touch",
	[FAULT_ZERO_READ] = "zero_read",
	[FAULT_FILE_PRIVATE] = "file_private",
	[FAULT_COW] = "cow",
	[FAULT_PROTECTION] = "protection",
	[FAULT_SWAP_IN] = "swap_in",
	[FAULT_FILE] = "file",
	[FAULT_SHMEM] = "shmem",
	[FAULT_HUGETLB] = "hugetlb",
	[FAULT_RACED] = "raced",
};

static const char *const loss_names[NR_LOSSES] = {
	[LOSS_NO_TASK_STORAGE] = "no_task_storage",
	[LOSS_PROCESS_TABLE_FULL] = "process_table_full",
	[LOSS_NO_PROCESS] = "no_process",
	[LOSS_SIZE_ROWS_FULL] = "size_rows_full",
	[LOSS_OPEN_AT_END] = "open_at_end",
	[LOSS_RETURN_MISSED] = "return_missed",
	[LOSS_ARGUMENT_UNREADABLE] = "argument_unreadable",
	[LOSS_LIVE_BLOCKS_FULL] = "live_blocks_full",
	[LOSS_FREE_MISSED] = "free_missed",
	[LOSS_GRANULES_FULL] = "granules_full",
	[LOSS_SYSCALL_ENTRY_MISSED] = "syscall_entry_missed",
	[LOSS_SYSCALL_EXIT_MISSED] = "syscall_exit_missed",
	[LOSS_FAULT_ENTRY_MISSED] = "fault_entry_missed",
	[LOSS_RING_FULL] = "ring_full",
	[LOSS_CALL_ROWS_FULL] = "call_rows_full",
	[LOSS_CALLER_UNKNOWN] = "caller_unknown",
	[LOSS_MAPPINGS_FULL] = "mappings_full",
	[LOSS_MAPPING_RACED] = "mapping_raced",
	[LOSS_UNWIND_FILES_FULL] = "unwind_files_full",
	[LOSS_UNWINDS_BUSY] = "unwinds_busy",
	[LOSS_STACKS_FULL] = "stacks_full",
	[LOSS_STACK_RING_FULL] = "stack_ring_full",
	[LOSS_SAMPLES_FULL] = "samples_full",
	[LOSS_WINDOW_ROWS_FULL] = "window_rows_full",
	[LOSS_ORIGINS_FULL] = "origins_full",
};

static const char *const event_kind_names[NR_EVENT_KINDS] = {
	[KIND_ALLOC] = "alloc",	    [KIND_FREE] = "free",   [KIND_RETURN] = "return",
	[KIND_SYSCALL] = "syscall", [KIND_FAULT] = "fault", [KIND_PROCESS] = "process",
};

static const char *const outcome_names[NR_OUTCOMES] = {
	[OUTCOME_SEEN] = "seen",	 [OUTCOME_RECORDED] = "recorded",
	[OUTCOME_FILTERED] = "filtered", [OUTCOME_SAMPLED_OUT] = "sampled_out",
	[OUTCOME_LOST] = "lost",
};

static const char *const probe_depth_names[] = {
	[DEPTH_KERNEL] = "kernel",
	[DEPTH_ENTRY] = "entry",
	[DEPTH_FULL] = "full",
};

static const char *const alloc_function_names[NR_FUNCTIONS] = {
	[FUNCTION_MALLOC] = "malloc",
	[FUNCTION_CALLOC] = "calloc",
	[FUNCTION_REALLOC] = "realloc",
	[FUNCTION_MEMALIGN] = "memalign",
	[FUNCTION_POSIX_MEMALIGN] = "posix_memalign",
	[FUNCTION_VALLOC] = "valloc",
	[FUNCTION_PVALLOC] = "pvalloc",
	[FUNCTION_FREE] = "free",
	[FUNCTION_MALLOPT] = "mallopt",
	[FUNCTION_CALIBRATE] = "calibrate",
	[FUNCTION_RETURN] = "return",
	[FUNCTION_REALLOCARRAY] = "reallocarray",
};

static const char *const rule_reason_names[NR_RULE_REASONS] = {
	[RULE_MAP_LIMIT] = "map_limit",
	[RULE_MMAP_FAILED] = "mmap_failed",
	[RULE_SECONDARY_ARENA] = "secondary_arena",
	[RULE_FIRST_GROWTH] = "first_growth",
	[RULE_REMAPPED] = "remapped",
	[RULE_RACED] = "raced",
};

/* A new enum value without a name yields NULL in its table: "?" as well. */
static const char *name_in(const char *const *names, size_t count, size_t index)
{
	return index < count && names[index] ? names[index] : "?";
}

#define NAME_IN(names, index) name_in(names, sizeof(names) / sizeof((names)[0]), index)

const char *path__name(enum alloc_path path)
{
	return NAME_IN(path_names, path);
}

const char *release__name(enum release release)
{
	return NAME_IN(release_names, release);
}

const char *home__name(enum home home)
{
	return NAME_IN(home_names, home);
}

const char *region__name(enum region region)
{
	return NAME_IN(region_names, region);
}

const char *fault_class__name(enum fault_class fault_class)
{
	return NAME_IN(fault_class_names, fault_class);
}

const char *loss__name(enum loss loss)
{
	return NAME_IN(loss_names, loss);
}

const char *event_kind__name(enum event_kind kind)
{
	return NAME_IN(event_kind_names, kind);
}

const char *outcome__name(enum outcome outcome)
{
	return NAME_IN(outcome_names, outcome);
}

const char *probe_depth__name(enum probe_depth depth)
{
	return NAME_IN(probe_depth_names, depth);
}

const char *alloc_function__name(enum alloc_function function)
{
	return NAME_IN(alloc_function_names, function);
}

const char *rule_reason__name(enum rule_reason reason)
{
	return NAME_IN(rule_reason_names, reason);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic on profiles: sums, merging, grouping, the difference of two. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "profile_estimate.h"
#include "profile_samples.h"

/* Counters and rows are __u64 only (asserted in contract.h): they add and subtract as arrays. */
#define NR_ROW_FIELDS (sizeof(struct size_row) / sizeof(__u64))

void profile_process__free(struct profile_process *process)
{
	free(process->comm);
	free(process->exe);
	free(process->cgroup);
	free(process->allocator);
	free(process->sizes);
	free(process->calls);
	free(process->shares);
	for (size_t i = 0; i < process->nr_mappings; i++) {
		free(process->mappings[i].path);
		free(process->mappings[i].build_id);
	}
	free(process->mappings);
	free(process->samples);
	profile_rule__free(process->rule);
	memset(process, 0, sizeof(*process));
}

int profile_place__compare(const void *left, const void *right)
{
	const struct profile_place *a = left, *b = right;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static void profile_file__free(struct profile_file *file)
{
	for (size_t i = 0; i < file->nr_functions; i++)
		free(file->functions[i].name);
	free(file->functions);
	free(file->path);
	free(file->build_id);
	free(file->allocator);
}

void profile__free(struct profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->nr_files; i++)
		profile_file__free(&profile->files[i]);
	for (size_t i = 0; i < profile->nr_refusals; i++) {
		free(profile->refusals[i].file);
		free(profile->refusals[i].why);
	}
	for (size_t i = 0; i < profile->nr_processes; i++)
		profile_process__free(&profile->processes[i]);
	free(profile->files);
	free(profile->refusals);
	free(profile->processes);
	free(profile->detached_why);
	for (size_t i = 0; i < profile->nr_objects; i++) {
		free(profile->objects[i].path);
		free(profile->objects[i].build_id);
	}
	free(profile->objects);
	free(profile->frames);
	free(profile->stacks);
	for (size_t i = 0; i < profile->nr_texts; i++)
		free(profile->texts[i]);
	free(profile->texts);
	free(profile->names);
	free(profile->places);
	memset(profile, 0, sizeof(*profile));
}

const char *profile_process__why_unprobed(const struct profile_process *process)
{
	static const char *const whys[NR_UNPROBED] = {
		[UNPROBED_LATE] = "begun after the allocation probes were detached",
		[UNPROBED_ALLOCATOR] = "maps no file with an allocator that is probed",
	};

	return whys[process->unprobed];
}

__u64 profile_process__requests(const struct profile_process *process)
{
	__u64 count = 0;

	for (int i = 0; i < NR_PATHS; i++)
		count += process->counters.paths[i].count;
	return count;
}

__u64 profile_process__request_bytes(const struct profile_process *process)
{
	__u64 bytes = 0;

	for (int i = 0; i < NR_PATHS; i++)
		bytes += process->counters.paths[i].bytes;
	return bytes;
}

enum probe_depth profile_process__depth(const struct profile_process *process,
					enum probe_depth depth)
{
	return process->unprobed ? DEPTH_KERNEL : depth;
}

__u64 profile_process__faults(const struct profile_process *process)
{
	__u64 count = 0;

	for (int i = 0; i < NR_FAULT_CLASSES; i++)
		count += process->counters.faults[i];
	return count;
}

__u64 profile_process__releases(const struct profile_process *process)
{
	__u64 count = 0;

	for (int i = 0; i < NR_RELEASES; i++)
		count += process->counters.releases[i];
	return count;
}

bool profile_process__limits(const struct profile_process *process, enum alloc_path path,
			     __u64 *min, __u64 *max)
{
	const struct path_limits *limits = &process->limits[path];

	if (!process->counters.paths[path].count || !limits->min_inverted || !limits->max_plus_one)
		return false;
	*min = ~limits->min_inverted;
	*max = limits->max_plus_one - 1;
	return true;
}

static void add_fields(void *into, const void *from, size_t count)
{
	__u64 *to = into;
	const __u64 *values = from;

	for (size_t i = 0; i < count; i++)
		to[i] += values[i];
}

/*
 * Counters only grow, so a difference below zero is a reading that does not belong to this run;
 * 0 is then nearer to the truth than 2^64.
 */
static void subtract_fields(void *from, const void *taken, size_t count)
{
	__u64 *to = from;
	const __u64 *values = taken;

	for (size_t i = 0; i < count; i++)
		to[i] = to[i] > values[i] ? to[i] - values[i] : 0;
}

/* Merges two sorted lists of rows. 0 or -ENOMEM; into is unchanged on error. */
static int add_sizes(struct profile_process *into, const struct profile_process *from)
{
	size_t a = 0, b = 0, count = 0;
	struct profile_size *merged;

	if (!from->nr_sizes)
		return 0;
	merged = malloc((into->nr_sizes + from->nr_sizes) * sizeof(*merged));
	if (!merged)
		return -ENOMEM;
	while (a < into->nr_sizes || b < from->nr_sizes) {
		bool take_a = a < into->nr_sizes &&
			      (b == from->nr_sizes ||
			       into->sizes[a].size_class <= from->sizes[b].size_class);
		bool take_b = b < from->nr_sizes &&
			      (a == into->nr_sizes ||
			       from->sizes[b].size_class <= into->sizes[a].size_class);

		merged[count] = take_a ? into->sizes[a] : from->sizes[b];
		if (take_a && take_b)
			add_fields(&merged[count].row, &from->sizes[b].row, NR_ROW_FIELDS);
		a += take_a;
		b += take_b;
		count++;
	}
	free(into->sizes);
	into->sizes = merged;
	into->nr_sizes = count;
	return 0;
}

int profile_process__add(struct profile_process *into, const struct profile_process *from)
{
	int err = profile_process__reserve_samples(into, from->nr_samples);

	if (!err)
		err = add_sizes(into, from);
	if (err)
		return err;
	profile_process__add_samples(into, from);
	add_fields(&into->counters, &from->counters, NR_COUNTERS);
	if (into->rule && from->rule)
		profile_rule__add(into->rule, from->rule);
	into->is_estimated |= from->is_estimated;
	into->requests_estimate = estimate__sum(into->requests_estimate, from->requests_estimate);
	into->bytes_estimate = estimate__sum(into->bytes_estimate, from->bytes_estimate);
	into->windows.counted += from->windows.counted;
	into->windows.counted_bytes += from->windows.counted_bytes;
	into->windows.dilated += from->windows.dilated;
	into->nr_shares = 0; /* their windows are not those of one process any more */
	into->live_count += from->live_count;
	into->live_bytes += from->live_bytes;
	into->members += from->members;
	into->exited = into->exited && from->exited;
	into->unprobed = into->unprobed && from->unprobed ? into->unprobed : PROBED;
	if (from->start_ns < into->start_ns)
		into->start_ns = from->start_ns;
	for (int i = 0; i < NR_PATHS; i++) {
		if (from->limits[i].min_inverted > into->limits[i].min_inverted)
			into->limits[i].min_inverted = from->limits[i].min_inverted;
		if (from->limits[i].max_plus_one > into->limits[i].max_plus_one)
			into->limits[i].max_plus_one = from->limits[i].max_plus_one;
	}
	return 0;
}

/* What could not be had is one group of its own, before all others. */
static int compare_names(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static const char *group_name(const struct profile_process *process, enum group_by by)
{
	if (by == GROUP_COMM)
		return process->comm;
	return by == GROUP_EXE ? process->exe : process->cgroup;
}

struct group_entry {
	const char *name;
	size_t index;
};

static int compare_group_entries(const void *a, const void *b)
{
	const struct group_entry *x = a, *y = b;
	int order = compare_names(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Closes the gaps that merged processes left. */
static void compact_processes(struct profile *profile)
{
	size_t kept = 0;

	for (size_t i = 0; i < profile->nr_processes; i++)
		if (profile->processes[i].members)
			profile->processes[kept++] = profile->processes[i];
	profile->nr_processes = kept;
}

int profile__group(struct profile *profile, enum group_by by)
{
	struct profile_process *processes = profile->processes;
	struct group_entry *entries;
	size_t first = 0;
	int err = 0;

	if (by == GROUP_PID || profile->nr_processes < 2)
		return 0;
	entries = calloc(profile->nr_processes, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < profile->nr_processes; i++)
		entries[i] = (struct group_entry){ group_name(&processes[i], by), i };
	qsort(entries, profile->nr_processes, sizeof(*entries), compare_group_entries);

	for (size_t i = 1; i < profile->nr_processes; i++) {
		if (compare_names(entries[first].name, entries[i].name)) {
			first = i;
			continue;
		}
		err = profile_process__add(&processes[entries[first].index],
					   &processes[entries[i].index]);
		if (err)
			break;
		/* At once, so that an error later leaves nothing counted twice. */
		profile_process__free(&processes[entries[i].index]);
	}
	compact_processes(profile);
	free(entries);
	return err;
}

static void subtract_sizes(struct profile_process *now, const struct profile_process *before)
{
	static const struct size_row nothing;
	size_t b = 0, kept = 0;

	for (size_t i = 0; i < now->nr_sizes; i++) {
		struct profile_size size = now->sizes[i];

		while (b < before->nr_sizes && before->sizes[b].size_class < size.size_class)
			b++;
		if (b < before->nr_sizes && before->sizes[b].size_class == size.size_class)
			subtract_fields(&size.row, &before->sizes[b].row, NR_ROW_FIELDS);
		if (memcmp(&size.row, &nothing, sizeof(nothing)) != 0)
			now->sizes[kept++] = size;
	}
	now->nr_sizes = kept;
}

struct id_entry {
	__u32 id;
	struct profile_process *process;
};

static int compare_id_entries(const void *a, const void *b)
{
	const struct id_entry *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct profile_process *find_process(const struct id_entry *by_id, size_t count, __u32 id)
{
	struct id_entry wanted = { id, NULL };
	const struct id_entry *found;

	found = bsearch(&wanted, by_id, count, sizeof(wanted), compare_id_entries);
	return found ? found->process : NULL;
}

/* Folds are few: as many as there are programs, and only when the process table was full. */
static struct profile_process *find_fold(struct profile *profile,
					 const struct profile_process *folded)
{
	for (size_t i = 0; i < profile->nr_processes; i++) {
		struct profile_process *process = &profile->processes[i];

		if (process->members > 1 && !compare_names(process->exe, folded->exe))
			return process;
	}
	return NULL;
}

/* Figures of the run as a whole. */
static void subtract_run(struct profile *now, const struct profile *before)
{
	double attached_s = now->coverage * now->duration_s - before->coverage * before->duration_s;

	now->duration_s -= before->duration_s;
	if (now->duration_s > 0)
		now->coverage = attached_s / now->duration_s;
	if (now->coverage > 1)
		now->coverage = 1;
	if (now->coverage < 0)
		now->coverage = 0;
	subtract_fields(now->events, before->events, sizeof(now->events) / sizeof(__u64));
	subtract_fields(now->losses, before->losses, NR_LOSSES);
	subtract_fields(now->sums, before->sums, sizeof(now->sums) / (sizeof(__u64)));
	subtract_fields(&now->cost.traps, &before->cost.traps, 1);
	subtract_fields(&now->cost.bpf_run_ns, &before->cost.bpf_run_ns, 1);
	subtract_fields(&now->cost.bpf_skipped, &before->cost.bpf_skipped, 1);
	profile_budget__subtract(&now->budget, &before->budget);
	now->cost.own_cpu_s -= before->cost.own_cpu_s;
}

int profile__subtract(struct profile *now, const struct profile *before)
{
	size_t count = now->nr_processes;
	struct id_entry *by_id;
	__u32 *stacks;

	by_id = calloc(count + 1, sizeof(*by_id));
	stacks = profile__match_stacks(now, before);
	if (!by_id || !stacks) {
		free(by_id);
		free(stacks);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		by_id[i] = (struct id_entry){ now->processes[i].id, &now->processes[i] };
	qsort(by_id, count, sizeof(*by_id), compare_id_entries);

	for (size_t i = 0; i < before->nr_processes; i++) {
		const struct profile_process *old = &before->processes[i];
		struct profile_process *process = find_process(by_id, count, old->id);

		if (!process)
			process = find_fold(now, old);
		if (!process)
			continue;
		subtract_fields(&process->counters, &old->counters, NR_COUNTERS);
		profile_process__subtract_windows(process, old);
		subtract_sizes(process, old);
		profile_process__subtract_samples(process, old, stacks);
	}
	free(stacks);
	free(by_id);
	subtract_run(now, before);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "recording_code.h"
#include "recording_parse.h"
#include "recording_rule.h"
#include "recording_stacks.h"
#include "recording_windows.h"

/* Ten times what a host of 10,000 processes needs. */
#define MAX_PROFILE_BYTES (256U << 20)

void *recording_parse__room(struct recording_parse *parse, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr + 1, size, &bytes) || bytes > MAX_PROFILE_BYTES - parse->used)
		return NULL;
	parse->used += bytes;
	return calloc(nr + 1, size);
}

void *recording_parse__append(struct recording_parse *parse, void *array, size_t nr, size_t size)
{
	size_t room = nr ? 2 * nr : 1;
	char *larger;

	if (nr & (nr - 1))
		return array;
	if (room * size > MAX_PROFILE_BYTES - parse->used)
		return NULL;
	larger = realloc(array, room * size);
	if (!larger)
		return NULL;
	memset(larger + nr * size, 0, (room - nr) * size);
	parse->used += (room - nr) * size;
	return larger;
}

int recording_parse__text(struct recording_parse *parse, const ProtobufCBinaryData *from,
			  char **text)
{
	free(*text);
	*text = NULL;
	if (!from->len)
		return 0;
	*text = recording_parse__room(parse, from->len, 1);
	if (!*text)
		return -ENOMEM;
	memcpy(*text, from->data, from->len);
	return 0;
}

int recording_parse__own_text(struct recording_parse *parse, const ProtobufCBinaryData *from,
			      char **text)
{
	int error = recording_parse__text(parse, from, text);

	if (error || *text)
		return error;
	*text = recording_parse__room(parse, 0, 1);
	return *text ? 0 : -ENOMEM;
}

static int parse__seconds(double from, double *into)
{
	if (!isfinite(from) || from < 0)
		return -EINVAL;
	if (from > 0)
		*into = from;
	return 0;
}

static int parse__depth(const char *name, enum probe_depth *depth)
{
	for (int i = DEPTH_KERNEL; i <= DEPTH_FULL; i++) {
		if (strcmp(name, probe_depth__name(i)) == 0) {
			*depth = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A part has the fields that it has: the others stay. */
static int parse__run(struct recording_parse *parse, const Recording__Recording *part)
{
	struct profile *profile = &parse->profile;
	const Recording__Cost *cost = part->cost;
	int error = 0;

	if (*part->depth)
		error = parse__depth(part->depth, &profile->depth);
	if (!error)
		error = parse__seconds(part->duration_s, &profile->duration_s);
	if (!error)
		error = parse__seconds(part->coverage, &profile->coverage);
	if (!error && part->detached_why.len)
		error = recording_parse__text(parse, &part->detached_why, &profile->detached_why);
	if (part->start_ns)
		profile->start_ns = part->start_ns;
	if (!error && part->budget)
		error = recording_windows__parse_budget(part->budget, &profile->budget);
	if (part->nr_cpus)
		profile->nr_cpus = part->nr_cpus;
	if (error || !cost)
		return error;
	profile->cost.traps = cost->traps;
	profile->cost.trap_ns = cost->trap_ns;
	profile->cost.own_bytes = cost->own_bytes;
	profile->cost.bpf_run_ns = cost->bpf_run_ns;
	profile->cost.has_bpf_run = cost->has_bpf_run;
	profile->cost.bpf_skipped = cost->bpf_skipped;
	return parse__seconds(cost->own_cpu_s, &profile->cost.own_cpu_s);
}

static void parse__books(struct recording_parse *parse, const Recording__Recording *part)
{
	struct profile *profile = &parse->profile;
	char name[COUNTER_NAME];

	for (size_t i = 0; i < part->n_event; i++) {
		for (int j = 0; j < NR_EVENT_KINDS * NR_OUTCOMES; j++) {
			event__name(j / NR_OUTCOMES, j % NR_OUTCOMES, name);
			if (strcmp(part->event[i]->name, name) == 0)
				profile->events[j / NR_OUTCOMES][j % NR_OUTCOMES] =
					part->event[i]->value;
		}
	}
	for (size_t i = 0; i < part->n_loss; i++)
		for (int j = 0; j < NR_LOSSES; j++)
			if (strcmp(part->loss[i]->name, loss__name(j)) == 0)
				profile->losses[j] = part->loss[i]->value;
}

static short counter__find(const char *name)
{
	char known[COUNTER_NAME];

	for (size_t i = 0; i < NR_COUNTERS; i++)
		if (counter__name(i, known) && strcmp(name, known) == 0)
			return (short)i;
	return -1;
}

static short path__find(const char *name)
{
	for (int i = 0; i < NR_PATHS; i++)
		if (strcmp(name, path__name(i)) == 0)
			return (short)i;
	return -1;
}

static short function__find(const char *name)
{
	for (int i = 0; i < NR_FUNCTIONS; i++)
		if (strcmp(name, alloc_function__name(i)) == 0)
			return (short)i;
	return -1;
}

static int name_list__add(struct name_list *list, char **names, size_t nr,
			  short (*find)(const char *name))
{
	if (nr > MAX_NAMES - list->nr)
		return -EINVAL;
	for (size_t i = 0; i < nr; i++)
		list->known[list->nr++] = find(names[i]);
	return 0;
}

static int parse__names(struct recording_parse *parse, const Recording__Recording *part)
{
	int error;

	error = name_list__add(&parse->counters, part->counter_name, part->n_counter_name,
			       counter__find);
	if (!error)
		error = name_list__add(&parse->paths, part->path_name, part->n_path_name,
				       path__find);
	if (!error)
		error = name_list__add(&parse->functions, part->function_name,
				       part->n_function_name, function__find);
	return error;
}

static int parse__file(struct recording_parse *parse, const Recording__ProbedFile *from,
		       struct profile_file *file)
{
	int error = recording_parse__own_text(parse, &from->path, &file->path);

	if (!error)
		error = recording_parse__text(parse, &from->build_id, &file->build_id);
	if (!error)
		error = recording_parse__text(parse, &from->allocator, &file->allocator);
	if (!error)
		error = parse__seconds(from->since_s, &file->since_s);
	if (error)
		return error;
	file->functions = recording_parse__room(parse, from->n_function, sizeof(*file->functions));
	if (!file->functions)
		return -ENOMEM;
	for (size_t i = 0; !error && i < from->n_function; i++) {
		struct profile_function *function = &file->functions[file->nr_functions++];

		function->offset = from->function[i]->offset;
		function->site = from->function[i]->site;
		function->kind = from->function[i]->stepped ? "stepped" : "emulated";
		error = recording_parse__own_text(parse, &from->function[i]->name, &function->name);
	}
	return error;
}

static int parse__files(struct recording_parse *parse, const Recording__Recording *part)
{
	struct profile *profile = &parse->profile;
	int error = 0;

	for (size_t i = 0; !error && i < part->n_file; i++) {
		struct profile_file *files;

		files = recording_parse__append(parse, profile->files, profile->nr_files,
						sizeof(*files));
		if (!files)
			return -ENOMEM;
		profile->files = files;
		error = parse__file(parse, part->file[i], &files[profile->nr_files++]);
	}
	for (size_t i = 0; !error && i < part->n_refusal; i++) {
		struct profile_refusal *refusals, *refusal;

		refusals = recording_parse__append(parse, profile->refusals, profile->nr_refusals,
						   sizeof(*refusals));
		if (!refusals)
			return -ENOMEM;
		profile->refusals = refusals;
		refusal = &refusals[profile->nr_refusals++];
		error = recording_parse__own_text(parse, &part->refusal[i]->file, &refusal->file);
		if (!error)
			error = recording_parse__own_text(parse, &part->refusal[i]->why,
							  &refusal->why);
	}
	return error;
}

int recording_parse__class(__u64 min)
{
	__u32 size_class = size_class__of(min);

	return size_class__min(size_class) == min ? (int)size_class : -EINVAL;
}

static int parse__sizes(struct recording_parse *parse, const Recording__Process *from,
			struct profile_process *process)
{
	process->sizes = recording_parse__room(parse, from->n_size, sizeof(*process->sizes));
	if (!process->sizes)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_size; i++) {
		const Recording__Size *size = from->size[i];
		struct profile_size *into = &process->sizes[i];
		int size_class = recording_parse__class(size->min);

		/* Views rest on their order. */
		if (size_class < 0 || (i && (__u32)size_class <= into[-1].size_class) ||
		    size->n_count > parse->paths.nr)
			return -EINVAL;
		into->size_class = (__u32)size_class;
		for (size_t j = 0; j < size->n_count; j++)
			if (parse->paths.known[j] >= 0)
				into->row.count[parse->paths.known[j]] = size->count[j];
		into->row.bytes = size->bytes;
		into->row.own_requested_bytes = size->own_requested_bytes;
		into->row.own_touched_bytes = size->own_touched_bytes;
		process->nr_sizes++;
	}
	for (size_t i = 0; i < from->n_limits; i++) {
		const Recording__Limits *limits = from->limits[i];
		short path;

		if (limits->path >= parse->paths.nr || limits->max == ~0ULL)
			return -EINVAL;
		path = parse->paths.known[limits->path];
		if (path < 0)
			continue;
		process->limits[path].min_inverted = ~limits->min;
		process->limits[path].max_plus_one = limits->max + 1;
	}
	return 0;
}

static int parse__calls(struct recording_parse *parse, const Recording__Process *from,
			struct profile_process *process)
{
	int error = 0;

	process->calls = recording_parse__room(parse, from->n_call, sizeof(*process->calls));
	process->mappings =
		recording_parse__room(parse, from->n_mapping, sizeof(*process->mappings));
	if (!process->calls || !process->mappings)
		return -ENOMEM;
	for (size_t i = 0; !error && i < from->n_mapping; i++) {
		const Recording__CallerMapping *mapping = from->mapping[i];
		struct profile_mapping *into = &process->mappings[process->nr_mappings++];

		into->start = mapping->start;
		into->limit = mapping->limit;
		into->offset = mapping->offset;
		error = recording_parse__own_text(parse, &mapping->path, &into->path);
		if (!error)
			error = recording_parse__text(parse, &mapping->build_id, &into->build_id);
	}
	for (size_t i = 0; !error && i < from->n_call; i++) {
		const Recording__Call *call = from->call[i];
		struct profile_call *into = &process->calls[process->nr_calls];
		int size_class = recording_parse__class(call->min);

		if (size_class < 0 || call->mapping > from->n_mapping ||
		    call->path >= parse->paths.nr || call->function >= parse->functions.nr)
			return -EINVAL;
		if (parse->paths.known[call->path] < 0 ||
		    parse->functions.known[call->function] < 0)
			continue; /* as if it had not been kept */
		into->caller = call->caller;
		into->mapping = call->mapping;
		into->size_class = (__u16)size_class;
		into->path = (__u8)parse->paths.known[call->path];
		into->function = (__u8)parse->functions.known[call->function];
		into->count = call->count;
		into->bytes = call->bytes;
		process->nr_calls++;
	}
	return error;
}

static int parse__windows(struct recording_parse *parse, const Recording__Windows *from,
			  struct profile_process *process)
{
	process->shares = recording_parse__room(parse, from->n_share, sizeof(*process->shares));
	return process->shares ? recording_windows__parse(from, process) : -ENOMEM;
}

static int parse__process(struct recording_parse *parse, const Recording__Process *from,
			  struct profile_process *process)
{
	__u64 *counters = (__u64 *)&process->counters;
	int error;

	process->id = from->id;
	process->members = from->members ? from->members : 1;
	process->pid = from->pid;
	process->ns_pid = from->ns_pid;
	process->parent_pid = from->parent_pid;
	process->uid = from->uid;
	process->execs = from->execs;
	process->start_ns = from->start_ns;
	process->exited = from->exited;
	process->unprobed = from->unprobed < NR_UNPROBED ? from->unprobed : UNPROBED_LATE;
	process->live_count = from->live_count;
	process->live_bytes = from->live_bytes;
	if (from->n_counter > parse->counters.nr)
		return -EINVAL;
	for (size_t i = 0; i < from->n_counter; i++)
		if (parse->counters.known[i] >= 0)
			counters[parse->counters.known[i]] = from->counter[i];
	error = recording_parse__own_text(parse, &from->comm, &process->comm);
	if (!error)
		error = recording_parse__text(parse, &from->exe, &process->exe);
	if (!error)
		error = recording_parse__text(parse, &from->cgroup, &process->cgroup);
	if (!error)
		error = recording_parse__text(parse, &from->allocator, &process->allocator);
	if (!error)
		error = parse__sizes(parse, from, process);
	if (!error)
		error = parse__calls(parse, from, process);
	if (!error && from->rule)
		error = recording_rule__parse(parse, from->rule, &process->rule);
	if (!error && from->windows)
		error = parse__windows(parse, from->windows, process);
	if (!error)
		error = recording_stacks__parse_samples(parse, from, process);
	return error;
}

int recording_parse__part(struct recording_parse *parse, const Recording__Recording *part)
{
	struct profile *profile = &parse->profile;
	int error;

	if (!parse->version)
		parse->version = part->version;
	if (!parse->version)
		return -EINVAL;
	if (parse->version > RECORDING_VERSION)
		return -ENOTSUP;
	error = parse__run(parse, part);
	if (error)
		return error;
	parse__books(parse, part);
	error = parse__names(parse, part);
	if (!error)
		error = parse__files(parse, part);
	if (!error)
		error = recording_stacks__parse(parse, part);
	if (!error)
		error = recording_code__parse(parse, part);
	for (size_t i = 0; !error && i < part->n_process; i++) {
		struct profile_process *processes;

		processes = recording_parse__append(parse, profile->processes,
						    profile->nr_processes, sizeof(*processes));
		if (!processes)
			return -ENOMEM;
		profile->processes = processes;
		error = parse__process(parse, part->process[i],
				       &processes[profile->nr_processes++]);
	}
	return error;
}

void recording_parse__free(struct recording_parse *parse)
{
	profile__free(&parse->profile);
}

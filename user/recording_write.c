/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pprof.h"
#include "pprof_samples.h"
#include "recording.h"
#include "recording_code.h"
#include "recording_names.h"
#include "recording_rule.h"
#include "recording_stacks.h"
#include "recording_windows.h"
#include "report.h"

#define NR_EVENTS (NR_EVENT_KINDS * NR_OUTCOMES)

/* NULL is an empty text. */
static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){
		.len = text ? strlen(text) : 0,
		.data = (unsigned char *)text,
	};
}

/* The first part: the version, and the run as a whole. */
static void put_run(struct pprof *pprof, const struct profile *profile)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__Cost cost = RECORDING__COST__INIT;
	Recording__Budget budget;

	recording.version = RECORDING_VERSION;
	recording.tool = bytes_of("allocpath " ALLOCPATH_VERSION);
	recording.depth = (char *)probe_depth__name(profile->depth);
	recording.start_ns = profile->start_ns;
	recording.duration_s = profile->duration_s;
	recording.coverage = profile->coverage;
	recording.detached_why = bytes_of(profile->detached_why);
	recording.nr_cpus = profile->nr_cpus;
	cost.traps = profile->cost.traps;
	cost.trap_ns = profile->cost.trap_ns;
	cost.own_cpu_s = profile->cost.own_cpu_s;
	cost.own_bytes = profile->cost.own_bytes;
	cost.bpf_run_ns = profile->cost.bpf_run_ns;
	cost.has_bpf_run = profile->cost.has_bpf_run;
	cost.bpf_skipped = profile->cost.bpf_skipped;
	recording.cost = &cost;
	recording_windows__fill_budget(&budget, &profile->budget);
	if (profile->budget.share > 0)
		recording.budget = &budget;
	pprof__put_recording(pprof, &recording);
}

static void put_books(struct pprof *pprof, const struct profile *profile)
{
	Recording__NamedValue events[NR_EVENTS], *event_list[NR_EVENTS];
	Recording__NamedValue losses[NR_LOSSES], *loss_list[NR_LOSSES];
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	char names[NR_EVENTS][COUNTER_NAME];

	for (int i = 0; i < NR_EVENTS; i++) {
		event__name(i / NR_OUTCOMES, i % NR_OUTCOMES, names[i]);
		recording__named_value__init(&events[i]);
		events[i].name = names[i];
		events[i].value = profile->events[i / NR_OUTCOMES][i % NR_OUTCOMES];
		event_list[i] = &events[i];
	}
	for (int i = 0; i < NR_LOSSES; i++) {
		recording__named_value__init(&losses[i]);
		losses[i].name = (char *)loss__name(i);
		losses[i].value = profile->losses[i];
		loss_list[i] = &losses[i];
	}
	recording.event = event_list;
	recording.n_event = NR_EVENTS;
	recording.loss = loss_list;
	recording.n_loss = NR_LOSSES;
	pprof__put_recording(pprof, &recording);
}

/* What the lists of numbers go by; before the first process. */
static void put_names(struct pprof *pprof)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	char *counters[NR_COUNTERS], *paths[NR_PATHS], *functions[NR_FUNCTIONS];
	char names[NR_COUNTERS][COUNTER_NAME];

	for (size_t i = 0; i < NR_COUNTERS; i++) {
		if (!counter__name(i, names[i]))
			names[i][0] = 0;
		counters[i] = names[i];
	}
	for (int i = 0; i < NR_PATHS; i++)
		paths[i] = (char *)path__name(i);
	for (int i = 0; i < NR_FUNCTIONS; i++)
		functions[i] = (char *)alloc_function__name(i);
	recording.counter_name = counters;
	recording.n_counter_name = NR_COUNTERS;
	recording.path_name = paths;
	recording.n_path_name = NR_PATHS;
	recording.function_name = functions;
	recording.n_function_name = NR_FUNCTIONS;
	pprof__put_recording(pprof, &recording);
}

static int put_file(struct pprof *pprof, const struct profile_file *from)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__ProbedFile file = RECORDING__PROBED_FILE__INIT, *files = &file;
	Recording__ProbedFunction *functions, **list;

	functions = calloc(from->nr_functions + 1, sizeof(*functions));
	list = calloc(from->nr_functions + 1, sizeof(*list));
	if (!functions || !list) {
		free(functions);
		free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->nr_functions; i++) {
		recording__probed_function__init(&functions[i]);
		functions[i].name = bytes_of(from->functions[i].name);
		functions[i].offset = from->functions[i].offset;
		functions[i].site = from->functions[i].site;
		functions[i].stepped = strcmp(from->functions[i].kind, "stepped") == 0;
		list[i] = &functions[i];
	}
	file.path = bytes_of(from->path);
	file.build_id = bytes_of(from->build_id);
	file.allocator = bytes_of(from->allocator);
	file.since_s = from->since_s;
	file.function = list;
	file.n_function = from->nr_functions;
	recording.file = &files;
	recording.n_file = 1;
	pprof__put_recording(pprof, &recording);
	free(functions);
	free(list);
	return 0;
}

static void put_refusal(struct pprof *pprof, const struct profile_refusal *from)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__Refusal refusal = RECORDING__REFUSAL__INIT, *refusals = &refusal;

	refusal.file = bytes_of(from->file);
	refusal.why = bytes_of(from->why);
	recording.refusal = &refusals;
	recording.n_refusal = 1;
	pprof__put_recording(pprof, &recording);
}

/* The arrays of one process, made and freed as one. */
struct process_parts {
	Recording__Limits limits[NR_PATHS], *limit_list[NR_PATHS];
	Recording__Size *sizes, **size_list;
	Recording__Call *calls, **call_list;
	Recording__CallerMapping *mappings, **mapping_list;
	Recording__Sample *samples, **sample_list;
	struct recording_rule *rule;
	struct recording_windows windows;
};

static int process_parts__make(struct process_parts *parts, const struct profile_process *from)
{
	parts->sizes = calloc(from->nr_sizes + 1, sizeof(*parts->sizes));
	parts->size_list = calloc(from->nr_sizes + 1, sizeof(*parts->size_list));
	parts->calls = calloc(from->nr_calls + 1, sizeof(*parts->calls));
	parts->call_list = calloc(from->nr_calls + 1, sizeof(*parts->call_list));
	parts->mappings = calloc(from->nr_mappings + 1, sizeof(*parts->mappings));
	parts->mapping_list = calloc(from->nr_mappings + 1, sizeof(*parts->mapping_list));
	parts->samples = calloc(from->nr_samples + 1, sizeof(*parts->samples));
	parts->sample_list = calloc(from->nr_samples + 1, sizeof(*parts->sample_list));
	if (!parts->sizes || !parts->size_list || !parts->calls || !parts->call_list ||
	    !parts->mappings || !parts->mapping_list || !parts->samples || !parts->sample_list)
		return -ENOMEM;
	return from->is_estimated ? recording_windows__fill(&parts->windows, from) : 0;
}

static void process_parts__free(struct process_parts *parts)
{
	free(parts->sizes);
	free(parts->size_list);
	free(parts->calls);
	free(parts->call_list);
	free(parts->mappings);
	free(parts->mapping_list);
	free(parts->samples);
	free(parts->sample_list);
	recording_rule__free(parts->rule);
	recording_windows__free(&parts->windows);
}

static void fill_sizes(Recording__Process *process, struct process_parts *parts,
		       const struct profile_process *from)
{
	for (size_t i = 0; i < from->nr_sizes; i++) {
		const struct profile_size *size = &from->sizes[i];
		Recording__Size *into = parts->size_list[i] = &parts->sizes[i];

		recording__size__init(into);
		into->min = size_class__min(size->size_class);
		into->count = (uint64_t *)size->row.count;
		into->n_count = NR_PATHS;
		into->bytes = size->row.bytes;
		into->own_requested_bytes = size->row.own_requested_bytes;
		into->own_touched_bytes = size->row.own_touched_bytes;
	}
	process->size = parts->size_list;
	process->n_size = from->nr_sizes;
	for (int path = 0; path < NR_PATHS; path++) {
		Recording__Limits *into = &parts->limits[process->n_limits];
		__u64 min, max;

		if (!profile_process__limits(from, path, &min, &max))
			continue;
		recording__limits__init(into);
		into->path = path;
		into->min = min;
		into->max = max;
		parts->limit_list[process->n_limits++] = into;
	}
	process->limits = parts->limit_list;
}

static void fill_calls(Recording__Process *process, struct process_parts *parts,
		       const struct profile_process *from)
{
	for (size_t i = 0; i < from->nr_calls; i++) {
		const struct profile_call *call = &from->calls[i];
		Recording__Call *into = parts->call_list[i] = &parts->calls[i];

		recording__call__init(into);
		into->caller = call->caller;
		into->mapping = call->mapping;
		into->min = size_class__min(call->size_class);
		into->path = call->path;
		into->function = call->function;
		into->count = call->count;
		into->bytes = call->bytes;
	}
	process->call = parts->call_list;
	process->n_call = from->nr_calls;
	for (size_t i = 0; i < from->nr_mappings; i++) {
		const struct profile_mapping *mapping = &from->mappings[i];
		Recording__CallerMapping *into = parts->mapping_list[i] = &parts->mappings[i];

		recording__caller_mapping__init(into);
		into->start = mapping->start;
		into->limit = mapping->limit;
		into->offset = mapping->offset;
		into->path = bytes_of(mapping->path);
		into->build_id = bytes_of(mapping->build_id);
	}
	process->mapping = parts->mapping_list;
	process->n_mapping = from->nr_mappings;
}

static int put_process(struct pprof *pprof, const struct profile_process *from)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__Process process = RECORDING__PROCESS__INIT, *processes = &process;
	struct process_parts parts = {};
	int error = process_parts__make(&parts, from);

	process.id = from->id;
	process.members = from->members;
	process.pid = from->pid;
	process.ns_pid = from->ns_pid;
	process.parent_pid = from->parent_pid;
	process.uid = from->uid;
	process.execs = from->execs;
	process.start_ns = from->start_ns;
	process.exited = from->exited;
	process.unprobed = from->unprobed;
	process.comm = bytes_of(from->comm);
	process.exe = bytes_of(from->exe);
	process.cgroup = bytes_of(from->cgroup);
	process.allocator = bytes_of(from->allocator);
	process.counter = (uint64_t *)&from->counters;
	process.n_counter = NR_COUNTERS;
	process.live_count = from->live_count;
	process.live_bytes = from->live_bytes;
	recording.process = &processes;
	recording.n_process = 1;
	if (!error) {
		fill_sizes(&process, &parts, from);
		fill_calls(&process, &parts, from);
		recording_stacks__fill_samples(parts.samples, parts.sample_list, from);
		process.sample = parts.sample_list;
		process.n_sample = from->nr_samples;
	}
	if (!error && from->rule) {
		parts.rule = recording_rule__make(from->rule);
		error = parts.rule ? 0 : -ENOMEM;
	}
	if (!error) {
		process.rule = parts.rule ? recording_rule__message(parts.rule) : NULL;
		if (from->is_estimated)
			process.windows = &parts.windows.message;
		pprof__put_recording(pprof, &recording);
	}
	process_parts__free(&parts);
	return error;
}

/* What people see with "go tool pprof -comments", and the times. */
static void put_times(struct pprof *pprof, const struct profile *profile)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	struct timespec now;
	char comment[128];
	__u64 lost = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	part.duration_nanos = (__s64)(profile->duration_s * 1e9);
	part.time_nanos = now.tv_sec * 1000000000LL + now.tv_nsec - part.duration_nanos;
	pprof__put(pprof, &part);
	for (int i = 0; i < NR_LOSSES; i++)
		lost += profile->losses[i];
	snprintf(comment, sizeof(comment), "allocpath %s, probes %s, %zu processes, %llu lost",
		 ALLOCPATH_VERSION, probe_depth__name(profile->depth), profile->nr_processes, lost);
	pprof__comment(pprof, comment);
}

int recording__write(FILE *out, const struct profile *profile, struct symbols *symbols)
{
	struct pprof pprof;
	int error, closed;

	error = pprof__open(&pprof, out);
	if (error)
		return error;
	put_run(&pprof, profile);
	put_books(&pprof, profile);
	put_names(&pprof);
	for (size_t i = 0; !error && i < profile->nr_files; i++)
		error = put_file(&pprof, &profile->files[i]);
	for (size_t i = 0; i < profile->nr_refusals; i++)
		put_refusal(&pprof, &profile->refusals[i]);
	if (!error)
		error = recording_stacks__put(&pprof, profile);
	if (!error)
		error = recording_code__put(&pprof, profile, symbols);
	for (size_t i = 0; !error && i < profile->nr_processes; i++)
		error = put_process(&pprof, &profile->processes[i]);
	put_times(&pprof, profile);
	if (!error)
		pprof_samples__write(&pprof, profile, symbols);
	closed = pprof__close(&pprof);
	if (!error)
		error = closed;
	return error ? error : report__flush(out);
}

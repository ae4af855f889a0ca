/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON of "allocpath hist --json", schema 1. What the depth cannot see is null, never 0. Names
 * and their meaning are the contract; a new key may be added, none may change.
 */
#include <errno.h>

#include "json.h"
#include "report.h"
#include "report_sampling.h"
#include "report_stacks.h"
#include "report_estimate.h"

#define SCHEMA 1

/* The contract's order of paths. */
static const enum alloc_path path_order[NR_PATHS] = { PATH_POOL, PATH_BRK, PATH_MMAP, PATH_ARENA,
						      PATH_REMAP };

static void write_ledger(struct json *json, const struct profile *profile)
{
	__u64 total = 0;

	json__begin_object(json, "ledger");
	for (int kind = 0; kind < NR_EVENT_KINDS; kind++) {
		json__begin_object(json, event_kind__name(kind));
		for (int outcome = 0; outcome < NR_OUTCOMES; outcome++)
			json__u64(json, outcome__name(outcome), profile->events[kind][outcome]);
		json__end_object(json);
	}
	json__end_object(json);

	json__begin_object(json, "lost");
	for (int loss = 0; loss < NR_LOSSES; loss++) {
		json__u64(json, loss__name(loss), profile->losses[loss]);
		total += profile->losses[loss];
	}
	json__u64(json, "total", total);
	json__end_object(json);
}

static void write_cost(struct json *json, const struct profile *profile)
{
	const struct profile_cost *cost = &profile->cost;

	json__begin_object(json, "cost");
	json__u64(json, "traps", cost->traps);
	json__u64(json, "trap_ns", cost->trap_ns);
	json__double(json, "own_cpu_s", cost->own_cpu_s);
	json__u64(json, "own_bytes", cost->own_bytes);
	json__u64_or_null(json, "bpf_run_ns", cost->has_bpf_run, cost->bpf_run_ns);
	json__u64(json, "bpf_skipped", cost->bpf_skipped);
	json__string(json, "detached", profile->detached_why);
	json__end_object(json);
}

static void write_attached(struct json *json, const struct profile *profile)
{
	json__begin_array(json, "attached");
	for (size_t i = 0; i < profile->nr_files; i++) {
		const struct profile_file *file = &profile->files[i];

		json__begin_object(json, NULL);
		json__string(json, "file", file->path);
		json__string(json, "build_id", file->build_id);
		json__string(json, "allocator", file->allocator);
		json__begin_array(json, "functions");
		for (size_t j = 0; j < file->nr_functions; j++) {
			const struct profile_function *function = &file->functions[j];

			json__begin_object(json, NULL);
			json__string(json, "name", function->name);
			json__u64(json, "offset", function->offset);
			json__u64(json, "site", function->site);
			json__string(json, "kind", function->kind);
			json__end_object(json);
		}
		json__end_array(json);
		json__double(json, "since_s", file->since_s);
		json__end_object(json);
	}
	json__end_array(json);

	json__begin_array(json, "not_attached");
	for (size_t i = 0; i < profile->nr_refusals; i++) {
		json__begin_object(json, NULL);
		json__string(json, "file", profile->refusals[i].file);
		json__string(json, "why", profile->refusals[i].why);
		json__end_object(json);
	}
	json__end_array(json);
}

static void write_identity(struct json *json, const struct profile_process *process)
{
	json__u64(json, "id", process->id);
	if (process->members > 1)
		json__u64(json, "members", process->members);
	json__u64(json, "pid", process->pid);
	json__u64_or_null(json, "nspid", process->ns_pid, process->ns_pid);
	json__u64(json, "ppid", process->parent_pid);
	json__u64(json, "uid", process->uid);
	json__u64(json, "start_ns", process->start_ns);
	json__u64(json, "execs", process->execs);
	json__string(json, "comm", process->comm);
	json__string(json, "exe", process->exe);
	json__string(json, "cgroup", process->cgroup);
	json__string(json, "allocator", process->allocator);
	json__bool(json, "exited", process->exited);
}

static void write_paths(struct json *json, const struct profile_process *process)
{
	json__begin_object(json, "paths");
	for (int i = 0; i < NR_PATHS; i++) {
		enum alloc_path path = path_order[i];
		__u64 min, max;

		json__begin_object(json, path__name(path));
		json__u64(json, "count", process->counters.paths[path].count);
		json__u64(json, "bytes", process->counters.paths[path].bytes);
		if (profile_process__limits(process, path, &min, &max)) {
			json__u64(json, "min_size", min);
			json__u64(json, "max_size", max);
		} else {
			json__null(json, "min_size");
			json__null(json, "max_size");
		}
		json__end_object(json);
	}
	json__end_object(json);
}

static void write_sizes(struct json *json, const struct profile_process *process)
{
	json__begin_array(json, "sizes");
	for (size_t i = 0; i < process->nr_sizes; i++) {
		const struct profile_size *size = &process->sizes[i];
		__u64 count = 0;

		for (int path = 0; path < NR_PATHS; path++)
			count += size->row.count[path];
		/* A row may hold touches alone: of a block that was asked for in an earlier interval. */
		if (!count)
			continue;
		json__begin_object(json, NULL);
		json__u64(json, "min", size_class__min(size->size_class));
		json__u64(json, "max", size_class__max(size->size_class));
		json__u64(json, "count", count);
		json__u64(json, "bytes", size->row.bytes);
		report_estimate__write_json_share(json, process, size->size_class);
		for (int path = 0; path < NR_PATHS; path++)
			json__u64(json, path__name(path_order[path]),
				  size->row.count[path_order[path]]);
		json__end_object(json);
	}
	json__end_array(json);
}

static void write_requests(struct json *json, const struct profile_process *process,
			   enum probe_depth depth)
{
	if (depth == DEPTH_KERNEL) {
		json__null(json, "requests");
		json__null(json, "paths");
		json__null(json, "sizes");
		return;
	}
	json__begin_object(json, "requests");
	json__u64(json, "count", profile_process__requests(process));
	json__u64(json, "bytes", profile_process__request_bytes(process));
	json__u64(json, "failed", process->counters.failed);
	json__u64(json, "unknown_result", process->counters.unknown_result);
	report_estimate__write_json(json, process);
	json__end_object(json);
	write_paths(json, process);
	write_sizes(json, process);
}

/* What the allocator itself does not count. */
static void write_inner(struct json *json, const struct profile_process *process,
			enum probe_depth depth)
{
	if (depth == DEPTH_KERNEL) {
		json__null(json, "orphans");
		json__null(json, "internal");
		json__null(json, "mallopt_calls");
		return;
	}
	json__u64(json, "orphans", process->counters.orphans);
	json__u64(json, "internal", process->counters.internal);
	json__u64(json, "mallopt_calls", process->counters.mallopt_calls);
}

static void write_blocks(struct json *json, const struct profile_process *process,
			 enum probe_depth depth)
{
	static const enum release order[NR_RELEASES] = {
		RELEASE_KEPT, RELEASE_MUNMAP, RELEASE_TRIM, RELEASE_MADVISE, RELEASE_REMAP,
	};
	const struct process_counters *counters = &process->counters;

	if (depth != DEPTH_FULL) {
		json__null(json, "home");
		json__null(json, "releases");
		json__null(json, "live");
		return;
	}
	json__begin_object(json, "home");
	for (int home = 0; home < NR_HOMES; home++)
		json__u64(json, home__name(home), counters->home[home]);
	json__end_object(json);

	json__begin_object(json, "releases");
	json__u64(json, "count", profile_process__releases(process));
	json__u64(json, "bytes", counters->release_bytes);
	for (int i = 0; i < NR_RELEASES; i++)
		json__u64(json, release__name(order[i]), counters->releases[order[i]]);
	json__u64(json, "of_unknown", counters->release_of_unknown);
	json__end_object(json);

	json__begin_object(json, "live");
	json__u64(json, "count", process->live_count);
	json__u64(json, "bytes", process->live_bytes);
	json__end_object(json);
}

/* One call's object: calls, failed, and the figures that only it has. */
struct call_field {
	const char *name;
	__u64 value;
};

static void write_call(struct json *json, const char *name, const struct call_field *fields)
{
	json__begin_object(json, name);
	for (; fields->name; fields++)
		json__u64(json, fields->name, fields->value);
	json__end_object(json);
}

static void write_syscalls(struct json *json, const struct process_counters *counters)
{
	const struct call_field brk[] = {
		{ "calls", counters->brk_calls },
		{ "failed", counters->brk_failed },
		{ "grown_bytes", counters->brk_grown_bytes },
		{ "shrunk_bytes", counters->brk_shrunk_bytes },
		{ NULL, 0 },
	};
	const struct call_field mmap[] = {
		{ "calls", counters->mmap_calls },
		{ "failed", counters->mmap_failed },
		{ "anon_bytes", counters->mmap_anon_bytes },
		{ "file_bytes", counters->mmap_file_bytes },
		{ "stack_bytes", counters->mmap_stack_bytes },
		{ "populated_bytes", counters->mmap_populated_bytes },
		{ NULL, 0 },
	};
	const struct call_field munmap[] = {
		{ "calls", counters->munmap_calls },
		{ "failed", counters->munmap_failed },
		{ "bytes", counters->munmap_bytes },
		{ NULL, 0 },
	};
	const struct call_field mremap[] = {
		{ "calls", counters->mremap_calls },
		{ "failed", counters->mremap_failed },
		{ "grown_bytes", counters->mremap_grown_bytes },
		{ "shrunk_bytes", counters->mremap_shrunk_bytes },
		{ NULL, 0 },
	};
	const struct call_field mprotect[] = {
		{ "calls", counters->mprotect_calls },
		{ "failed", counters->mprotect_failed },
		{ "bytes", counters->mprotect_bytes },
		{ NULL, 0 },
	};
	const struct call_field madvise[] = {
		{ "calls", counters->madvise_calls },
		{ "failed", counters->madvise_failed },
		{ "dontneed_bytes", counters->madvise_dontneed_bytes },
		{ "free_bytes", counters->madvise_free_bytes },
		{ NULL, 0 },
	};

	json__begin_object(json, "syscalls");
	write_call(json, "brk", brk);
	write_call(json, "mmap", mmap);
	write_call(json, "munmap", munmap);
	write_call(json, "mremap", mremap);
	write_call(json, "mprotect", mprotect);
	write_call(json, "madvise", madvise);
	json__end_object(json);
}

/* Which mapping is a request's own, and which an arena's, only the allocation probes know. */
static void write_first_touch(struct json *json, const struct process_counters *counters,
			      enum probe_depth depth)
{
	json__begin_object(json, "first_touch");
	json__u64(json, "count", counters->faults[FAULT_FIRST_TOUCH]);
	json__u64(json, "bytes", counters->first_touch_bytes);
	for (int region = 0; region < NR_REGIONS; region++) {
		if (depth == DEPTH_KERNEL &&
		    (region == REGION_OWN_MAPPING || region == REGION_ARENA))
			json__null(json, region__name(region));
		else
			json__u64(json, region__name(region),
				  counters->first_touch_region_bytes[region]);
	}
	json__u64(json, "of_growth", counters->growth_touched_bytes);
	json__begin_array(json, "by_bytes");
	for (int order = 0; order < NR_FAULT_ORDERS; order++) {
		if (!counters->first_touch_orders[order])
			continue;
		json__begin_object(json, NULL);
		json__u64(json, "bytes", 4096ULL << order);
		json__u64(json, "count", counters->first_touch_orders[order]);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

static void write_faults(struct json *json, const struct profile_process *process,
			 enum probe_depth depth)
{
	const struct process_counters *counters = &process->counters;

	json__begin_object(json, "faults");
	json__u64(json, "total", profile_process__faults(process));
	write_first_touch(json, counters, depth);
	for (int i = FAULT_FIRST_TOUCH + 1; i < NR_FAULT_CLASSES; i++)
		json__u64(json, fault_class__name(i), counters->faults[i]);
	json__u64(json, "major", counters->faults_major);
	json__u64(json, "kernel_mode", counters->faults_kernel_mode);
	json__u64(json, "probe", counters->faults_probe);
	json__u64(json, "unended", counters->faults_unended);
	json__u64(json, "file_private_bytes", counters->file_private_bytes);
	json__end_object(json);
	json__u64(json, "populated_bytes", counters->populated_bytes);
	json__u64(json, "foreign_bytes", counters->foreign_bytes);
	json__u64(json, "probe_bytes", counters->probe_bytes);
}

static void write_touched(struct json *json, const struct profile_process *process,
			  enum probe_depth depth)
{
	if (depth == DEPTH_KERNEL) {
		json__null(json, "touched");
		return;
	}
	json__begin_array(json, "touched");
	for (size_t i = 0; i < process->nr_sizes; i++) {
		const struct profile_size *size = &process->sizes[i];

		if (!size->row.own_requested_bytes && !size->row.own_touched_bytes)
			continue;
		json__begin_object(json, NULL);
		json__u64(json, "min", size_class__min(size->size_class));
		json__u64(json, "max", size_class__max(size->size_class));
		json__u64(json, "requested_bytes", size->row.own_requested_bytes);
		json__u64(json, "touched_bytes", size->row.own_touched_bytes);
		json__end_object(json);
	}
	json__end_array(json);
}

void report_json__write_counts(struct json *json, const struct profile_process *process)
{
	write_requests(json, process, DEPTH_FULL);
	write_blocks(json, process, DEPTH_FULL);
	write_syscalls(json, &process->counters);
}

static int write_process(struct json *json, const struct profile_process *process,
			 const struct profile *profile, const struct stack_style *stacks)
{
	enum probe_depth depth = profile_process__depth(process, profile->depth);
	int error;

	json__begin_object(json, NULL);
	write_identity(json, process);
	json__string(json, "requests_why", profile_process__why_unprobed(process));
	write_requests(json, process, depth);
	write_inner(json, process, depth);
	write_blocks(json, process, depth);
	write_syscalls(json, &process->counters);
	write_faults(json, process, depth);
	write_touched(json, process, depth);
	error = report_stacks__write_json(json, process, profile, stacks);
	json__end_object(json);
	return error;
}

int report_json__write(FILE *out, const struct profile *profile, const struct stack_style *stacks)
{
	static const struct stack_style no_stacks;
	struct json json = { .out = out };
	int error = 0;

	json__begin_object(&json, NULL);
	json__u64(&json, "schema", SCHEMA);
	json__string(&json, "tool", "allocpath");
	json__string(&json, "version", ALLOCPATH_VERSION);
	json__double(&json, "duration_s", profile->duration_s);
	json__string(&json, "probes", probe_depth__name(profile->depth));
	json__double(&json, "coverage", profile->coverage);
	report_estimate__write_json_budget(&json, profile);
	write_ledger(&json, profile);
	error = report_sampling__write_json(&json, profile);
	write_cost(&json, profile);
	write_attached(&json, profile);
	json__begin_array(&json, "processes");
	for (size_t i = 0; !error && i < profile->nr_processes; i++)
		error = write_process(&json, &profile->processes[i], profile,
				      stacks ? stacks : &no_stacks);
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	return error ? error : report__flush(out);
}

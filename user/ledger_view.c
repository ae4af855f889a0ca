/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger_view.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "ledger_file.h"
#include "log.h"
#include "output.h"
#include "quantity.h"
#include "report.h"
#include "report_process.h"
#include "text.h"

#define WIDTH 100

static const char *policy_name(__u32 policy)
{
	static const char *const names[NR_POLICIES] = {
		[POLICY_HYBRID] = "hybrid",
		[POLICY_BRK] = "brk",
		[POLICY_MMAP] = "mmap",
	};

	return policy < NR_POLICIES ? names[policy] : "?";
}

/* Rows of sizes, and of each path its count and bytes. 0 or -ENOMEM. */
static int fill_sizes(struct profile_process *process, const struct refalloc_slot *total)
{
	struct path_counters *paths = process->counters.paths;
	__u64 others = 0;

	process->sizes = calloc(NR_SIZE_CLASSES, sizeof(*process->sizes));
	if (!process->sizes)
		return -ENOMEM;
	for (__u32 i = 0; i < NR_SIZE_CLASSES; i++) {
		const struct refalloc_row *from = &total->rows[i];
		struct profile_size *size = &process->sizes[process->nr_sizes];
		__u64 count = 0;

		for (int path = 0; path < NR_PATHS; path++) {
			count += from->count[path];
			paths[path].count += from->count[path];
			size->row.count[path] = from->count[path];
		}
		paths[PATH_POOL].bytes += from->bytes;
		size->row.bytes = from->bytes;
		size->size_class = i;
		process->nr_sizes += count > 0;
	}
	for (int path = 0; path < NR_PATHS; path++) {
		if (path == PATH_POOL)
			continue;
		paths[path].bytes = total->grown_bytes[path];
		others += total->grown_bytes[path];
	}
	/* A slot is not of one moment while its thread runs. */
	paths[PATH_POOL].bytes -= others < paths[PATH_POOL].bytes ? others : paths[PATH_POOL].bytes;
	return 0;
}

static void fill_calls(struct process_counters *counters, const struct refalloc_slot *total)
{
	counters->brk_calls = total->brk_calls;
	counters->brk_failed = total->brk_failed;
	counters->brk_grown_bytes = total->brk_grown_bytes;
	counters->brk_shrunk_bytes = total->brk_shrunk_bytes;
	counters->mmap_calls = total->mmap_calls;
	counters->mmap_failed = total->mmap_failed;
	counters->mmap_anon_bytes = total->mmap_anon_bytes;
	counters->mmap_file_bytes = total->mmap_file_bytes;
	counters->munmap_calls = total->munmap_calls;
	counters->munmap_failed = total->munmap_failed;
	counters->munmap_bytes = total->munmap_bytes;
	counters->mremap_calls = total->mremap_calls;
	counters->mremap_failed = total->mremap_failed;
	counters->mremap_grown_bytes = total->mremap_grown_bytes;
	counters->mremap_shrunk_bytes = total->mremap_shrunk_bytes;
	counters->madvise_calls = total->madvise_calls;
	counters->madvise_failed = total->madvise_failed;
	counters->madvise_dontneed_bytes = total->madvise_dontneed_bytes;
}

/* As the profiler would have it. comm stays the copy's. 0 or -ENOMEM; sizes are the caller's. */
static int fill_process(struct profile_process *process, struct ledger_copy *copy)
{
	const struct refalloc_slot *total = &copy->total;
	struct process_counters *counters = &process->counters;
	__u64 elsewhere = total->home_mapping + total->home_arena, requests;
	int error;

	memset(process, 0, sizeof(*process));
	process->members = 1;
	process->pid = copy->pid ? (__u32)copy->pid : copy->head.pid;
	process->ns_pid = copy->head.pid;
	process->start_ns = copy->head.start_ns;
	process->comm = copy->comm;
	error = fill_sizes(process, total);
	if (error)
		return error;
	counters->failed = total->failed;
	for (int path = 0; path < NR_PATHS; path++) {
		process->limits[path].min_inverted = total->min_inverted[path];
		process->limits[path].max_plus_one = total->max_plus_one[path];
	}
	requests = profile_process__requests(process);
	counters->home[HOME_MAPPING] = total->home_mapping;
	counters->home[HOME_ARENA] = total->home_arena;
	counters->home[HOME_HEAP] = elsewhere < requests ? requests - elsewhere : 0;
	memcpy(counters->releases, total->releases, sizeof(counters->releases));
	counters->release_bytes = total->release_bytes;
	process->live_count = ledger_copy__live_count(copy);
	process->live_bytes = ledger_copy__live_bytes(copy);
	fill_calls(counters, total);
	return 0;
}

static int write_json(FILE *out, const struct ledger_copy *copy,
		      const struct profile_process *process, const char *version)
{
	/* What only the profiler knows. */
	static const char *const unknown[] = {
		"id",
		"ppid",
		"uid",
		"execs",
		"exe",
		"cgroup",
		"orphans",
		"internal",
		"mallopt_calls",
		"faults",
		"populated_bytes",
		"foreign_bytes",
		"probe_bytes",
		"touched",
		"stacks",
	};
	struct json json = { .out = out };

	json__begin_object(&json, NULL);
	json__u64(&json, "layout", copy->head.layout);
	json__string(&json, "version", version);
	json__string(&json, "policy", policy_name(copy->head.policy));
	json__u64(&json, "threshold", copy->head.threshold);
	json__u64(&json, "pid", process->pid);
	json__u64(&json, "nspid", process->ns_pid);
	json__u64(&json, "start_ns", process->start_ns);
	json__string(&json, "comm", copy->pid ? process->comm : NULL);
	json__string(&json, "allocator", "refalloc");
	/* Of a file nobody knows whether its process still runs. */
	if (copy->pid)
		json__bool(&json, "exited", false);
	else
		json__null(&json, "exited");
	json__null(&json, "requests_why");
	report_json__write_counts(&json, process);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		json__null(&json, unknown[i]);
	json__end_object(&json);
	putc('\n', out);
	return report__flush(out);
}

static int write_text(FILE *out, const struct ledger_copy *copy,
		      const struct profile_process *process, const char *version)
{
	char threshold[TEXT_CELL], in_namespace[TEXT_CELL] = "";

	if (copy->pid && process->ns_pid != process->pid)
		snprintf(in_namespace, sizeof(in_namespace), " (%u in its namespace)",
			 process->ns_pid);
	text__item(out, WIDTH, "process", "%u%s%s%s", process->pid, in_namespace,
		   copy->pid ? " " : "", process->comm);
	text__item(out, WIDTH, "allocator", "refalloc %s, policy %s, threshold %s", version,
		   policy_name(copy->head.policy),
		   text__bytes(threshold, sizeof(threshold), copy->head.threshold));
	report_process__write_counts(out, process, WIDTH);
	return report__flush(out);
}

static int write_ledger(FILE *out, struct ledger_copy *copy, bool as_json)
{
	char version[sizeof(copy->head.version) + 1];
	struct profile_process process;
	int error;

	/* Whoever wrote the file may have left its end mark out. */
	snprintf(version, sizeof(version), "%.*s", (int)sizeof(copy->head.version),
		 copy->head.version);
	error = fill_process(&process, copy);
	if (!error && as_json)
		error = write_json(out, copy, &process, version);
	else if (!error)
		error = write_text(out, copy, &process, version);
	free(process.sizes);
	return error;
}

static int read_named(struct ledger_copy *copy, const char *name)
{
	int pid;

	/* A file whose name is a number is given as ./NUMBER. */
	if (quantity__parse_number(name, strlen(name), 1, &pid))
		return ledger_copy__read_process(copy, pid);
	return ledger_copy__read_file(copy, name);
}

int ledger_view__run(const struct options *options)
{
	struct ledger_copy *copy = malloc(sizeof(*copy));
	struct output output;
	int error;

	if (!copy)
		return log__error(1, "no memory for a ledger");
	error = read_named(copy, options->ledger);
	if (!error)
		error = output__open(&output, options->output, false);
	if (error)
		goto out;
	error = write_ledger(output.stream, copy, options->json);
	if (error)
		log__error(error, "the report cannot be written to %s: %s", output.name,
			   strerror(-error));
	error = output__close(&output, error);
out:
	free(copy);
	return error ? 1 : 0;
}

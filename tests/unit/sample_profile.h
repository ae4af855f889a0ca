/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A profile made by hand, for the tests of what reads one. */
#ifndef ALLOCPATH_SAMPLE_PROFILE_H
#define ALLOCPATH_SAMPLE_PROFILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

/* Not UTF-8, control characters, what JSON and terminals take for their own. */
#define HOSTILE_COMM "ev\x1b[2J\"\\\n\xff\xc3("
#define HOSTILE_EXE "/tmp/\xf0\x9f\x92\xa9/\xed\xa0\x80\x7f\t\xc0\xaf\xf5 (deleted)"

/* Adds requests of one size and path to counters, limits and size rows. Ascending sizes only. */
static inline void sample__add_requests(struct profile_process *process, enum alloc_path path,
					__u64 size, __u64 count)
{
	__u32 size_class = size_class__of(size);
	struct path_limits *limits = &process->limits[path];
	struct profile_size *last;

	if (!process->nr_sizes || process->sizes[process->nr_sizes - 1].size_class != size_class) {
		process->sizes = realloc(process->sizes,
					 (process->nr_sizes + 1) * sizeof(process->sizes[0]));
		if (!process->sizes)
			abort();
		memset(&process->sizes[process->nr_sizes], 0, sizeof(process->sizes[0]));
		process->sizes[process->nr_sizes++].size_class = size_class;
	}
	last = &process->sizes[process->nr_sizes - 1];
	last->row.count[path] += count;
	last->row.bytes += count * size;
	if (path == PATH_MMAP) {
		last->row.own_requested_bytes += count * size;
		last->row.own_touched_bytes += count * size / 4;
	}
	process->counters.paths[path].count += count;
	process->counters.paths[path].bytes += count * size;
	if (~size > limits->min_inverted)
		limits->min_inverted = ~size;
	if (size + 1 > limits->max_plus_one)
		limits->max_plus_one = size + 1;
}

/* Events of one kind from one stack, which is an index + 1. Ascending stacks only. */
static inline void sample__add_stack(struct profile_process *process, __u32 stack,
				     enum sample_kind kind, __u64 count, __u64 bytes)
{
	process->samples =
		realloc(process->samples, (process->nr_samples + 1) * sizeof(process->samples[0]));
	if (!process->samples)
		abort();
	process->samples[process->nr_samples++] = (struct profile_sample){
		.stack = stack,
		.kind = (__u8)kind,
		.size_class = kind == SAMPLE_REQUEST ? (__u16)size_class__of(bytes / count) : 0,
		.samples = 1,
		.count = count,
		.bytes = bytes,
	};
}

/* Stacks with these numbers in their run, of one frame each. */
static inline void sample__make_stacks(struct profile *profile, const __u32 *numbers, size_t nr)
{
	profile->has_stacks = true;
	profile->nr_stacks = profile->nr_frames = nr;
	profile->stacks = calloc(nr, sizeof(*profile->stacks));
	profile->frames = calloc(nr, sizeof(*profile->frames));
	if (!profile->stacks || !profile->frames)
		abort();
	for (size_t i = 0; i < nr; i++) {
		profile->stacks[i] = (struct profile_stack){ (__u32)i, 1, numbers[i], 0 };
		profile->frames[i].offset = numbers[i];
	}
}

static inline void sample__make_python(struct profile_process *process)
{
	struct process_counters *counters = &process->counters;

	process->id = 1;
	process->members = 1;
	process->pid = 4711;
	process->ns_pid = 12;
	process->parent_pid = 4000;
	process->uid = 1000;
	process->execs = 1;
	process->start_ns = 123456789012345;
	process->comm = strdup("python3");
	process->exe = strdup("/usr/bin/python3.11");
	process->cgroup = strdup("/user.slice/user-1000.slice/session-2.scope");
	process->allocator = strdup("glibc 2.36 (mapped)");
	sample__add_requests(process, PATH_POOL, 0, 3);
	sample__add_requests(process, PATH_POOL, 24, 1200345);
	sample__add_requests(process, PATH_POOL, 64, 412345);
	sample__add_requests(process, PATH_BRK, 512, 17);
	sample__add_requests(process, PATH_POOL, 530, 90111);
	sample__add_requests(process, PATH_BRK, 4096, 31);
	sample__add_requests(process, PATH_POOL, 131048, 2);
	sample__add_requests(process, PATH_MMAP, 131049, 12);
	sample__add_requests(process, PATH_MMAP, 262144, 40);
	sample__add_requests(process, PATH_REMAP, 1 << 20, 3);
	sample__add_requests(process, PATH_MMAP, 32 << 20, 1);
	counters->failed = 1;
	counters->unknown_result = 2;
	counters->internal = 77;
	counters->home[HOME_HEAP] = 1702837;
	counters->home[HOME_MAPPING] = 56;
	counters->releases[RELEASE_KEPT] = 1650000;
	counters->releases[RELEASE_MUNMAP] = 50;
	counters->releases[RELEASE_TRIM] = 4;
	counters->release_bytes = 99123456;
	counters->release_of_unknown = 9;
	process->live_count = 52839;
	process->live_bytes = 41234567;
	counters->brk_calls = 50;
	counters->brk_grown_bytes = 6623232;
	counters->brk_shrunk_bytes = 135168;
	counters->mmap_calls = 71;
	counters->mmap_failed = 1;
	counters->mmap_anon_bytes = 48 << 20;
	counters->mmap_file_bytes = 2345678;
	counters->mmap_stack_bytes = 8 << 20;
	counters->mmap_populated_bytes = 65536;
	counters->munmap_calls = 50;
	counters->munmap_bytes = 12 << 20;
	counters->mremap_calls = 3;
	counters->mremap_grown_bytes = 1 << 20;
	counters->mprotect_calls = 5;
	counters->mprotect_bytes = 20480;
	counters->faults[FAULT_FIRST_TOUCH] = 3215;
	counters->faults[FAULT_ZERO_READ] = 4;
	counters->faults[FAULT_FILE_PRIVATE] = 45;
	counters->faults[FAULT_COW] = 120;
	counters->faults[FAULT_FILE] = 310;
	counters->first_touch_orders[0] = 3210;
	counters->first_touch_orders[4] = 3;
	counters->first_touch_orders[9] = 2;
	counters->first_touch_bytes = 3210 * 4096ULL + 3 * 65536 + (4 << 20);
	counters->first_touch_region_bytes[REGION_HEAP] = 6512640;
	counters->first_touch_region_bytes[REGION_OWN_MAPPING] = 10485760;
	counters->first_touch_region_bytes[REGION_ANON] = 500000;
	counters->first_touch_region_bytes[REGION_STACK] = 40960;
	counters->faults_major = 7;
	counters->faults_kernel_mode = 88;
	counters->faults_probe = 2;
	counters->file_private_bytes = 45 * 4096;
	counters->growth_touched_bytes = 6512640;
	counters->populated_bytes = 65536;
	counters->foreign_bytes = 4096;
}

static inline void sample__make_hostile(struct profile_process *process)
{
	process->id = 2;
	process->members = 1;
	process->pid = 4712;
	process->ns_pid = 4712;
	process->parent_pid = 1;
	process->exited = true;
	process->start_ns = 1;
	process->comm = strdup(HOSTILE_COMM);
	process->exe = strdup(HOSTILE_EXE);
	sample__add_requests(process, PATH_ARENA, 100, 5);
	process->counters.first_touch_orders[0] = 1;
	process->counters.first_touch_bytes = 4096;
	process->counters.first_touch_region_bytes[REGION_ARENA] = 4096;
	process->counters.faults[FAULT_FIRST_TOUCH] = 1;
	process->counters.faults_unended = 1;
}

static inline void sample__make_file(struct profile_file *file)
{
	static const char *const names[] = { "malloc", "calloc", "realloc" };

	file->path = strdup("/usr/lib/x86_64-linux-gnu/libc.so.6");
	file->build_id = strdup("93ac64b9b4ab5e17c3c8ac5b7c0ecf97a4e2d9c1");
	file->allocator = strdup("glibc 2.36");
	file->nr_functions = 3;
	file->functions = calloc(3, sizeof(*file->functions));
	if (!file->functions)
		abort();
	for (int i = 0; i < 3; i++)
		file->functions[i] = (struct profile_function){
			.name = strdup(names[i]),
			.offset = 0x97000 + 0x100ULL * (__u64)i,
			.site = 0x97000 + 0x100ULL * (__u64)i,
			.kind = i == 2 ? "stepped" : "emulated",
		};
}

/* Two processes, one file, one refusal, one loss. The caller frees it with profile__free. */
static inline void sample__make(struct profile *profile, enum probe_depth depth)
{
	*profile = (struct profile){
		.depth = depth,
		.duration_s = 10.02,
		.coverage = 1,
		.nr_cpus = 2,
		.nr_processes = 2,
	};
	profile->processes = calloc(2, sizeof(*profile->processes));
	profile->files = calloc(1, sizeof(*profile->files));
	profile->refusals = calloc(1, sizeof(*profile->refusals));
	if (!profile->processes || !profile->files || !profile->refusals)
		abort();
	sample__make_python(&profile->processes[0]);
	sample__make_hostile(&profile->processes[1]);
	profile->nr_files = 1;
	sample__make_file(&profile->files[0]);
	profile->nr_refusals = 1;
	profile->refusals[0].file = strdup("/opt/old/lib32/libc.so.6");
	profile->refusals[0].why = strdup("32-bit");
	profile->events[KIND_ALLOC][OUTCOME_SEEN] = 1703000;
	profile->events[KIND_ALLOC][OUTCOME_RECORDED] = 1702993;
	profile->events[KIND_ALLOC][OUTCOME_FILTERED] = 5;
	profile->events[KIND_ALLOC][OUTCOME_LOST] = 2;
	profile->losses[LOSS_SIZE_ROWS_FULL] = 2;
	profile->cost = (struct profile_cost){
		.traps = 1703000,
		.trap_ns = 5200,
		.own_cpu_s = 0.0312,
		.own_bytes = 41 << 20,
		.bpf_skipped = 3,
	};
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile: what was measured, as plain data. The collector makes one, views read it; it knows
 * nothing of BPF, and a view needs nothing but it. Strings and arrays are owned by the profile.
 */
#ifndef ALLOCPATH_PROFILE_H
#define ALLOCPATH_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "profile_names.h"
#include "profile_rule.h"
#include "profile_windows.h"
#include "stack.h"
#include "unwind.h"

#ifndef ALLOCPATH_VERSION
#define ALLOCPATH_VERSION "0.1.0"
#endif

struct symbol_frame;

/* One row of a process's size histogram; rows are sorted by class, each class once. */
struct profile_size {
	__u32 size_class;
	struct size_row row;
};

/* An executable mapping that callers lie in, as /proc/PID/maps had it. */
struct profile_mapping {
	__u64 start;
	__u64 limit; /* exclusive */
	__u64 offset; /* of start, in the file */
	char *path; /* never NULL */
	char *build_id; /* hex; NULL: none */
};

/* Requests of one size class, path and function from one place; rows are sorted by caller. */
struct profile_call {
	__u64 caller; /* return address */
	__u32 mapping; /* index + 1; 0: not known, as of a process that has exited */
	__u16 size_class;
	__u8 path;
	__u8 function; /* enum alloc_function */
	__u64 count;
	__u64 bytes;
};

/* A file that frames are of, one for the whole profile. */
struct profile_object {
	char *path; /* never NULL; "[jit]": code of no file, "[vdso]" */
	char *build_id; /* hex; NULL: none */
	int fd; /* of the file, the collector's and open as long as that; 0: none */
};

/* Offsets are in the file, of the instruction; of a caller: of the last byte of its call. */
struct profile_frame {
	__u32 object; /* index + 1; 0: none, and the offset is an address */
	__u64 offset;
};

/* A place in code of which a recording has the names; sorted by process, object and offset. */
struct profile_place {
	__u64 offset; /* as in struct profile_frame */
	__u32 process; /* its id, of code of no file; else 0 */
	__u32 object; /* index + 1 */
	__u32 first_name; /* index; the innermost. Behind the last is its function's alone */
	__u32 nr_names;
};

/* A stack that differs from all others of the profile. */
struct profile_stack {
	__u32 first_frame; /* index; the innermost, its callers follow */
	__u32 nr_frames;
	__u32 number; /* in its run, the same in each profile of that; 0: of a recording */
	__u8 status; /* enum stack_status, STACK_HEURISTIC */
};

/* Events of one kind from one stack; rows are sorted by stack. Estimates where they are sampled. */
struct profile_sample {
	__u32 stack; /* index + 1; 0: it could not be kept */
	__u16 size_class; /* of requests, as path and function are; else 0 */
	__u8 path; /* enum alloc_path */
	__u8 function; /* enum alloc_function */
	__u8 kind; /* enum sample_kind */
	__u64 samples; /* stacks taken */
	__u64 count, bytes; /* that they stand for */
};

/* Why a process has no requests; the numbers stand in recordings. */
enum unprobed {
	PROBED,
	UNPROBED_LATE, /* begun after the allocation probes were detached */
	UNPROBED_ALLOCATOR, /* maps no file with an allocator that is probed */
	NR_UNPROBED,
};

struct profile_process {
	__u32 id; /* process number; of a fold or group: the first one's */
	__u32 members; /* 1; more where processes were folded or grouped */
	__u32 pid, ns_pid, parent_pid, uid, execs;
	__u64 start_ns;
	bool exited;
	enum unprobed unprobed; /* why no requests are known */
	char *comm; /* never NULL */
	char *exe; /* NULL: could not be had */
	char *cgroup; /* NULL: could not be had */
	char *allocator; /* NULL: none found. "glibc 2.36 (mapped)" */
	struct process_counters counters;
	__u64 live_count, live_bytes; /* at the end, at depth full; not since anything: absolute */
	struct path_limits limits[NR_PATHS];
	struct profile_size *sizes;
	size_t nr_sizes;
	struct profile_call *calls; /* in a recording: at most what sizes has, the rest is not kept */
	size_t nr_calls;
	struct profile_mapping *mappings;
	size_t nr_mappings;
	struct profile_sample *samples; /* where stacks are taken */
	size_t nr_samples;
	struct profile_rule *rule; /* NULL: its threshold was not followed */
	struct profile_windows windows; /* with a budget, and if it is no fold or group */
	struct profile_share *shares; /* by size class */
	size_t nr_shares;
	bool is_estimated; /* requests are estimates, see profile_estimate.h */
	struct estimate requests_estimate, bytes_estimate;
};

struct profile_function {
	char *name; /* "malloc" */
	__u64 offset; /* of the function, in the file */
	__u64 site; /* of the probed instruction, in the file */
	const char *kind; /* "emulated" or "stepped" */
};

struct profile_file {
	char *path;
	char *build_id; /* hex; NULL: none */
	char *allocator; /* "glibc 2.36" */
	struct profile_function *functions;
	size_t nr_functions;
	double since_s; /* attached from, in seconds after the start of the run */
};

struct profile_refusal {
	char *file;
	char *why;
};

struct profile_cost {
	__u64 traps;
	__u64 trap_ns; /* cost of one trap with its program, this host, nanoseconds */
	double own_cpu_s;
	__u64 own_bytes; /* resident set and BPF maps */
	__u64 bpf_run_ns;
	__u64 bpf_skipped; /* runs of our programs that the kernel left out, on whatever event */
	bool has_bpf_run; /* false: bpf_run_ns was not asked for */
};

struct profile {
	enum probe_depth depth;
	__u64 start_ns; /* CLOCK_MONOTONIC of the run's start */
	double duration_s;
	double coverage; /* share of the duration in which the allocation probes were attached */
	char *detached_why; /* NULL, or why the allocation probes were detached early */
	__u32 nr_cpus;
	__u64 events[NR_EVENT_KINDS][NR_OUTCOMES];
	__u64 losses[NR_LOSSES];
	struct profile_cost cost;
	struct profile_file *files;
	size_t nr_files;
	struct profile_refusal *refusals;
	size_t nr_refusals;
	struct profile_process *processes;
	size_t nr_processes;
	struct profile_budget budget;
	bool has_stacks; /* false: none were asked for, and processes have no samples */
	__u64 sample_bytes; /* between requests whose stacks are taken, on average; 0: each one's is */
	struct sample_sums sums[NR_TAKEN_KINDS]; /* of those of the kernel; of requests 0 */
	struct profile_object *objects;
	size_t nr_objects;
	struct profile_frame *frames; /* of all stacks */
	size_t nr_frames;
	struct profile_stack *stacks;
	size_t nr_stacks;
	char **texts; /* of the names; they and the places are those of a recording, else none */
	size_t nr_texts;
	struct symbol_frame *names;
	size_t nr_names;
	struct profile_place *places;
	size_t nr_places;
	bool is_recorded; /* read from a file: its processes are not those of this host */
};

/* Frees everything that the profile owns, and zeroes it. NULL is fine. */
void profile__free(struct profile *profile);

/* Frees what one process owns, and not the struct itself. */
void profile_process__free(struct profile_process *process);

/* By what they are sorted by: < 0, 0 or > 0. */
int profile_place__compare(const void *left, const void *right);

/* For people; NULL: it has requests, or may have. */
const char *profile_process__why_unprobed(const struct profile_process *process);

/* Requests of a process over all paths. */
__u64 profile_process__requests(const struct profile_process *process);
__u64 profile_process__request_bytes(const struct profile_process *process);

/* The depth that holds for it in a profile of that depth. */
enum probe_depth profile_process__depth(const struct profile_process *process,
					enum probe_depth depth);

/* Sum of all fault classes. */
__u64 profile_process__faults(const struct profile_process *process);

/* Sum over all kinds of releases. */
__u64 profile_process__releases(const struct profile_process *process);

/* Smallest and largest request of a path, in bytes. false: none was seen. */
bool profile_process__limits(const struct profile_process *process, enum alloc_path path,
			     __u64 *min, __u64 *max);

/*
 * Adds from's counts, live figures, limits, size rows, stacks and members to into's; the identity
 * stays into's, but for the earliest start, and it has exited only where both have. Callers are not
 * added: addresses of two processes have nothing in common. 0 or -ENOMEM; into is unchanged on
 * error.
 */
int profile_process__add(struct profile_process *into, const struct profile_process *from);

enum group_by {
	GROUP_PID,
	GROUP_COMM,
	GROUP_EXE,
	GROUP_CGROUP,
};

/*
 * Merges processes that share the key into the first of them; GROUP_PID changes nothing. 0 or
 * -ENOMEM, then some are merged and some not, and nothing is counted twice.
 */
int profile__group(struct profile *profile, enum group_by by);

/*
 * Makes now hold what came since before, an earlier profile of the same run. Processes are matched
 * by number; one that was folded away since is taken from the fold of its exe. A process without
 * change stays in the list; size rows and stacks without change do not. Absolute figures stay now's: live,
 * limits, own_bytes, since_s. 0 or -ENOMEM; now is unchanged on error.
 */
int profile__subtract(struct profile *now, const struct profile *before);

#endif

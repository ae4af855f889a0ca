/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "malloc_params.h"
#include "names.h"
#include "profile_build.h"

static __u64 proc__resident_anon(__u32 pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %llu", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

/* Since the start of the run; what is on its way at the start has time 0. */
static __u64 since_start(const struct collector *collector, __u64 time_ns)
{
	return time_ns > collector->start_ns ? time_ns - collector->start_ns : 0;
}

static int rule__copy_log(const struct collector *collector, __u32 id, struct profile_rule *rule)
{
	const struct rule_log_process *log = rule_log__of(&collector->rule_log, id);

	rule->moves = calloc((log ? log->nr_moves : 0) + 1, sizeof(*rule->moves));
	rule->points = calloc((log ? log->nr_points : 0) + 1, sizeof(*rule->points));
	if (!rule->moves || !rule->points)
		return -ENOMEM;
	for (size_t i = 0; log && i < log->nr_moves; i++) {
		const struct rule_log_move *move = &log->moves[i];

		rule->moves[rule->nr_moves++] = (struct profile_move){
			.t_ns = since_start(collector, move->begun.time_ns),
			.done_ns = since_start(collector, move->done.time_ns),
			.low = move->done.from,
			.high = move->done.to,
			.from = move->begun.from,
			.to = move->begun.to,
			.caller = move->begun.caller,
			.place = move->place ? strdup(move->place) : NULL,
			.stack = move->begun.stack,
			.by = move->begun.by,
		};
	}
	for (size_t i = 0; log && i < log->nr_points; i++)
		rule->points[rule->nr_points++] = (struct profile_point){
			.t_ns = since_start(collector, log->points[i].time_ns),
			.size = log->points[i].size,
			.threshold = log->points[i].from,
			.weight = log->points[i].weight,
			.path = log->points[i].path,
		};
	return 0;
}

static void rule__read(struct profile_rule *rule, __u32 pid)
{
	struct malloc_params params;

	if (malloc_params__read(&params, (pid_t)pid))
		return;
	rule->is_read = true;
	rule->read_threshold = params.mmap_threshold;
	rule->read_trim_threshold = params.trim_threshold;
	rule->read_is_pinned = params.is_pinned;
}

int profile_build__rule(struct collector *collector, const struct process *process,
			struct profile_process *made)
{
	const struct process_identity *identity = &process->identity;
	const struct rule *rules = collector->session.rules;
	struct profile_rule *rule;

	if (!rules)
		return 0;
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	made->rule = rule;
	rule->followed = rules[identity->slot];
	if (rule->followed.brk_peak > identity->brk_base)
		rule->heap_peak = rule->followed.brk_peak - identity->brk_base;
	rule->is_glibc = made->allocator && !strncmp(made->allocator, "glibc 2", 7);
	if (!made->exited) {
		rule->resident_anon = proc__resident_anon(made->pid);
		rule->is_glibc |= !identity->file && proc__maps_glibc(made->pid) &&
				  (!made->allocator || !strcmp(made->allocator, "glibc (mapped)"));
	}
	if (!made->exited && rule->is_glibc && collector->reads_params)
		rule__read(rule, made->pid);
	return rule__copy_log(collector, made->id, rule);
}

/* A process that was not seen: -ENOENT where it is none, as a kernel thread. */
static int profile_build__unseen(struct collector *collector, __u32 pid,
				 struct profile_process *made)
{
	char comm[MAX_COMM] = "";
	char *exe = proc__exe(pid);

	memset(made, 0, sizeof(*made));
	if (!exe)
		return -ENOENT;
	made->exe = exe;
	made->pid = pid;
	made->members = 1;
	proc__comm(pid, comm);
	made->comm = strdup(comm);
	made->cgroup = proc__cgroup(pid);
	made->allocator = proc__foreign_allocator(pid);
	made->rule = calloc(1, sizeof(*made->rule));
	if (!made->comm || !made->rule) {
		profile_process__free(made);
		return -ENOMEM;
	}
	made->rule->followed.state.high = ~0ULL;
	made->rule->resident_anon = proc__resident_anon(pid);
	made->rule->is_glibc = !made->allocator && proc__maps_glibc(pid);
	if (made->rule->is_glibc) {
		made->allocator = strdup("glibc (mapped)");
		if (collector->reads_params)
			rule__read(made->rule, pid);
	}
	return 0;
}

static bool profile__has(const struct profile *profile, size_t nr, __u32 pid)
{
	for (size_t i = 0; i < nr; i++)
		if (profile->processes[i].pid == pid && !profile->processes[i].exited)
			return true;
	return false;
}

int profile_build__idle(struct collector *collector, struct profile *profile)
{
	size_t nr_seen = profile->nr_processes;
	struct profile_process *larger, made;
	struct dirent *entry;
	int error = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return 0;
	while (!error && (entry = readdir(proc))) {
		__u32 pid = (__u32)strtoul(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == (__u32)getpid() ||
		    profile__has(profile, nr_seen, pid))
			continue;
		error = profile_build__unseen(collector, pid, &made);
		if (error == -ENOENT) {
			error = 0;
			continue;
		}
		if (error)
			break;
		/* One more than there are: a view adds a sum. */
		larger = realloc(profile->processes,
				 (profile->nr_processes + 2) * sizeof(*profile->processes));
		if (!larger) {
			profile_process__free(&made);
			error = -ENOMEM;
			break;
		}
		profile->processes = larger;
		larger[profile->nr_processes++] = made;
	}
	closedir(proc);
	return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "allocator_file.h"
#include "profile_build.h"
#include "profile_calls.h"
#include "profile_stacks.h"

const struct size_entry *snapshot__sizes_of(const struct snapshot *snapshot, __u32 id, size_t *nr)
{
	size_t low = 0, high = snapshot->nr_sizes, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snapshot->sizes[middle].key.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < snapshot->nr_sizes && snapshot->sizes[end].key.id == id; end++)
		;
	*nr = end - low;
	return snapshot->sizes + low;
}

static bool probes__have(const struct probes *probes, const char *name)
{
	for (size_t i = 0; i < probes->nr_files; i++) {
		const char *slash = strrchr(probes->files[i].path, '/');

		if (slash && !strcmp(slash + 1, name))
			return true;
	}
	return false;
}

/* What the process was seen to enter, or has mapped; NULL: neither. */
static char *profile_build__allocator(struct collector *collector, const struct process *process)
{
	char *foreign = NULL, *text = NULL;
	__u32 file = process->identity.file;

	if (!process->identity.ended)
		foreign = proc__foreign_allocator(process->identity.tgid);
	if (foreign && probes__have(&collector->probes, foreign)) {
		free(foreign);
		foreign = NULL;
	}
	if (file && file <= collector->probes.nr_files) {
		const char *name = collector->probes.files[file - 1].file->name;

		if (asprintf(&text,
			     foreign ? "%s (entered), %s (mapped, not probed)" : "%s (entered)",
			     name, foreign) < 0)
			text = NULL;
	} else if (foreign) {
		if (asprintf(&text, "%s (mapped, not probed)", foreign) < 0)
			text = NULL;
	} else if (!process->identity.ended && proc__maps_glibc(process->identity.tgid)) {
		text = strdup("glibc (mapped)");
	}
	free(foreign);
	return text;
}

/* One that has called an allocator maps it; of one that has ended nothing more is known. */
static enum unprobed profile_build__unprobed(const struct collector *collector,
					     const struct process_identity *identity)
{
	if (identity->unprobed)
		return UNPROBED_LATE;
	if (collector->probes.depth == DEPTH_KERNEL || identity->file || identity->ended ||
	    probes__cover(&collector->probes, (pid_t)identity->tgid))
		return PROBED;
	return UNPROBED_ALLOCATOR;
}

static char *copy_or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int profile_build__windows(struct collector *collector, const struct process *process,
				  struct profile_process *made)
{
	const struct profile_share *shares;
	size_t nr = windows__of(&collector->windows, process, &made->windows, &shares);

	if (!nr)
		return 0;
	made->shares = calloc(nr, sizeof(*shares));
	if (!made->shares)
		return -ENOMEM;
	memcpy(made->shares, shares, nr * sizeof(*shares));
	made->nr_shares = nr;
	return 0;
}

int profile_build__process(struct collector *collector, const struct snapshot *snapshot,
			   const struct process *process, struct profile_process *made)
{
	const struct process_identity *identity = &process->identity;
	const struct process_names *names = names__of(&collector->names, identity->id);
	const struct size_entry *sizes;
	char comm[MAX_COMM];
	size_t nr;

	memset(made, 0, sizeof(*made));
	made->id = identity->id;
	made->members = 1;
	made->pid = identity->tgid;
	made->ns_pid = identity->ns_tgid;
	made->parent_pid = identity->parent_tgid;
	made->uid = identity->uid;
	made->execs = identity->execs;
	made->start_ns = identity->start_ns;
	made->exited = identity->ended;
	made->unprobed = profile_build__unprobed(collector, identity);
	made->counters = process->counters;
	memcpy(made->limits, process->limits[snapshot->epoch & 1], sizeof(made->limits));
	made->live_count = made->counters.live_added_count - made->counters.live_removed_count;
	made->live_bytes = made->counters.live_added_bytes - made->counters.live_removed_bytes;
	memcpy(comm, identity->comm, sizeof(comm));
	comm[MAX_COMM - 1] = 0;
	if (!made->exited)
		proc__comm(identity->tgid, comm);
	made->comm = strdup(comm);
	made->exe = copy_or_null(names ? names->exe : NULL);
	made->cgroup = copy_or_null(names ? names->cgroup : NULL);
	made->allocator = profile_build__allocator(collector, process);
	sizes = snapshot__sizes_of(snapshot, identity->id, &nr);
	made->sizes = calloc(nr ? nr : 1, sizeof(*made->sizes));
	if (!made->comm || !made->sizes) {
		profile_process__free(made);
		return -ENOMEM;
	}
	for (size_t i = 0; i < nr; i++) {
		made->sizes[i].size_class = sizes[i].key.size_class;
		made->sizes[i].row = sizes[i].row;
	}
	made->nr_sizes = nr;
	if ((snapshot->nr_calls && profile_calls__add(snapshot, made)) ||
	    (collector->takes_stacks && profile_stacks__add(snapshot, made)) ||
	    profile_build__rule(collector, process, made) ||
	    profile_build__windows(collector, process, made)) {
		profile_process__free(made);
		return -ENOMEM;
	}
	return 0;
}

static int profile_build__function(const struct allocator_function *from,
				   struct profile_function *into)
{
	into->name = strdup(from->name);
	into->offset = from->offset;
	into->site = from->site_offset;
	into->kind = from->emulated ? "emulated" : "stepped";
	return into->name ? 0 : -ENOMEM;
}

static int profile_build__files(const struct collector *collector, struct profile *profile)
{
	const struct probes *probes = &collector->probes;

	profile->files = calloc(probes->nr_files + 1, sizeof(*profile->files));
	if (!profile->files)
		return -ENOMEM;
	for (size_t i = 0; i < probes->nr_files; i++) {
		const struct probed_file *from = &probes->files[i];
		struct profile_file *into = &profile->files[profile->nr_files++];

		into->path = strdup(from->path);
		into->build_id = copy_or_null(from->file->build_id);
		into->allocator = copy_or_null(from->file->name);
		if (from->since_ns > collector->start_ns)
			into->since_s = (double)(from->since_ns - collector->start_ns) / 1e9;
		into->functions = calloc(from->file->nr_functions + 1, sizeof(*into->functions));
		if (!into->path || !into->functions)
			return -ENOMEM;
		for (size_t j = 0; j < from->file->nr_functions; j++) {
			if (from->file->functions[j].function == FUNCTION_FREE &&
			    probes->depth != DEPTH_FULL)
				continue;
			if (profile_build__function(&from->file->functions[j],
						    &into->functions[into->nr_functions++]))
				return -ENOMEM;
		}
	}
	return 0;
}

static int profile_build__refusals(const struct collector *collector, struct profile *profile)
{
	const struct probes *probes = &collector->probes;

	profile->refusals = calloc(probes->nr_refusals + 1, sizeof(*profile->refusals));
	if (!profile->refusals)
		return -ENOMEM;
	for (size_t i = 0; i < probes->nr_refusals; i++) {
		struct profile_refusal *into = &profile->refusals[profile->nr_refusals++];

		into->file = strdup(probes->refusals[i].path);
		into->why = strdup(probes->refusals[i].why);
		if (!into->file || !into->why)
			return -ENOMEM;
	}
	return 0;
}

/* Copies a fold by adding it to an empty process. */
static int profile_build__fold(const struct profile_process *fold, struct profile_process *made)
{
	int error;

	memset(made, 0, sizeof(*made));
	made->comm = strdup(fold->comm);
	made->exe = copy_or_null(fold->exe);
	made->cgroup = copy_or_null(fold->cgroup);
	made->allocator = copy_or_null(fold->allocator);
	if (!made->comm)
		return -ENOMEM;
	made->id = fold->id;
	made->pid = fold->pid;
	made->ns_pid = fold->ns_pid;
	made->parent_pid = fold->parent_pid;
	made->uid = fold->uid;
	made->execs = fold->execs;
	made->start_ns = fold->start_ns;
	made->exited = true;
	made->unprobed = fold->unprobed;
	error = profile_process__add(made, fold);
	made->members = fold->members;
	return error;
}

static __u64 own_resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return (__u64)resident * (__u64)sysconf(_SC_PAGESIZE);
}

static double timeval__seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void profile_build__cost(const struct collector *collector, const struct snapshot *snapshot,
				struct profile_cost *cost)
{
	const struct session *session = &collector->session;
	struct traps traps = collector__traps_of(collector, &snapshot->books);
	struct rusage usage;

	cost->traps = traps.nr;
	cost->trap_ns = traps.each_ns;
	if (!getrusage(RUSAGE_SELF, &usage))
		cost->own_cpu_s =
			timeval__seconds(usage.ru_utime) + timeval__seconds(usage.ru_stime);
	cost->own_bytes = own_resident_bytes() + session__map_bytes(session);
	cost->bpf_skipped = session__skipped(session);
	cost->has_bpf_run = session->stats_fd >= 0;
	if (cost->has_bpf_run)
		cost->bpf_run_ns = session__run_ns(session);
}

/* Share of the run in which the allocation probes were attached. */
static double profile_build__coverage(const struct collector *collector, __u64 at_ns)
{
	const struct probes *probes = &collector->probes;

	if (collector->windows.collector && at_ns > collector->start_ns)
		return collector->windows.budget.open_s /
		       ((double)(at_ns - collector->start_ns) / 1e9);
	if (!collector->detached_why || at_ns <= collector->start_ns)
		return 1;
	return (double)(probes->detached_ns - collector->start_ns) /
	       (double)(at_ns - collector->start_ns);
}

int collector__profile(struct collector *collector, const struct snapshot *snapshot,
		       struct profile *profile)
{
	size_t nr = snapshot->nr_processes + collector->nr_folded;
	int error;

	memset(profile, 0, sizeof(*profile));
	profile->depth = collector->probes.depth;
	profile->start_ns = collector->start_ns;
	profile->duration_s = (double)(snapshot->at_ns - collector->start_ns) / 1e9;
	profile->coverage = profile_build__coverage(collector, snapshot->at_ns);
	profile->detached_why = copy_or_null(collector->detached_why);
	profile->budget = collector->windows.budget;
	profile->nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	memcpy(profile->events, snapshot->books.events, sizeof(profile->events));
	memcpy(profile->losses, snapshot->books.losses, sizeof(profile->losses));
	profile_build__cost(collector, snapshot, &profile->cost);
	profile->processes = calloc(nr + 1, sizeof(*profile->processes));
	error = profile->processes ? 0 : -ENOMEM;
	if (!error)
		error = profile_build__files(collector, profile);
	if (!error)
		error = profile_build__refusals(collector, profile);
	for (size_t i = 0; !error && i < snapshot->nr_processes; i++) {
		error = profile_build__process(collector, snapshot, &snapshot->processes[i],
					       &profile->processes[profile->nr_processes]);
		profile->nr_processes += !error;
	}
	for (size_t i = 0; !error && i < collector->nr_folded; i++) {
		error = profile_build__fold(&collector->folded[i],
					    &profile->processes[profile->nr_processes++]);
	}
	if (!error && collector->lists_idle)
		error = profile_build__idle(collector, profile);
	profile->has_stacks = collector->takes_stacks;
	profile->sample_bytes = collector->sample_bytes;
	memcpy(profile->sums, snapshot->sums, sizeof(profile->sums));
	profile->losses[LOSS_STACKS_FULL] += collector->stacks.nr_dropped;
	if (!error && collector->takes_stacks)
		error = profile_stacks__resolve(collector, profile);
	if (error)
		profile__free(profile);
	return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process_tables.h"
#include "report_estimate.h"
#include "report_process.h"
#include "text.h"

static void write_requests(FILE *out, const struct profile_process *process, unsigned int width)
{
	const struct process_counters *counters = &process->counters;
	char bytes[TEXT_CELL];

	if (process->is_estimated) {
		report_estimate__write(out, process, width);
		return;
	}
	text__item(out, width, "requests", "%llu for %s; %llu failed, %llu with a result not known",
		   profile_process__requests(process),
		   text__bytes(bytes, sizeof(bytes), profile_process__request_bytes(process)),
		   counters->failed, counters->unknown_result);
	if (counters->orphans)
		text__item(out, width, "",
			   "the allocator grew %llu times outside any request that was seen",
			   counters->orphans);
	if (counters->mallopt_calls)
		text__item(out, width, "",
			   "mallopt was called %llu times: the mmap threshold may be fixed",
			   counters->mallopt_calls);
}

static void write_blocks(FILE *out, const struct profile_process *process, unsigned int width)
{
	const struct process_counters *counters = &process->counters;
	char bytes[TEXT_CELL];

	text__item(out, width, "home",
		   "%llu blocks in the heap, %llu in own mappings, %llu in arenas",
		   counters->home[HOME_HEAP], counters->home[HOME_MAPPING],
		   counters->home[HOME_ARENA]);
	text__item(out, width, "releases",
		   "%llu, of %s: %llu kept, %llu munmap, %llu trim, %llu madvise, %llu remap; "
		   "%llu of blocks that were not seen allocated",
		   profile_process__releases(process),
		   text__bytes(bytes, sizeof(bytes), counters->release_bytes),
		   counters->releases[RELEASE_KEPT], counters->releases[RELEASE_MUNMAP],
		   counters->releases[RELEASE_TRIM], counters->releases[RELEASE_MADVISE],
		   counters->releases[RELEASE_REMAP], counters->release_of_unknown);
	text__item(out, width, "live", "%llu blocks, %s at the end", process->live_count,
		   text__bytes(bytes, sizeof(bytes), process->live_bytes));
}

/* "12 calls, 1 failed; 1.2 MiB grown, 512 KiB shrunk": figures that are 0 are left out. */
struct figure {
	const char *name;
	__u64 bytes;
};

static void write_call(FILE *out, unsigned int width, const char *name, __u64 calls, __u64 failed,
		       const struct figure *figures, size_t nr_figures)
{
	char text[256] = "";
	size_t used = 0;

	if (!calls && !failed) {
		text__item(out, width, name, "none");
		return;
	}
	for (size_t i = 0; i < nr_figures; i++) {
		char bytes[TEXT_CELL];

		if (!figures[i].bytes)
			continue;
		text__bytes(bytes, sizeof(bytes), figures[i].bytes);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s %s",
					 used ? "," : ";", bytes, figures[i].name);
	}
	text__item(out, width, name, "%llu calls, %llu failed%s", calls, failed, text);
}

static void write_calls(FILE *out, const struct process_counters *counters, unsigned int width)
{
	const struct figure brk[] = {
		{ "grown", counters->brk_grown_bytes },
		{ "shrunk", counters->brk_shrunk_bytes },
	};
	const struct figure mmap[] = {
		{ "anonymous", counters->mmap_anon_bytes },
		{ "of files", counters->mmap_file_bytes },
		{ "thread stacks", counters->mmap_stack_bytes },
		{ "populated", counters->mmap_populated_bytes },
	};
	const struct figure munmap[] = { { "unmapped", counters->munmap_bytes } };
	const struct figure mremap[] = {
		{ "grown", counters->mremap_grown_bytes },
		{ "shrunk", counters->mremap_shrunk_bytes },
	};
	const struct figure mprotect[] = { { "protected", counters->mprotect_bytes } };
	const struct figure madvise[] = {
		{ "dontneed", counters->madvise_dontneed_bytes },
		{ "free", counters->madvise_free_bytes },
	};

	putc('\n', out);
	write_call(out, width, "brk", counters->brk_calls, counters->brk_failed, brk, 2);
	write_call(out, width, "mmap", counters->mmap_calls, counters->mmap_failed, mmap, 4);
	write_call(out, width, "munmap", counters->munmap_calls, counters->munmap_failed, munmap,
		   1);
	write_call(out, width, "mremap", counters->mremap_calls, counters->mremap_failed, mremap,
		   2);
	write_call(out, width, "mprotect", counters->mprotect_calls, counters->mprotect_failed,
		   mprotect, 1);
	write_call(out, width, "madvise", counters->madvise_calls, counters->madvise_failed,
		   madvise, 2);
}

static void write_faults(FILE *out, const struct profile_process *process, unsigned int width)
{
	const struct process_counters *counters = &process->counters;
	char populated[TEXT_CELL], foreign[TEXT_CELL];

	process_tables__faults(out, process, width);
	text__item(out, width, "in all", "%llu; of them %llu major, %llu in kernel mode",
		   profile_process__faults(process), counters->faults_major,
		   counters->faults_kernel_mode);
	if (counters->faults_probe || counters->faults_unended)
		text__item(out, width, "besides", "%llu by our own probes, %llu never completed",
			   counters->faults_probe, counters->faults_unended);
	if (counters->populated_bytes || counters->foreign_bytes)
		text__item(out, width, "no fault",
			   "%s made resident by its own system calls, %s by other tasks",
			   text__bytes(populated, sizeof(populated), counters->populated_bytes),
			   text__bytes(foreign, sizeof(foreign), counters->foreign_bytes));
}

static void write_identity(FILE *out, const struct profile_process *process, unsigned int width)
{
	char members[TEXT_CELL] = "", in_namespace[TEXT_CELL] = "", execs[TEXT_CELL] = "";

	if (process->members > 1)
		snprintf(members, sizeof(members), ", the first of %u", process->members);
	if (process->ns_pid && process->ns_pid != process->pid)
		snprintf(in_namespace, sizeof(in_namespace), " (%u in its namespace)",
			 process->ns_pid);
	if (process->execs)
		snprintf(execs, sizeof(execs), ", execs %u", process->execs);
	text__item(out, width, "process", "%u%s%s, parent %u, uid %u%s%s", process->pid,
		   in_namespace, members, process->parent_pid, process->uid, execs,
		   process->exited ? ", exited" : "");
	text__item(out, width, "comm", "%s", process->comm);
	text__item(out, width, "exe", "%s", process->exe ? process->exe : "not known");
	text__item(out, width, "cgroup", "%s", process->cgroup ? process->cgroup : "not known");
	text__item(out, width, "allocator", "%s",
		   process->allocator ? process->allocator : "none found");
	if (process->unprobed)
		text__item(out, width, "requests", "not known: %s",
			   profile_process__why_unprobed(process));
}

void report_process__write_histograms(FILE *out, const struct profile_process *process,
				      const struct profile *profile, unsigned int width)
{
	enum probe_depth depth = profile_process__depth(process, profile->depth);

	if (depth != DEPTH_KERNEL && profile_process__requests(process)) {
		process_tables__requests(out, process, width);
		process_tables__paths(out, process, width);
	}
	process_tables__first_touches(out, process, depth, width);
}

void report_process__write_counts(FILE *out, const struct profile_process *process,
				  unsigned int width)
{
	write_requests(out, process, width);
	process_tables__requests(out, process, width);
	process_tables__paths(out, process, width);
	putc('\n', out);
	write_blocks(out, process, width);
	write_calls(out, &process->counters, width);
}

void report_process__write(FILE *out, const struct profile_process *process,
			   const struct profile *profile, unsigned int width)
{
	enum probe_depth depth = profile_process__depth(process, profile->depth);

	write_identity(out, process, width);
	if (depth != DEPTH_KERNEL) {
		write_requests(out, process, width);
		if (profile_process__requests(process)) {
			process_tables__requests(out, process, width);
			process_tables__paths(out, process, width);
		}
	}
	if (depth == DEPTH_FULL) {
		putc('\n', out);
		write_blocks(out, process, width);
	}
	write_calls(out, &process->counters, width);
	write_faults(out, process, width);
	process_tables__first_touches(out, process, depth, width);
	process_tables__touched(out, process, depth, width);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The allocation probes: which files have them, at which sites, since when; and which have not. */
#ifndef ALLOCPATH_PROBES_H
#define ALLOCPATH_PROBES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "contract.h"
#include "file_set.h"

struct allocator_file;
struct bpf_link;
struct session;

struct probed_file {
	char *path;
	struct file_id id;
	struct allocator_file *file;
	int *link_fds;
	size_t nr_link_fds;
	struct bpf_link **links; /* one a probe, on kernels without uprobe_multi */
	size_t nr_links;
	__u64 since_ns; /* CLOCK_MONOTONIC */
	int fd; /* with a budget: to attach it by, again and again; else -1 */
};

struct refused_file {
	char *path;
	char *why;
};

struct probes {
	struct session *session;
	enum probe_depth depth;
	const pid_t *pids; /* probe in these only; nr_pids 0: wherever the file is mapped */
	size_t nr_pids;
	struct file_set seen; /* by stat() */
	struct file_set programs; /* that were begun, by stat() */
	struct file_set probed; /* as the kernel knows them */
	struct probed_file *files; /* index is the file's number */
	size_t nr_files;
	struct refused_file *refusals;
	size_t nr_refusals;
	bool windowed; /* attached in windows only */
	bool detached;
	__u64 detached_ns;
};

/* Notes a file or process that has no probes, for the report. 0, or -ENOMEM. */
int probes__refuse(struct probes *probes, const char *path, const char *why);

/* Does the process map a file that is probed? True where that cannot be known. */
bool probes__cover(const struct probes *probes, pid_t pid);

/*
 * Looks at a file by a path that can be opened (a magic link, say) and probes it if it has a
 * supported allocator; shown is the name for people. A file that was looked at before is passed
 * over. Files without an allocator are silently fine; a refusal is kept for the report.
 * 0, or -ENOMEM.
 */
int probes__consider(struct probes *probes, const char *openable, const char *shown);

/* As probes__consider, by a magic link of /proc/PID/map_files, whose target is the name. */
int probes__consider_link(struct probes *probes, const char *link);

/*
 * Looks at every executable file that a process has mapped. 0, -ESRCH when it is gone, -EACCES
 * when its mappings may not be read.
 */
int probes__consider_process(struct probes *probes, pid_t pid);

/*
 * A process has begun another program: that file, and what the kernel has mapped with it, come
 * without a system call. As probes__consider_process; costs little where the program is known.
 */
int probes__consider_exec(struct probes *probes, pid_t pid);

/* Every process of the host. Those that cannot be read are passed over. */
int probes__consider_host(struct probes *probes);

/* Nanoseconds that one trap costs here, by our own function; 0: could not be measured. */
__u64 probes__calibrate(struct probes *probes);

/*
 * Attaches one file for a window, in everyone or (pid not 0) in one process. 0 or -errno.
 */
int probes__attach_again(struct probes *probes, size_t number, pid_t pid);

/*
 * A probe on our own function alone, for who wants the kernel's locks of attaching warm: the first
 * attach after a while waits some 15 ms in them, before any probe stands. Descriptor or -errno.
 */
int probes__attach_own(struct probes *probes);

/* Detaches; afterwards no probe is hit any more. May be called twice. */
void probes__detach(struct probes *probes);

void probes__free(struct probes *probes);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "allocpath doctor": what this kernel, these rights and this host allow. What is found is a list
 * of findings, a list of files and a list of processes; the report only prints them.
 */
#ifndef ALLOCPATH_DOCTOR_H
#define ALLOCPATH_DOCTOR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "file_set.h"

struct allocator_file;
struct options;
struct unwind_builder;

#define DOCTOR_DETAIL 192

enum finding_state {
	FINDING_YES,
	FINDING_NO,
	FINDING_UNKNOWN, /* could not be tried */
};

struct finding {
	const char *group; /* "kernel", "rights", "host" */
	const char *name; /* for programs: "uprobe_multi" */
	enum finding_state state;
	char detail[DOCTOR_DETAIL]; /* what was seen; "": nothing to say */
	const char *cost; /* where it is missing: what that costs; NULL: nothing */
	const char *mend; /* NULL: nothing mends it */
};

/* A file that would be looked at: probed, or refused with a reason. */
struct doctor_file {
	char *path;
	struct file_id id;
	struct allocator_file *file; /* NULL: refused */
	char *why; /* of a refusal */
};

/* The unwind table of a file of code. */
struct doctor_table {
	char *path;
	int error; /* why there is none */
	__u64 nr_rows;
	__u64 nr_refused; /* rows and records that were not understood */
	__u64 map_bytes;
	__u64 build_ns;
};

/* What names the functions of the files that processes map; each counts once. */
struct doctor_symbols {
	size_t files;
	size_t debug_files; /* separate ones, found on this host */
	size_t own_tables;
	size_t mini_debug;
	size_t exports_only; /* none of these */
};

enum process_sight {
	SIGHT_REQUESTS, /* has an allocator that would be probed */
	SIGHT_KERNEL, /* system calls and faults only */
	SIGHT_32BIT, /* not at all */
	SIGHT_UNREADABLE, /* its mappings may not be read: what it maps is not known */
	NR_SIGHTS,
};

struct doctor_process {
	pid_t pid;
	enum process_sight sight;
	char comm[16];
};

struct doctor {
	struct finding *findings;
	size_t nr_findings;
	struct doctor_file *files;
	size_t nr_files;
	struct doctor_process *processes;
	size_t nr_processes;
	struct doctor_table *tables;
	size_t nr_tables;
	struct doctor_symbols symbols;
	struct unwind_builder *builder; /* NULL: not at work */
	bool depth_kernel, depth_entry, depth_full; /* possible here */
	bool out_of_memory;
};

/* Adds a finding; what is passed as text has to live on, but for the detail. */
struct finding *doctor__find(struct doctor *doctor, const char *group, const char *name,
			     enum finding_state state);
/* Its detail, cut to what has room. */
void finding__say(struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const struct finding *doctor__finding(const struct doctor *doctor, const char *name);

/* Fill in the findings of the kernel and of the rights, by trying; nothing stays attached. */
void doctor__try_kernel(struct doctor *doctor);
void doctor__look_at_rights(struct doctor *doctor);

/* Builds unwind tables meanwhile; the path is copied. end waits for all of them. */
void doctor__begin_tables(struct doctor *doctor);
void doctor__add_table(struct doctor *doctor, const char *path, int fd);
bool doctor__is_builder(const struct doctor *doctor, pid_t pid);
void doctor__end_tables(struct doctor *doctor);
void doctor__free_tables(struct doctor *doctor);

/* Counts what names the functions of a mapped file; then the findings of all. */
void doctor__add_symbols(struct doctor *doctor, const char *path, int fd);
void doctor__look_at_symbols(struct doctor *doctor);

/* Fills in files, their tables and processes, as far as they may be read. */
void doctor__look_at_processes(struct doctor *doctor);

/* 0 or -errno. */
int doctor__write_text(FILE *out, const struct doctor *doctor, bool verbose);
int doctor__write_json(FILE *out, const struct doctor *doctor);

const char *process_sight__name(enum process_sight sight);

/* The command. Returns the exit status. */
int doctor__run(const struct options *options);

#endif

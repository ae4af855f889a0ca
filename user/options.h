/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a command: one table gives parser and help. */
#ifndef ALLOCPATH_OPTIONS_H
#define ALLOCPATH_OPTIONS_H

#include <sys/types.h>

#include "flame.h"
#include "profile.h"
#include "sort.h"

#define EXIT_USAGE 2

/* Of --sample-bytes: what the programs can reckon with. */
#define MAX_SAMPLE_BYTES (1ULL << 30)

/* The commands that share these options. */
enum view {
	VIEW_HIST,
	VIEW_RECORD,
	VIEW_DOCTOR,
	VIEW_THRESHOLD,
	VIEW_FLAME,
	VIEW_VALIDATE,
	VIEW_DIFF,
	VIEW_LEDGER,
	NR_VIEWS,
};

/* Strings are the caller's argv, which has to live as long; pids is owned. */
struct options {
	const char *input; /* a recording to read; NULL: measure */
	enum view view;
	enum target_mode target;
	bool target_given; /* false: TARGET_ALL is the default */
	bool children; /* of TARGET_PIDS: descendants too */
	bool is_live; /* an option was given that goes with measuring only */
	bool depth_given;
	enum probe_depth depth;
	pid_t *pids; /* of TARGET_PIDS, each once */
	size_t nr_pids;
	const char *comm; /* of TARGET_COMM, at most MAX_COMM - 1 characters */
	const char *cgroup; /* of TARGET_CGROUP */
	char **command; /* of TARGET_COMMAND, ends in NULL */
	__u64 duration_ns; /* 0: until Ctrl-C or the end of the command */
	__u64 interval_ns; /* 0: one report at the end */
	__u64 checkpoint_ns; /* of VIEW_RECORD; 0: at the end only */
	unsigned int count; /* intervals; 0: until the end */
	unsigned int top;
	double budget; /* share of time that allocation probes may take, 0.01 for 1 %; 0: no bound */
	__u64 min_size, max_size; /* of the requests that are counted, inclusive */
	enum group_by group_by;
	enum sort_key sort;
	const char *ledger; /* of VIEW_LEDGER: a file, or a process's number */
	char **claims; /* of VIEW_VALIDATE, ends in NULL; NULL: all */
	const char *allocator; /* of VIEW_VALIDATE; NULL: glibc */
	const char *expect; /* of VIEW_VALIDATE: "CLAIM.KEY=VALUE", another expectation */
	bool budget_given; /* else the default of the target and depth holds */
	bool no_read; /* of VIEW_THRESHOLD: glibc's own parameters are not read */
	bool no_stacks; /* of VIEW_RECORD */
	bool takes_stacks, sample_bytes_given;
	bool kernel_frames; /* of stacks: the kernel's too, of faults that it meets itself */
	bool lines; /* of stacks: inlined functions, files and lines too */
	bool per_second; /* of VIEW_DIFF: values over their recording's duration */
	__u64 sample_bytes; /* between requests whose stacks are taken, on average; 0: each is */
	__u32 max_frames; /* of a stack */
	unsigned int top_stacks; /* of VIEW_HIST, for each process; 0: none */
	struct flame_options flame; /* of VIEW_FLAME */
	char **inputs; /* of VIEW_DIFF: the two recordings */
	const char *output; /* NULL: stdout */
	bool json;
	bool verbose;
	bool help, version; /* asked for, and printed */
	int exit_status; /* of a parse that returned -1 */
};

/*
 * argv[0] is the command's name. 0 to go on; -1 to exit with options->exit_status: 0 where help or
 * version was asked for and printed, EXIT_USAGE after one line on stderr. Both ways options__free is
 * due.
 */
int options__parse(int argc, char **argv, struct options *options);

void options__free(struct options *options);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "option_rows.h"
#include "quantity.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

int options__set_target(struct options *options, enum target_mode target)
{
	static const char *const names[] = {
		[TARGET_ALL] = "-a",	      [TARGET_PIDS] = "-p",	[TARGET_COMM] = "-n",
		[TARGET_CGROUP] = "--cgroup", [TARGET_COMMAND] = "CMD",
	};

	if (!options->target_given || options->target == target) {
		options->target = target;
		options->target_given = true;
		return 0;
	}
	return log__error(-1, "%s and %s are two targets: give one of -p, -n, --cgroup, -a, -- CMD",
			  names[options->target], names[target]);
}

static int add_pid(struct options *options, pid_t pid)
{
	pid_t *pids;

	for (size_t i = 0; i < options->nr_pids; i++)
		if (options->pids[i] == pid)
			return 0;
	pids = realloc(options->pids, (options->nr_pids + 1) * sizeof(*pids));
	if (!pids)
		return log__error(-1, "no memory for the list of processes");
	options->pids = pids;
	pids[options->nr_pids++] = pid;
	return 0;
}

static int refuse(const struct given *given, const char *why)
{
	return log__error(-1, "%s %s: %s", given->option, given->value, why);
}

static int parse_switch(const struct given *given)
{
	*(bool *)given->field = true;
	return 0;
}

static int parse_all(const struct given *given)
{
	return options__set_target(given->options, TARGET_ALL);
}

static int parse_pids(const struct given *given)
{
	const char *at = given->value;

	if (options__set_target(given->options, TARGET_PIDS))
		return -1;
	for (;;) {
		size_t length = strcspn(at, ",");
		int pid;

		if (!quantity__parse_number(at, length, 1, &pid))
			return refuse(given, "process numbers are positive, as in -p 812,4711");
		if (add_pid(given->options, pid))
			return -1;
		if (!at[length])
			return 0;
		at += length + 1;
	}
}

static int parse_comm(const struct given *given)
{
	if (options__set_target(given->options, TARGET_COMM))
		return -1;
	if (given->options->comm)
		return refuse(given, "a second name: one is possible");
	if (!*given->value)
		return refuse(given, "no name: give one, as in -n nginx");
	if (strlen(given->value) >= MAX_COMM)
		return log__error(-1, "-n %s: too long: the kernel keeps %d characters, -n %.*s",
				  given->value, MAX_COMM - 1, MAX_COMM - 1, given->value);
	given->options->comm = given->value;
	return 0;
}

static int parse_cgroup(const struct given *given)
{
	if (options__set_target(given->options, TARGET_CGROUP))
		return -1;
	if (given->options->cgroup)
		return refuse(given, "a second group: one is possible, with its sub-groups");
	if (!*given->value)
		return refuse(given, "no path: give one, as in --cgroup /system.slice");
	given->options->cgroup = given->value;
	return 0;
}

static int parse_time(const struct given *given)
{
	int error = quantity__parse_duration(given->value, given->field);

	if (error == -ERANGE)
		return refuse(given, "out of range: more than 0 and less than 292 years");
	if (error)
		return refuse(given, "not a time: a number and ms, s, m or h, as in 10s");
	return 0;
}

static int parse_bytes(const struct given *given)
{
	int error = quantity__parse_size(given->value, given->field);

	if (error == -ERANGE)
		return refuse(given, "too large: a size is less than 16 EiB");
	if (error)
		return refuse(given, "not a size: bytes, or with K, M or G, as in 128K");
	return 0;
}

static int parse_count(const struct given *given)
{
	int count;

	if (!quantity__parse_number(given->value, strlen(given->value), 1, &count))
		return refuse(given, "not a positive number: say how many intervals");
	given->options->count = (unsigned int)count;
	return 0;
}

static int parse_top(const struct given *given)
{
	int top;

	if (!quantity__parse_number(given->value, strlen(given->value), 0, &top))
		return refuse(given, "not a number: say how many, 0 for none");
	given->options->top = (unsigned int)top;
	return 0;
}

static int parse_stacks(const struct given *given)
{
	int top;

	if (!quantity__parse_number(given->value, strlen(given->value), 0, &top))
		return refuse(given, "not a number: say how many stacks, 0 for none");
	given->options->top_stacks = (unsigned int)top;
	given->options->takes_stacks = top > 0;
	return 0;
}

static int parse_max_frames(const struct given *given)
{
	int frames;

	if (!quantity__parse_number(given->value, strlen(given->value), 1, &frames) ||
	    frames > MAX_STACK_FRAMES)
		return refuse(given, "out of range: 1 to 511 frames");
	given->options->max_frames = (__u32)frames;
	return 0;
}

/* 0 takes each request's stack. */
static int parse_sample_bytes(const struct given *given)
{
	if (parse_bytes(given))
		return -1;
	if (given->options->sample_bytes > MAX_SAMPLE_BYTES)
		return refuse(given, "out of range: 0 to 1G");
	given->options->sample_bytes_given = true;
	return 0;
}

static int parse_probes(const struct given *given)
{
	for (int depth = DEPTH_KERNEL; depth <= DEPTH_FULL; depth++) {
		if (strcmp(given->value, probe_depth__name(depth)) == 0) {
			given->options->depth = depth;
			given->options->depth_given = true;
			return 0;
		}
	}
	return refuse(given, "no such depth: there are kernel, entry and full");
}

static int parse_budget(const struct given *given)
{
	double percent;
	char *end;

	given->options->budget_given = true;
	given->options->budget = 0;
	if (strcmp(given->value, "none") == 0)
		return 0;
	errno = 0;
	percent = strtod(given->value, &end);
	if (*end == '%')
		end++;
	if (errno || end == given->value || *end || !(percent >= 0.01 && percent <= 50))
		return refuse(given,
			      "not a percentage from 0.01 to 50: give one as in 1%, or none");
	given->options->budget = percent / 100;
	return 0;
}

static int parse_group_by(const struct given *given)
{
	static const char *const names[] = {
		[GROUP_PID] = "pid",
		[GROUP_COMM] = "comm",
		[GROUP_EXE] = "exe",
		[GROUP_CGROUP] = "cgroup",
	};

	for (int by = GROUP_PID; by <= GROUP_CGROUP; by++) {
		if (strcmp(given->value, names[by]) == 0) {
			given->options->group_by = by;
			return 0;
		}
	}
	return refuse(given, "no such key: there are pid, comm, exe and cgroup");
}

static int parse_sort(const struct given *given)
{
	if (sort_key__parse(given->value, &given->options->sort))
		return 0;
	return refuse(given, "no such key: there are bytes, requests, failed, brk, mmap, arena, "
			     "remap, live, grown, mapped, touched, faults, pid and comm");
}

static int parse_output(const struct given *given)
{
	if (!*given->value)
		return refuse(given, "no file: give its name");
	given->options->output = strcmp(given->value, "-") == 0 ? NULL : given->value;
	return 0;
}

static int parse_by(const struct given *given)
{
	for (int value = 0; value < NR_FLAME_VALUES; value++) {
		if (strcmp(given->value, flame_value__name(value)) == 0) {
			given->options->flame.settings.by = value;
			return 0;
		}
	}
	return refuse(given, "no such value: there are bytes, count, brk, mmap, faults, touched, "
			     "touched-by-origin and never-touched");
}

static int parse_directory(const struct given *given)
{
	if (!*given->value)
		return refuse(given, "no directory: give its name");
	given->options->flame.per_process = given->value;
	return 0;
}

static int parse_min_width(const struct given *given)
{
	char *end;
	double percent = strtod(given->value, &end);

	if (end == given->value || *end || !(percent >= 0 && percent <= 100))
		return refuse(given, "not a share: 0 to 100 percent, as in 0.5");
	given->options->flame.min_width = percent;
	return 0;
}

static int parse_input(const struct given *given)
{
	if (!*given->value)
		return refuse(given, "no file: give the name of a recording");
	given->options->input = given->value;
	return 0;
}

static int parse_allocator(const struct given *given)
{
	if (!*given->value)
		return refuse(given, "no name: give one, as in --allocator jemalloc");
	given->options->allocator = given->value;
	return 0;
}

static int parse_expect(const struct given *given)
{
	const char *dot = strchr(given->value, '.'), *equal = strchr(given->value, '=');

	if (!dot || !equal || equal < dot)
		return refuse(given, "not an expectation: give one as in 5.heap_bytes=135168");
	given->options->expect = given->value;
	return 0;
}

#define SWITCH(member) .parse = parse_switch, .field = offsetof(struct options, member)
#define TIME(member) .parse = parse_time, .field = offsetof(struct options, member)
#define BYTES(member) .parse = parse_bytes, .field = offsetof(struct options, member)

/* Which commands have an option. */
#define HIST (1U << VIEW_HIST)
#define RECORD (1U << VIEW_RECORD)
#define DOCTOR (1U << VIEW_DOCTOR)
#define THRESHOLD (1U << VIEW_THRESHOLD)
#define FLAME (1U << VIEW_FLAME)
#define VALIDATE (1U << VIEW_VALIDATE)
#define DIFF (1U << VIEW_DIFF)
#define LEDGER (1U << VIEW_LEDGER)
#define ALL (HIST | RECORD | DOCTOR | THRESHOLD | FLAME | VALIDATE | DIFF | LEDGER)
#define MEASURES .views = HIST | RECORD | THRESHOLD | FLAME, .live = 1

const struct option_row option_rows[] = {
	{ .heading = "Which processes (all of the host, where none of these is given):",
	  .views = HIST | RECORD | THRESHOLD | FLAME },
	{ NULL, 'p', "PID[,PID...]", "these processes", .parse = parse_pids, MEASURES },
	{ "children", 0, NULL, "with -p: their descendants too", SWITCH(children), MEASURES },
	{ NULL, 'n', "COMM", "processes of this name", .parse = parse_comm, MEASURES },
	{ "cgroup", 0, "PATH", "processes of this cgroup and its sub-groups", .parse = parse_cgroup,
	  MEASURES },
	{ NULL, 'a', NULL, "all processes of the host", .parse = parse_all, MEASURES },
	/* Not for getopt, which ends at it. */
	{ "", 0, "-- CMD ARGS...", "run CMD, measure it and its descendants", MEASURES },
	{ NULL, 'i', "FILE", "none: the recording in FILE", .parse = parse_input,
	  .views = HIST | THRESHOLD | FLAME },

	{ .heading = "How long (until Ctrl-C or the end of CMD, where -d is not given):",
	  .views = HIST | RECORD | THRESHOLD | FLAME },
	{ NULL, 'd', "DURATION", "as in 500ms, 10s, 2m", TIME(duration_ns), MEASURES },
	{ "interval", 0, "T", "a report every T, each of its own interval", TIME(interval_ns),
	  .views = HIST, .live = 1 },
	{ "count", 0, "N", "end after N intervals", .parse = parse_count, .views = HIST,
	  .live = 1 },
	{ "checkpoint", 0, "T", "write the file every T too, for when allocpath is killed",
	  TIME(checkpoint_ns), .views = RECORD },

	{ .heading = "What:", .views = HIST | RECORD | THRESHOLD | FLAME },
	{ "probes", 0, "DEPTH",
	  "kernel: system calls and page faults; costs least\n"
	  "entry:  and allocation functions, for sizes and paths\n"
	  "        (default)\n"
	  "full:   and returns and frees, for homes, releases and\n"
	  "        live blocks; not for the whole host",
	  .parse = parse_probes, .views = HIST | RECORD | FLAME, .live = 1 },
	{ "probes", 0, "DEPTH",
	  "kernel: the break, and what can be read (default of -a)\n"
	  "entry:  and requests, for the bracket\n"
	  "full:   and returns and frees: the threshold is followed\n"
	  "        (default)",
	  .parse = parse_probes, .views = THRESHOLD, .live = 1 },
	{ "no-read", 0, NULL, "do not read the library's own threshold from processes",
	  SWITCH(no_read), .views = THRESHOLD, .live = 1 },
	{ "budget", 0, "PCT",
	  "attach allocation probes in windows, which take at\n"
	  "most PCT of a thread's time; requests are then\n"
	  "estimates. 1% on the whole host at entry, else none",
	  .parse = parse_budget, .views = HIST | RECORD, .live = 1 },
	{ "min-size", 0, "N", "only requests of N bytes and more; 4K is 4096", BYTES(min_size),
	  .views = HIST | RECORD | FLAME, .live = 1 },
	{ "max-size", 0, "N", "only requests of N bytes and less", BYTES(max_size),
	  .views = HIST | RECORD | FLAME, .live = 1 },

	{ "stacks", 0, "N", "the N stacks of each process that asked for most",
	  .parse = parse_stacks, .views = HIST },
	{ "no-stacks", 0, NULL, "take no stacks: each request's caller alone", SWITCH(no_stacks),
	  .views = RECORD, .live = 1 },
	{ "lines", 0, NULL, "with --stacks: what was inlined, files and lines too", SWITCH(lines),
	  .views = HIST },
	{ "sample-bytes", 0, "N",
	  "with stacks: of a request in N bytes on average\n"
	  "(default 512K; with -- CMD 0, of each request)",
	  .parse = parse_sample_bytes, .field = offsetof(struct options, sample_bytes),
	  .views = HIST | RECORD | FLAME, .live = 1 },
	{ "kernel-frames", 'k', NULL,
	  "with stacks: of a fault that the kernel meets itself, as\n"
	  "in read(2) into fresh memory, its own functions too",
	  SWITCH(kernel_frames), .views = HIST | RECORD | FLAME, .live = 1 },
	{ "max-frames", 0, "N", "of a stack, 1 to 511 (default 127)", .parse = parse_max_frames,
	  .views = HIST | RECORD | FLAME, .live = 1 },

	{ .heading = "Picture:", .views = FLAME },
	{ .heading = "What:", .views = DIFF },
	{ "by", 0, "VALUE",
	  "bytes: asked for (default)      count:   requests\n"
	  "brk:   the break grown by       mmap:    mapped\n"
	  "faults                          touched: first touched",
	  .parse = parse_by, .views = DIFF },
	{ "by", 0, "VALUE",
	  "bytes: asked for (default)      count:   requests\n"
	  "brk:   the break grown by       mmap:    mapped\n"
	  "faults                          touched: first touched\n"
	  "touched-by-origin: first touched, by who asked for it\n"
	  "never-touched: asked for and not touched, as far as that\n"
	  "       is known: own mappings, and the heap's top",
	  .parse = parse_by, .views = FLAME },
	{ NULL, 'o', "FILE", "FILE.svg, .folded, .json or .pb.gz; else folded to stdout",
	  .parse = parse_output, .views = FLAME },
	{ NULL, 'o', "FILE", "as FILE.svg a picture; else the report goes to FILE",
	  .parse = parse_output, .views = DIFF },
	{ "per-second", 0, NULL, "each over the duration of its recording", SWITCH(per_second),
	  .views = DIFF },
	{ "top", 0, "N", "the first N of each kind (default 10)", .parse = parse_top,
	  .views = DIFF },
	{ "json", 0, NULL, "JSON, with all that was compared", SWITCH(json), .views = DIFF },
	{ "per-process", 0, "DIR", "a picture of each process too, in this directory",
	  .parse = parse_directory, .views = FLAME },
	{ "min-width", 0, "PCT", "what is narrower is not drawn (default 0.1)",
	  .parse = parse_min_width, .views = FLAME | DIFF },
	{ "reverse", 0, NULL, "from the innermost function to its callers",
	  SWITCH(flame.settings.reverse), .views = FLAME },
	{ "keep-allocator", 0, NULL, "malloc and what it calls stay innermost",
	  SWITCH(flame.settings.keep_allocator), .views = FLAME | DIFF },
	{ "verbose", 'v', NULL, "what is probed and what is not, as it comes", SWITCH(verbose),
	  .views = FLAME },

	{ .heading = "What:", .views = VALIDATE },
	{ "allocator", 0, "LIB",
	  "glibc (default), musl, jemalloc, tcmalloc, mimalloc,\n"
	  "reference, all, or the path of a library",
	  .parse = parse_allocator, .views = VALIDATE },
	{ "expect", 0, "C.KEY=N", "expect another value, to see that a wrong one is noticed",
	  .parse = parse_expect, .views = VALIDATE },
	{ .heading = "Report:", .views = HIST | DOCTOR | THRESHOLD | VALIDATE | LEDGER },
	{ .heading = "Recording:", .views = RECORD },
	{ "group-by", 0, "KEY", "a row for each pid (default), comm, exe or cgroup",
	  .parse = parse_group_by, .views = HIST },
	{ "sort", 0, "KEY",
	  "bytes (default; at kernel: touched), requests, failed,\n"
	  "brk, mmap, arena, remap, live, grown, mapped, touched,\n"
	  "faults, pid or comm",
	  .parse = parse_sort, .views = HIST },
	{ "top", 0, "N", "histograms of the first N processes (default 5)", .parse = parse_top,
	  .views = HIST },
	{ "json", 0, NULL, "JSON, with every process; one document a line", SWITCH(json),
	  .views = HIST },
	{ "json", 0, NULL, "JSON, for programs", SWITCH(json),
	  .views = DOCTOR | THRESHOLD | VALIDATE | LEDGER },
	{ NULL, 'o', "FILE", "the report goes to FILE instead of stdout", .parse = parse_output,
	  .views = HIST | DOCTOR | VALIDATE | LEDGER },
	{ NULL, 'o', "FILE",
	  "the report goes to FILE; as FILE.svg it is a drawing of\n"
	  "sizes against time",
	  .parse = parse_output, .views = THRESHOLD },
	{ NULL, 'o', "FILE", "the file, which pprof tools open too; needed", .parse = parse_output,
	  .views = RECORD },
	{ "verbose", 'v', NULL, "every probed site, the books, more of each process",
	  SWITCH(verbose), .views = HIST },
	{ "verbose", 'v', NULL, "what is probed and what is not, as it comes", SWITCH(verbose),
	  .views = RECORD },
	{ "verbose", 'v', NULL, "every site, every process", SWITCH(verbose), .views = DOCTOR },
	{ "verbose", 'v', NULL, "what each experiment did", SWITCH(verbose), .views = VALIDATE },
	{ "verbose", 'v', NULL, "every move of the threshold, the books", SWITCH(verbose),
	  .views = THRESHOLD },
	{ "help", 'h', NULL, "this text", SWITCH(help), .views = ALL },
	{ "version", 'V', NULL, "the version", SWITCH(version), .views = ALL },
};

const size_t nr_option_rows = ARRAY_SIZE(option_rows);

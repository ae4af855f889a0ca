/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "quantity.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define DEFAULT_TOP 5

/* From where the help explains. */
#define HELP_COLUMN 24

/* getopt returns this and the row's number, so that nothing but the table names the options. */
#define FIRST_KEY 1000

/* An option as it was given. */
struct given {
	struct options *options;
	const char *option; /* as the user wrote it, for messages */
	const char *value; /* NULL: it takes none */
	void *field; /* the member of options that the row names */
};

/* parse returns 0, or -1 once it has said what is wrong and what would be right. */
struct option_row {
	const char *name; /* without dashes; NULL: only the letter */
	char letter; /* 0: only the name */
	const char *value; /* as the help writes it; NULL: takes none */
	const char *help; /* lines end in \n, but for the last */
	int (*parse)(const struct given *given);
	size_t field; /* offset in struct options */
	const char *heading; /* begins a section of the help */
};

static int set_target(struct options *options, enum target_mode target)
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
	return set_target(given->options, TARGET_ALL);
}

static int parse_pids(const struct given *given)
{
	const char *at = given->value;

	if (set_target(given->options, TARGET_PIDS))
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
	if (set_target(given->options, TARGET_COMM))
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
	if (set_target(given->options, TARGET_CGROUP))
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
		return refuse(given, "not a number: say how many histograms, 0 for none");
	given->options->top = (unsigned int)top;
	return 0;
}

static int parse_probes(const struct given *given)
{
	for (int depth = DEPTH_KERNEL; depth <= DEPTH_FULL; depth++) {
		if (strcmp(given->value, probe_depth__name(depth)) == 0) {
			given->options->depth = depth;
			return 0;
		}
	}
	return refuse(given, "no such depth: there are kernel, entry and full");
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

#define SWITCH(member) .parse = parse_switch, .field = offsetof(struct options, member)
#define TIME(member) .parse = parse_time, .field = offsetof(struct options, member)
#define BYTES(member) .parse = parse_bytes, .field = offsetof(struct options, member)

static const struct option_row option_rows[] = {
	{ .heading = "Which processes (all of the host, where none of these is given):" },
	{ NULL, 'p', "PID[,PID...]", "these processes", .parse = parse_pids },
	{ "children", 0, NULL, "with -p: their descendants too", SWITCH(children) },
	{ NULL, 'n', "COMM", "processes of this name", .parse = parse_comm },
	{ "cgroup", 0, "PATH", "processes of this cgroup and its sub-groups",
	  .parse = parse_cgroup },
	{ NULL, 'a', NULL, "all processes of the host", .parse = parse_all },
	/* Not for getopt, which ends at it. */
	{ "", 0, "-- CMD ARGS...", "run CMD, measure it and its descendants", .parse = NULL },

	{ .heading = "How long (until Ctrl-C or the end of CMD, where -d is not given):" },
	{ NULL, 'd', "DURATION", "as in 500ms, 10s, 2m", TIME(duration_ns) },
	{ "interval", 0, "T", "a report every T, each of its own interval", TIME(interval_ns) },
	{ "count", 0, "N", "end after N intervals", .parse = parse_count },

	{ .heading = "What:" },
	{ "probes", 0, "DEPTH",
	  "kernel: system calls and page faults; costs least\n"
	  "entry:  and allocation functions, for sizes and paths\n"
	  "        (default)\n"
	  "full:   and returns and frees, for homes, releases and\n"
	  "        live blocks; not for the whole host",
	  .parse = parse_probes },
	{ "min-size", 0, "N", "only requests of N bytes and more; 4K is 4096", BYTES(min_size) },
	{ "max-size", 0, "N", "only requests of N bytes and less", BYTES(max_size) },

	{ .heading = "Report:" },
	{ "group-by", 0, "KEY", "a row for each pid (default), comm, exe or cgroup",
	  .parse = parse_group_by },
	{ "sort", 0, "KEY",
	  "bytes (default; at kernel: touched), requests, failed,\n"
	  "brk, mmap, arena, remap, live, grown, mapped, touched,\n"
	  "faults, pid or comm",
	  .parse = parse_sort },
	{ "top", 0, "N", "histograms of the first N processes (default 5)", .parse = parse_top },
	{ "json", 0, NULL, "JSON, with every process; one document a line", SWITCH(json) },
	{ NULL, 'o', "FILE", "the report goes to FILE instead of stdout", .parse = parse_output },
	{ "verbose", 'v', NULL, "every probed site, the books, more of each process",
	  SWITCH(verbose) },
	{ "help", 'h', NULL, "this text", SWITCH(help) },
	{ "version", 'V', NULL, "the version", SWITCH(version) },
};

/* One row of help: "  -v, --verbose         text", the text's lines below each other. */
static void print_row(const struct option_row *row)
{
	const char *line = row->help;
	char left[64];
	int length;

	if (row->letter && row->name)
		length = snprintf(left, sizeof(left), "  -%c, --%s", row->letter, row->name);
	else if (row->letter)
		length = snprintf(left, sizeof(left), "  -%c", row->letter);
	else
		length = snprintf(left, sizeof(left), *row->name ? "  --%s" : " %s", row->name);
	if (row->value)
		snprintf(left + length, sizeof(left) - (size_t)length, " %s", row->value);
	printf("%-*s", HELP_COLUMN, left);
	for (;;) {
		size_t end = strcspn(line, "\n");

		printf("%.*s\n", (int)end, line);
		if (!line[end])
			break;
		line += end + 1;
		printf("%*s", HELP_COLUMN, "");
	}
}

static void print_help(void)
{
	printf("Usage: allocpath hist [-p PID[,PID...] | -n COMM | --cgroup PATH | -a |\n"
	       "                       -- CMD ARGS...] [OPTION...]\n\n"
	       "Measures what processes ask of their allocator, the path that each request\n"
	       "takes, and what of it becomes real memory; then prints histograms. As root.\n");
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++) {
		if (option_rows[i].heading)
			printf("\n%s\n", option_rows[i].heading);
		else
			print_row(&option_rows[i]);
	}
	printf("\nExit status: 0, or that of CMD; 2 for wrong usage; for allocpath's own failures\n"
	       "125 with CMD, 1 without.\n");
}

/* What getopt needs, made from the table. */
struct getopt_tables {
	char letters[3 + 2 * ARRAY_SIZE(option_rows)];
	struct option names[ARRAY_SIZE(option_rows) + 1];
};

/* "+": options end at the first word that is none; ":": messages are ours. */
static void make_tables(struct getopt_tables *tables)
{
	char *letter = tables->letters;
	struct option *name = tables->names;

	memset(tables, 0, sizeof(*tables));
	*letter++ = '+';
	*letter++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++) {
		const struct option_row *row = &option_rows[i];

		if (row->letter) {
			*letter++ = row->letter;
			if (row->value)
				*letter++ = ':';
		}
		if (row->name && *row->name)
			*name++ = (struct option){
				.name = row->name,
				.has_arg = row->value ? required_argument : no_argument,
				.val = FIRST_KEY + (int)i,
			};
	}
}

/* The row that a key of getopt belongs to, NULL for none, and its option as the user wrote it. */
static const struct option_row *find_row(int key, char *written, size_t size)
{
	snprintf(written, size, "-%c", key);
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++) {
		const struct option_row *row = &option_rows[i];

		if (key == FIRST_KEY + (int)i)
			snprintf(written, size, "--%s", row->name);
		if (key == FIRST_KEY + (int)i || (key && key == row->letter))
			return row;
	}
	return NULL;
}

/* getopt refused an option: optopt tells which, if it knows it. */
static int refuse_option(int key, const char *argument)
{
	char written[32];

	if (!find_row(optopt, written, sizeof(written))) {
		if (optopt)
			argument = written;
		return log__error(-1, "there is no option '%s': see allocpath hist --help",
				  argument);
	}
	if (key == ':')
		return log__error(-1, "%s needs a value: see allocpath hist --help", written);
	return log__error(-1, "%s takes no value: give it as %s alone", written, written);
}

static int parse_options(int argc, char **argv, struct options *options)
{
	struct getopt_tables tables;
	char written[32];
	int key;

	make_tables(&tables);
	optind = 0; /* glibc's getopt starts afresh */
	while ((key = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		struct given given = { .options = options, .option = written, .value = optarg };
		const struct option_row *row;

		if (key == '?' || key == ':')
			return refuse_option(key, argv[optind - 1]);
		row = find_row(key, written, sizeof(written));
		given.field = (char *)options + row->field;
		if (row->parse(&given))
			return -1;
		if (options->help || options->version)
			return 0;
	}
	return 0;
}

/* What follows the options: nothing, or "--" and a command. */
static int parse_command(int argc, char **argv, struct options *options)
{
	if (strcmp(argv[optind - 1], "--") == 0 && optind > 1) {
		if (optind == argc)
			return log__error(-1, "there is no command after --: give one, "
					      "as in -- ls -l");
		options->command = argv + optind;
		return set_target(options, TARGET_COMMAND);
	}
	if (optind < argc)
		return log__error(-1,
				  "'%s' is no option: give a process as -p PID, "
				  "a command as -- CMD",
				  argv[optind]);
	return 0;
}

static int check_contradictions(const struct options *options)
{
	if (options->children && options->target == TARGET_COMMAND)
		return log__error(-1, "--children goes with -p only: "
				      "the descendants of CMD are always followed");
	if (options->children && options->target == TARGET_CGROUP)
		return log__error(-1, "--children goes with -p only: "
				      "--cgroup has its sub-groups in it, whoever started them");
	if (options->children && options->target != TARGET_PIDS)
		return log__error(-1, "--children goes with -p only: give -p PID, or leave it out");
	if (options->count && !options->interval_ns)
		return log__error(-1, "--count counts intervals: give --interval T as well");
	if (options->min_size > options->max_size)
		return log__error(-1,
				  "--min-size %llu is more than --max-size %llu: "
				  "no request is both",
				  options->min_size, options->max_size);
	if (options->depth == DEPTH_KERNEL && (options->min_size || options->max_size != ~0ULL))
		return log__error(-1, "--min-size and --max-size choose requests, which "
				      "--probes kernel does not see: use --probes entry");
	if (options->depth == DEPTH_FULL && options->target == TARGET_ALL)
		return log__error(-1, "--probes full is refused system-wide without sampling: "
				      "name processes with -p, -n, --cgroup or -- CMD, or use "
				      "--probes entry");
	return 0;
}

static int print_and_exit(struct options *options)
{
	if (options->help)
		print_help();
	else
		printf("allocpath %s\n", ALLOCPATH_VERSION);
	options->exit_status = 0;
	if (fflush(stdout)) {
		log__error(-1, "cannot write to standard output: %s", strerror(errno));
		options->exit_status = 1;
	}
	return -1;
}

int options__parse(int argc, char **argv, struct options *options)
{
	*options = (struct options){
		.target = TARGET_ALL,
		.depth = DEPTH_ENTRY,
		.max_size = ~0ULL,
		.top = DEFAULT_TOP,
		.exit_status = EXIT_USAGE,
	};
	if (parse_options(argc, argv, options))
		return -1;
	if (options->help || options->version)
		return print_and_exit(options);
	if (parse_command(argc, argv, options) || check_contradictions(options))
		return -1;
	options->exit_status = 0;
	return 0;
}

void options__free(struct options *options)
{
	free(options->pids);
	options->pids = NULL;
	options->nr_pids = 0;
}

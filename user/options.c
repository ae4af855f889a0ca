/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "option_rows.h"
#include "options.h"

#define DEFAULT_TOP 5
#define DEFAULT_DIFF_TOP 10
#define DEFAULT_FRAMES 127
#define DEFAULT_MIN_WIDTH 0.1 /* percent */
#define DEFAULT_SAMPLE_BYTES (512 << 10)
#define DEFAULT_BUDGET 0.01 /* on the whole host at depth entry */

/* From where the help explains. */
#define HELP_COLUMN 24

/* getopt returns this and the row's number, so that nothing but the table names the options. */
#define FIRST_KEY 1000

/* At least as many as the table has. */
#define MAX_OPTIONS 64

static const char *const view_names[] = {
	[VIEW_HIST] = "hist",		[VIEW_RECORD] = "record", [VIEW_DOCTOR] = "doctor",
	[VIEW_THRESHOLD] = "threshold", [VIEW_FLAME] = "flame",	  [VIEW_VALIDATE] = "validate",
	[VIEW_DIFF] = "diff",		[VIEW_LEDGER] = "ledger",
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

static bool row__is_of(const struct option_row *row, enum view view)
{
	return row->views & (1U << view);
}

static void print_help(enum view view)
{
	static const char *const intros[] = {
		[VIEW_HIST] =
			"Usage: allocpath hist [-p PID[,PID...] | -n COMM | --cgroup PATH | -a |\n"
			"                       -- CMD ARGS...] [OPTION...]\n"
			"       allocpath hist -i FILE [OPTION...]\n\n"
			"Measures what processes ask of their allocator, the path that each request\n"
			"takes, and what of it becomes real memory; then prints histograms. As root,\n"
			"but for -i, which reads a file of allocpath record.\n",
		[VIEW_RECORD] =
			"Usage: allocpath record [-p PID[,PID...] | -n COMM | --cgroup PATH | -a |\n"
			"                         -- CMD ARGS...] [OPTION...] -o FILE\n\n"
			"Measures as allocpath hist does, and writes what was measured, with who asked,\n"
			"as gzipped pprof: for allocpath hist -i FILE, and for go tool pprof. As root.\n",
		[VIEW_DOCTOR] =
			"Usage: allocpath doctor [OPTION...]\n\n"
			"Says what this kernel, these rights and this host allow, found by trying:\n"
			"what would be probed and how, which processes would be seen, what is missing,\n"
			"what that costs and what mends it. Measures nothing, leaves nothing behind.\n",
		[VIEW_THRESHOLD] =
			"Usage: allocpath threshold [-p PID[,PID...] | -n COMM | --cgroup PATH | -a |\n"
			"                            -- CMD ARGS...] [OPTION...]\n"
			"       allocpath threshold -i FILE [OPTION...]\n\n"
			"Says from which size on requests get mappings of their own: as it is seen, as\n"
			"the library's own rule predicts it, and as it is read from the process; what\n"
			"moved it, what that costs, and which setting would spare it. As root, but for\n"
			"-i, which reads a file of allocpath record --probes full.\n",
		[VIEW_FLAME] =
			"Usage: allocpath flame [-p PID[,PID...] | -n COMM | --cgroup PATH | -a |\n"
			"                        -- CMD ARGS...] [OPTION...] [-o FILE]\n"
			"       allocpath flame -i FILE [OPTION...] [-o FILE]\n\n"
			"Shows whose calls ask for memory, or touch it: stacks by the programs' own\n"
			"unwind tables, merged from the root on. FILE.svg is a picture to zoom and search\n"
			"in a browser, FILE.folded (and stdout) lines for flamegraph.pl, FILE.json a tree,\n"
			"FILE.pb.gz a recording. As root, but for -i.\n",
		[VIEW_VALIDATE] =
			"Usage: allocpath validate [CLAIM...] [OPTION...]\n\n"
			"Puts twelve statements about malloc to the test: each is a small program that\n"
			"runs here, under our own probes. Says what was expected by the library's own\n"
			"rule, what was measured, and whether the statement holds. CLAIM is a number\n"
			"from 1 to 12. As root.\n",
		[VIEW_DIFF] =
			"Usage: allocpath diff A B [OPTION...] [-o FILE]\n\n"
			"Compares two files of allocpath record: by process, path, size class and stack,\n"
			"each with how sure its change is. What sampling could make is not significant.\n"
			"Needs no rights. FILE.svg is a picture of what B has more of, and less.\n",
		[VIEW_LEDGER] =
			"Usage: allocpath ledger FILE|PID [OPTION...]\n\n"
			"Shows what the reference allocator, librefalloc, has counted of itself, without\n"
			"any probe: FILE is what REFALLOC=ledger=FILE has it write, PID a process that\n"
			"runs with it. A file whose name is a number is given as ./NUMBER.\n",
	};

	printf("%s", intros[view]);
	for (size_t i = 0; i < nr_option_rows; i++) {
		if (!row__is_of(&option_rows[i], view))
			continue;
		if (option_rows[i].heading)
			printf("\n%s\n", option_rows[i].heading);
		else
			print_row(&option_rows[i]);
	}
	if (view == VIEW_DIFF)
		printf("\nExit status: 0, whatever differs; 1 for files that cannot be compared or\n"
		       "written; 2 for wrong usage.\n");
	else if (view == VIEW_VALIDATE)
		printf("\nExit status: 0; 1 where a value is not as expected, or for allocpath's own\n"
		       "failures; 2 for wrong usage.\n");
	else if (view == VIEW_LEDGER)
		printf("\nExit status: 0; 1 where there is no ledger to read; 2 for wrong usage.\n");
	else if (view == VIEW_DOCTOR)
		printf("\nExit status: 0, whatever is missing; 1 where the report cannot be written.\n");
	else
		printf("\nExit status: 0, or that of CMD; 2 for wrong usage; for allocpath's own failures\n"
		       "125 with CMD, 1 without.\n");
}

/* What getopt needs, made from the table. */
struct getopt_tables {
	char letters[3 + 2 * MAX_OPTIONS];
	struct option names[MAX_OPTIONS + 1];
};

/* Claims, recordings, or a ledger stand beside its options. */
static bool takes_words(enum view view)
{
	return view == VIEW_VALIDATE || view == VIEW_DIFF || view == VIEW_LEDGER;
}

/* "+": options end at the first word that is none; ":": messages are ours. */
static void make_tables(struct getopt_tables *tables, enum view view)
{
	char *letter = tables->letters;
	struct option *name = tables->names;

	memset(tables, 0, sizeof(*tables));
	if (!takes_words(view)) /* they may stand anywhere */
		*letter++ = '+';
	*letter++ = ':';
	for (size_t i = 0; i < nr_option_rows; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row__is_of(row, view))
			continue;
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
static const struct option_row *find_row(int key, enum view view, char *written, size_t size)
{
	snprintf(written, size, "-%c", key);
	for (size_t i = 0; i < nr_option_rows; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row__is_of(row, view))
			continue;
		if (key == FIRST_KEY + (int)i)
			snprintf(written, size, "--%s", row->name);
		if (key == FIRST_KEY + (int)i || (key && key == row->letter))
			return row;
	}
	return NULL;
}

/* getopt refused an option: optopt tells which, if it knows it. */
static int refuse_option(int key, enum view view, const char *argument)
{
	char written[32];

	if (!find_row(optopt, view, written, sizeof(written))) {
		if (optopt)
			argument = written;
		return log__error(-1, "there is no option '%s': see allocpath %s --help", argument,
				  view_names[view]);
	}
	if (key == ':')
		return log__error(-1, "%s needs a value: see allocpath %s --help", written,
				  view_names[view]);
	return log__error(-1, "%s takes no value: give it as %s alone", written, written);
}

static int parse_options(int argc, char **argv, struct options *options)
{
	struct getopt_tables tables;
	char written[32];
	int key;

	make_tables(&tables, options->view);
	optind = 0; /* glibc's getopt starts afresh */
	while ((key = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		struct given given = { .options = options, .option = written, .value = optarg };
		const struct option_row *row;

		if (key == '?' || key == ':')
			return refuse_option(key, options->view, argv[optind - 1]);
		row = find_row(key, options->view, written, sizeof(written));
		given.field = (char *)options + row->field;
		if (row->live)
			options->is_live = true;
		if (row->parse(&given))
			return -1;
		if (options->help || options->version)
			return 0;
	}
	return 0;
}

static int parse_ledger(int argc, char **argv, struct options *options)
{
	if (optind == argc)
		return log__error(-1, "ledger needs one to read: give its FILE, or a PID");
	if (optind + 1 < argc)
		return log__error(-1, "'%s' is a second ledger: give one", argv[optind + 1]);
	options->ledger = argv[optind];
	return 0;
}

/* What follows the options: nothing, or "--" and a command. */
static int parse_command(int argc, char **argv, struct options *options)
{
	if (strcmp(argv[optind - 1], "--") == 0 && optind > 1 && options->view != VIEW_DOCTOR &&
	    !takes_words(options->view)) {
		if (optind == argc)
			return log__error(-1, "there is no command after --: give one, "
					      "as in -- ls -l");
		options->command = argv + optind;
		options->is_live = true;
		return options__set_target(options, TARGET_COMMAND);
	}
	if (options->view == VIEW_LEDGER)
		return parse_ledger(argc, argv, options);
	if (optind < argc && options->view == VIEW_VALIDATE) {
		options->claims = argv + optind;
		return 0;
	}
	if (options->view == VIEW_DIFF) {
		if (argc - optind != 2)
			return log__error(-1, "diff compares two recordings: give two files of "
					      "allocpath record");
		options->inputs = argv + optind;
		return 0;
	}
	if (optind < argc && options->view == VIEW_DOCTOR)
		return log__error(-1, "'%s' is no option: see allocpath doctor --help",
				  argv[optind]);
	if (optind < argc)
		return log__error(-1,
				  "'%s' is no option: give a process as -p PID, "
				  "a command as -- CMD",
				  argv[optind]);
	return 0;
}

static int check_contradictions(const struct options *options)
{
	if (options->input && options->is_live)
		return log__error(-1, "-i reads what was measured before: leave out what says "
				      "what to measure, or leave out -i");
	if (options->view == VIEW_RECORD && !options->output)
		return log__error(-1, "record needs a file to write: give -o FILE");
	if (options->view == VIEW_FLAME && options->depth == DEPTH_KERNEL &&
	    options->flame.settings.by <= FLAME_COUNT && !options->input)
		return log__error(-1,
				  "--by %s is of requests, which --probes kernel does not see: "
				  "use --by brk, mmap, faults or touched",
				  flame_value__name(options->flame.settings.by));
	if (options->view == VIEW_FLAME && flame_value__is_of_origin(options->flame.settings.by) &&
	    options->depth != DEPTH_FULL && !options->input)
		return log__error(-1,
				  "--by %s follows each block to its end, for which a target and "
				  "--probes full are needed",
				  flame_value__name(options->flame.settings.by));
	if (options->view == VIEW_DIFF && flame_value__is_of_origin(options->flame.settings.by))
		return log__error(-1,
				  "--by %s is flame's: diff compares bytes, count, brk, mmap, "
				  "faults and touched",
				  flame_value__name(options->flame.settings.by));
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
	if (options->kernel_frames &&
	    (options->no_stacks || (options->view == VIEW_HIST && !options->top_stacks)))
		return log__error(-1, "-k is for stacks: take some, with %s",
				  options->no_stacks ? "--no-stacks left out" : "--stacks N");
	if (options->kernel_frames && options->view == VIEW_FLAME &&
	    flame_value__kind(options->flame.settings.by) != SAMPLE_FAULT &&
	    flame__format_of(options->output) != FLAME_RECORDING)
		return log__error(-1,
				  "-k is for faults, and --by %s has none: use --by faults or "
				  "touched",
				  flame_value__name(options->flame.settings.by));
	if (options->budget > 0 && options->depth == DEPTH_KERNEL)
		return log__error(-1, "--budget bounds allocation probes, and --probes kernel has "
				      "none: leave one of them out");
	if (options->budget > 0 && options->depth == DEPTH_FULL)
		return log__error(-1, "--probes full follows every block, which windows cannot: "
				      "use --budget none, or --probes entry");
	if (options->depth == DEPTH_FULL && options->target == TARGET_ALL)
		return log__error(-1, "--probes full is refused system-wide without sampling: "
				      "name processes with -p, -n, --cgroup or -- CMD, or use "
				      "--probes entry");
	return 0;
}

static int print_and_exit(struct options *options)
{
	if (options->help)
		print_help(options->view);
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
		.view = VIEW_HIST,
		.target = TARGET_ALL,
		.depth = DEPTH_ENTRY,
		.max_size = ~0ULL,
		.top = DEFAULT_TOP,
		.max_frames = DEFAULT_FRAMES,
		.flame = { .min_width = DEFAULT_MIN_WIDTH },
		.exit_status = EXIT_USAGE,
	};
	for (int view = VIEW_HIST; view < NR_VIEWS; view++)
		if (strcmp(argv[0], view_names[view]) == 0)
			options->view = view;
	if (options->view == VIEW_DIFF)
		options->top = DEFAULT_DIFF_TOP;
	if (parse_options(argc, argv, options))
		return -1;
	if (options->help || options->version)
		return print_and_exit(options);
	if (parse_command(argc, argv, options))
		return -1;
	/* The whole host gets no allocation probes for it unless that is asked for. */
	if (options->view == VIEW_THRESHOLD && !options->depth_given)
		options->depth = options->target == TARGET_ALL ? DEPTH_KERNEL : DEPTH_FULL;
	if (options->view == VIEW_FLAME && !options->depth_given && options->target != TARGET_ALL &&
	    flame_value__is_of_origin(options->flame.settings.by))
		options->depth = DEPTH_FULL;
	if (check_contradictions(options))
		return -1;
	if (options->view == VIEW_FLAME || (options->view == VIEW_RECORD && !options->no_stacks) ||
	    (options->view == VIEW_THRESHOLD && options->depth == DEPTH_FULL))
		options->takes_stacks = true;
	if (options->input)
		options->takes_stacks = false;
	if (!options->sample_bytes_given && options->target != TARGET_COMMAND)
		options->sample_bytes = DEFAULT_SAMPLE_BYTES;
	if (!options->budget_given && options->target == TARGET_ALL &&
	    options->depth == DEPTH_ENTRY &&
	    (options->view == VIEW_HIST || options->view == VIEW_RECORD))
		options->budget = DEFAULT_BUDGET;
	options->exit_status = 0;
	return 0;
}

void options__free(struct options *options)
{
	free(options->pids);
	options->pids = NULL;
	options->nr_pids = 0;
}

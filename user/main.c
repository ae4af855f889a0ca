/* SPDX-License-Identifier: GPL-2.0-or-later */
/* allocpath: which path memory takes from a request to a page, for every process of a host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "diff.h"
#include "doctor.h"
#include "hist.h"
#include "ledger_view.h"
#include "log.h"
#include "options.h"
#include "validate.h"
#include "unwind_child.h"

/* argv[0] is the command's own name. Returns the exit status. */
struct command_row {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

/* argv[0] says which command it is. */
static int run_with_options(int argc, char **argv)
{
	struct options options;
	int status;

	if (options__parse(argc, argv, &options))
		status = options.exit_status;
	else if (options.view == VIEW_DOCTOR)
		status = doctor__run(&options);
	else if (options.view == VIEW_DIFF)
		status = diff__run(&options);
	else if (options.view == VIEW_VALIDATE)
		status = validate__run(&options);
	else if (options.view == VIEW_LEDGER)
		status = ledger_view__run(&options);
	else
		status = hist__run(&options);
	options__free(&options);
	return status;
}

static const struct command_row command_rows[] = {
	{ "hist", "request sizes, paths and first-touch faults of processes", run_with_options },
	{ "record", "the same into a file, for hist -i and for pprof tools", run_with_options },
	{ "threshold", "from which size on requests get mappings, and what moves it",
	  run_with_options },
	{ "flame", "whose calls ask for memory, or touch it, as a picture", run_with_options },
	{ "diff", "what two recordings differ in, and what only seems so", run_with_options },
	{ "validate", "twelve statements about malloc, put to the test on this host",
	  run_with_options },
	{ "ledger", "what the reference allocator has counted of itself", run_with_options },
	{ "doctor", "what this kernel, these rights and this host allow", run_with_options },
};

static void print_help(void)
{
	printf("Usage: allocpath COMMAND [OPTION...]\n\n"
	       "Profiles memory allocation on a live host: what processes ask for, the path that\n"
	       "each request takes, and what of it becomes real memory.\n\n");
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		printf("  %-10s %s\n", command_rows[i].name, command_rows[i].help);
	printf("\n\"allocpath COMMAND --help\" has the options of each.\n");
}

static int flush_stdout(void)
{
	if (!fflush(stdout))
		return 0;
	return log__error(1, "cannot write to standard output: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return log__error(EXIT_USAGE, "there is no command: try allocpath hist, "
					      "or allocpath --help");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return flush_stdout();
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("allocpath %s\n", ALLOCPATH_VERSION);
		return flush_stdout();
	}
	if (strcmp(argv[1], UNWIND_CHILD_COMMAND) == 0)
		return unwind_child__main();
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		if (strcmp(argv[1], command_rows[i].name) == 0)
			return command_rows[i].run(argc - 1, argv + 1);
	return log__error(EXIT_USAGE, "there is no command '%s': see allocpath --help", argv[1]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "diff.h"
#include "log.h"
#include "options.h"
#include "output.h"
#include "recording.h"
#include "report_diff.h"
#include "text.h"

struct diff_run {
	const struct options *options;
	struct profile profiles[NR_SIDES];
	struct diff diff;
	struct output output;
	bool draws; /* the output is a picture */
};

/* A file that cannot be looked at is left to whoever opens it. */
static bool files__are_one(char *const *paths)
{
	struct stat a, b;

	return !stat(paths[SIDE_A], &a) && !stat(paths[SIDE_B], &b) && S_ISREG(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Is in the file what is to be compared? 0 or -ENODATA, reported. */
static int check(const struct diff_run *run, enum side side)
{
	const struct profile *profile = &run->profiles[side];
	const char *name = run->options->inputs[side];
	enum flame_value by = run->options->flame.settings.by;

	if (profile->depth == DEPTH_KERNEL && flame_value__kind(by) == SAMPLE_REQUEST)
		return log__error(-ENODATA,
				  "%s has no requests, which --by %s is of: use --by brk, mmap, "
				  "faults or touched",
				  name, flame_value__name(by));
	if (run->draws && !profile->has_stacks)
		return log__error(-ENODATA,
				  "%s has no stacks, which a picture is of: record it with them",
				  name);
	if (run->options->per_second && !(profile->duration_s > 0))
		return log__error(-ENODATA, "%s lasted no time: leave out --per-second", name);
	return 0;
}

static int run__read(struct diff_run *run)
{
	int error = 0;

	for (int side = 0; !error && side < NR_SIDES; side++) {
		error = recording__open(run->options->inputs[side], &run->profiles[side]);
		if (!error)
			error = check(run, side);
	}
	return error;
}

static int run__build(struct diff_run *run)
{
	const struct symbols_options symbols = { .lines = true };
	struct diff *diff = &run->diff;
	int error = -ENOMEM;

	diff->settings = run->options->flame.settings;
	for (int side = 0; side < NR_SIDES; side++) {
		diff->profiles[side] = &run->profiles[side];
		diff->units[side] = run->options->per_second ? 1 / run->profiles[side].duration_s :
							       1;
	}
	diff->symbols = symbols__open(&symbols);
	if (diff->symbols)
		error = diff__build(diff);
	return error ? log__error(error, "no memory to compare the recordings") : 0;
}

/* A program that was built anew has other offsets: without names its stacks match nothing. */
static void run__warn(const struct diff_run *run)
{
	const struct symbols_stats *stats = symbols__stats(run->diff.symbols);

	if (run->diff.has_stacks && stats->files_refused)
		log__warning(
			"files of code that are gone or were built anew: %zu; their functions have "
			"no names, and stacks with them are of one recording only",
			stats->files_refused);
}

static int run__write(struct diff_run *run)
{
	const struct options *options = run->options;
	FILE *out = run->output.stream;
	const struct diff_style style = {
		.names = { options->inputs[SIDE_A], options->inputs[SIDE_B] },
		.min_width = options->flame.min_width,
		.width = text__columns(out),
		.top = options->top,
		.per_second = options->per_second,
	};
	int error;

	if (run->draws)
		error = report_diff__write_svg(out, &run->diff, &style);
	else if (options->json)
		error = report_diff__write_json(out, &run->diff, &style);
	else
		error = report_diff__write_text(out, &run->diff, &style);
	if (error)
		return log__error(error, "the differences cannot be written to %s: %s",
				  run->output.name, strerror(-error));
	return 0;
}

int diff__run(const struct options *options)
{
	struct diff_run run = {
		.options = options,
		.draws = flame__format_of(options->output) == FLAME_SVG,
	};
	int error;

	log__set_verbose(options->verbose);
	if (files__are_one(options->inputs))
		return log__error(EXIT_USAGE, "%s and %s are one file: give two recordings",
				  options->inputs[SIDE_A], options->inputs[SIDE_B]);
	error = run__read(&run);
	if (!error)
		error = run__build(&run);
	if (!error) {
		run__warn(&run);
		error = output__open(&run.output, options->output, false);
		if (!error)
			error = output__close(&run.output, run__write(&run));
	}
	diff__free(&run.diff);
	symbols__close(run.diff.symbols);
	for (int side = 0; side < NR_SIDES; side++)
		profile__free(&run.profiles[side]);
	return error ? 1 : 0;
}

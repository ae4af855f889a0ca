/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "collector.h"
#include "command.h"
#include "guard.h"
#include "hist.h"
#include "log.h"
#include "options.h"
#include "output.h"
#include "profile_estimate.h"
#include "profile_symbols.h"
#include "recording.h"
#include "report.h"
#include "report_moves.h"
#include "report_threshold.h"
#include "signals.h"
#include "stack_origins.h"
#include "targets.h"
#include "text.h"

#define EXIT_WITH_COMMAND 125
#define WATCH_MS 50 /* between two looks at what tells nobody: targets, traps */
#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL

struct hist {
	const struct options *options;
	struct collector collector;
	struct command command;
	struct output output;
	struct guard guard;
	__u64 next_checkpoint_ns;
	int start_error; /* of the command's exec */
	struct profile before; /* of the interval before, cumulative */
	struct symbols *symbols; /* of a recording's callers */
};

static int hist__write_threshold(FILE *out, const struct profile *profile,
				 const struct options *options, const struct text_style *style)
{
	const char *suffix = options->output ? strrchr(options->output, '.') : NULL;

	if (options->json)
		return report_threshold__write_json(out, profile, style->stacks.symbols);
	if (suffix && strcmp(suffix, ".svg") == 0)
		return report_threshold__write_svg(out, profile);
	return report_threshold__write_text(out, profile, style);
}

/* Names for code, once for all reports of a run; a second signal ends the search for them. */
static int hist__open_symbols(struct hist *hist, bool lines)
{
	const struct symbols_options options = {
		.lines = lines,
		.no_fetch = hist->options->view == VIEW_RECORD,
		.cancel = signals__again(),
	};

	const struct jit_maps *maps = &hist->collector.jit_maps;

	if (!hist->symbols)
		hist->symbols = symbols__open(&options);
	for (size_t i = 0; hist->symbols && i < maps->nr; i++)
		if (maps->maps[i].fd >= 0)
			symbols__keep_map(hist->symbols, &maps->maps[i].process, maps->maps[i].fd);
	return hist->symbols ? 0 : -ENOMEM;
}

/* Reports what went wrong. */
static int hist__write_flame(struct hist *hist, FILE *out, const struct profile *profile)
{
	const struct options *options = hist->options;
	enum flame_format format = flame__format_of(options->output);
	int error;

	if (profile->has_stacks && flame_value__is_of_origin(options->flame.settings.by) &&
	    !stack_origins__has(profile))
		return log__error(-ENODATA,
				  "%s was not recorded at --probes full: --by %s needs that",
				  options->input, flame_value__name(options->flame.settings.by));
	if (!profile->has_stacks)
		return log__error(-ENODATA, "%s has no stacks: record it with them",
				  options->input ? options->input : "this profile");
	error = hist__open_symbols(hist, true);
	if (error)
		return log__error(error, "no memory for the names of functions");
	if (format == FLAME_RECORDING)
		error = recording__write(out, profile, hist->symbols);
	else
		error = flame__write(out, profile, hist->symbols, &options->flame, format);
	if (error)
		return log__error(error, "the stacks cannot be written to %s: %s",
				  hist->output.name, strerror(-error));
	if (!options->flame.per_process)
		return 0;
	return flame__write_processes(profile, hist->symbols, &options->flame);
}

static int hist__write(struct hist *hist, struct profile *profile)
{
	const struct options *options = hist->options;
	FILE *out = hist->output.stream;
	struct text_style style = {
		.width = text__columns(out),
		.top = options->top,
		.stacks = { .top = options->top_stacks },
		.sort = options->sort,
		.group_by = options->group_by,
		.verbose = options->verbose,
	};
	int error;

	error = profile__group(profile, options->group_by);
	if (!error && (options->top_stacks ||
		       (options->view == VIEW_THRESHOLD && report_moves__want_symbols(profile))))
		error = hist__open_symbols(hist, options->lines);
	if (error)
		return log__error(error, "no memory for the report");
	style.stacks.symbols = hist->symbols;
	if (options->view == VIEW_FLAME)
		return hist__write_flame(hist, out, profile);
	if (options->view == VIEW_THRESHOLD)
		error = hist__write_threshold(out, profile, options, &style);
	else if (options->json)
		error = report_json__write(out, profile, &style.stacks);
	else
		error = report_text__write(out, profile, &style);
	if (error)
		return log__error(error, "the report cannot be written to %s: %s",
				  hist->output.name, strerror(-error));
	return 0;
}

/* Names for the callers in a recording. Nothing is fetched: that can be done when it is read. */
static int hist__read_symbols(struct hist *hist, const struct profile *profile)
{
	int error = hist__open_symbols(hist, true);

	return error ? error : profile_symbols__read(profile, hist->symbols);
}

/* What was measured so far, as it is, into the file of a recording. */
static int hist__record(struct hist *hist, FILE *out)
{
	struct profile profile = {};
	struct snapshot snapshot;
	int error;

	error = collector__take(&hist->collector, &snapshot, false);
	if (error)
		return log__error(error, "the counts cannot be read: %s", strerror(-error));
	error = collector__profile(&hist->collector, &snapshot, &profile);
	snapshot__free(&snapshot);
	if (error)
		return log__error(error, "no memory for the profile");
	profile__estimate(&profile);
	error = hist__read_symbols(hist, &profile);
	if (!error)
		error = recording__write(out, &profile, hist->symbols);
	if (error)
		log__error(error, "the recording cannot be written to %s: %s", hist->output.name,
			   strerror(-error));
	profile__free(&profile);
	return error;
}

/* The file as it would be if the run ended now. A device or a pipe gets the last one only. */
static int hist__checkpoint(struct hist *hist, __u64 now_ns)
{
	struct output output;
	int error;

	if (!hist->options->checkpoint_ns || now_ns < hist->next_checkpoint_ns ||
	    !hist->output.temporary)
		return 0;
	hist->next_checkpoint_ns = now_ns + hist->options->checkpoint_ns;
	error = output__open(&output, hist->options->output, false);
	if (!error)
		error = hist__record(hist, output.stream);
	return output__close(&output, error);
}

/* Reports the interval that ends now, or the whole run where there are none. */
static int hist__report(struct hist *hist)
{
	struct profile profile = {}, whole = {};
	struct snapshot snapshot;
	int error;

	error = collector__take(&hist->collector, &snapshot, hist->options->interval_ns != 0);
	if (error)
		return log__error(error, "the counts cannot be read: %s", strerror(-error));
	error = collector__profile(&hist->collector, &snapshot, &profile);
	if (!error && hist->options->interval_ns)
		error = collector__profile(&hist->collector, &snapshot, &whole);
	snapshot__free(&snapshot);
	if (!error && hist->options->interval_ns)
		error = profile__subtract(&profile, &hist->before);
	if (error)
		log__error(error, "no memory for the profile");
	else
		profile__estimate(&profile);
	if (!error)
		error = hist__write(hist, &profile);
	profile__free(&profile);
	if (hist->options->interval_ns) {
		profile__free(&hist->before);
		hist->before = whole;
	}
	return error;
}

static bool hist__is_guarded(const struct hist *hist)
{
	return hist->options->target == TARGET_ALL && hist->options->budget <= 0 &&
	       !hist->collector.probes.detached && hist->collector.bare_trap_ns;
}

static bool hist__is_over(struct hist *hist, __u64 now_ns)
{
	const struct options *options = hist->options;

	if (signals__stopped())
		return true;
	if (options->duration_ns && now_ns >= hist->collector.start_ns + options->duration_ns)
		return true;
	command__poll(&hist->command);
	if (hist->command.pid && hist->command.ended)
		return true;
	return !targets__live(options);
}

static void progress__show(const struct hist *hist, __u64 now_ns)
{
	static __u64 shown_s;
	__u64 seconds = (now_ns - hist->collector.start_ns) / NS_PER_S;

	if (!isatty(STDERR_FILENO) || hist->command.pid || seconds == shown_s)
		return;
	shown_s = seconds;
	if (hist->options->duration_ns)
		fprintf(stderr, "\rmeasuring: %llu of %.0f s ", (unsigned long long)seconds,
			(double)hist->options->duration_ns / 1e9);
	else
		fprintf(stderr, "\rmeasuring: %llu s, Ctrl-C ends it ",
			(unsigned long long)seconds);
}

static void progress__clear(const struct hist *hist)
{
	if (isatty(STDERR_FILENO) && !hist->command.pid)
		fprintf(stderr, "\r%40s\r", "");
}

/* Rounded up: a poll that ends too early would be followed by others that do not wait at all. */
static int timeout__until(int timeout_ms, __u64 at_ns, __u64 now_ns)
{
	__u64 left_ms = at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;

	return left_ms < (__u64)timeout_ms ? (int)left_ms : timeout_ms;
}

/* Until the next thing that has its time. */
static int hist__timeout_ms(const struct hist *hist, __u64 next_report_ns)
{
	const struct options *options = hist->options;
	const struct collector *collector = &hist->collector;
	int timeout_ms = collector__pause_ms(collector);
	__u64 now_ns = clock__now_ns();

	if (timeout_ms > WATCH_MS && (options->target == TARGET_PIDS || hist__is_guarded(hist)))
		timeout_ms = WATCH_MS;
	if (options->duration_ns)
		timeout_ms = timeout__until(timeout_ms, collector->start_ns + options->duration_ns,
					    now_ns);
	if (options->interval_ns)
		timeout_ms = timeout__until(timeout_ms, next_report_ns, now_ns);
	if (options->checkpoint_ns && hist->output.temporary)
		timeout_ms = timeout__until(timeout_ms, hist->next_checkpoint_ns, now_ns);
	return windows__due_ms(&collector->windows, timeout_ms);
}

static int hist__loop(struct hist *hist)
{
	const struct options *options = hist->options;
	__u64 next_ns = hist->collector.start_ns + options->interval_ns, now_ns;
	unsigned int reports = 0;
	int error = 0;

	while (!error) {
		error = collector__poll(&hist->collector, hist__timeout_ms(hist, next_ns),
					signals__fd());
		signals__read();
		if (error)
			return log__error(error, "the event ring cannot be read: %s",
					  strerror(-error));
		now_ns = clock__now_ns();
		progress__show(hist, now_ns);
		if (hist__is_over(hist, now_ns))
			break;
		error = windows__poll(&hist->collector.windows);
		if (error)
			return log__error(error, "the windows' counts cannot be read: %s",
					  strerror(-error));
		if (hist__is_guarded(hist))
			guard__poll(&hist->guard, &hist->collector, now_ns);
		error = hist__checkpoint(hist, now_ns);
		if (error || !options->interval_ns || now_ns < next_ns)
			continue;
		if (options->count && reports + 1 >= options->count)
			break; /* the last one is the final report */
		next_ns += options->interval_ns;
		error = hist__report(hist);
		reports++;
	}
	return error;
}

static void hist__stop(struct hist *hist)
{
	struct collector *collector = &hist->collector;

	session__stop(&collector->session);
	collector->end_ns = clock__now_ns();
	windows__finish(&collector->windows);
	probes__detach(&collector->probes);
	progress__clear(hist);
	if (session__finish(&collector->session))
		log__warning("requests that were open at the end could not be closed");
}

static int hist__measure(struct hist *hist)
{
	struct collector *collector = &hist->collector;
	int error;

	error = session__attach(&collector->session);
	if (error)
		return error;
	error = collector__prepare_stacks(collector);
	if (error)
		return error;
	collector->start_ns = clock__now_ns();
	if (hist->options->budget > 0) {
		error = windows__open(&collector->windows, collector, hist->options->budget);
		if (error)
			return log__error(error, "the windows of --budget cannot be planned: %s",
					  strerror(-error));
		collector->start_ns = clock__now_ns();
	}
	hist->next_checkpoint_ns = collector->start_ns + hist->options->checkpoint_ns;
	session__start(&collector->session);
	log__note("measuring");
	if (hist->command.pid) {
		hist->start_error = command__start(&hist->command);
		if (hist->start_error)
			return log__error(hist->start_error, "cannot run '%s': %s",
					  hist->command.argv[0], strerror(-hist->start_error));
	}
	error = hist__loop(hist);
	hist__stop(hist);
	if (error)
		return error;
	if (hist->options->view == VIEW_RECORD)
		return hist__record(hist, hist->output.stream);
	return hist__report(hist);
}

static int hist__prepare(struct hist *hist)
{
	const struct options *options = hist->options;
	struct collector *collector = &hist->collector;
	int error;

	error = session__open(&collector->session, options);
	if (!error)
		error = collector__open(collector, options);
	if (error)
		return error;
	collector->probes.session = &collector->session;
	collector->probes.depth = options->depth;
	collector->lists_idle = options->view == VIEW_THRESHOLD && options->target == TARGET_ALL;
	collector->reads_params = options->view == VIEW_THRESHOLD && !options->no_read;
	collector->probes.windowed = options->budget > 0;
	if (options->depth != DEPTH_KERNEL)
		collector->bare_trap_ns = probes__calibrate(&collector->probes);
	error = targets__select(collector, options, &hist->command);
	if (!error && options->depth != DEPTH_KERNEL)
		error = targets__probe(collector, options, &hist->command);
	if (!error && options->depth != DEPTH_KERNEL && !collector->probes.nr_files)
		log__warning("no supported allocator to probe was found: kernel side only");
	return error;
}

/* Its own end; a command that could not run as env(1) has it; else our own failure. */
static int hist__status(const struct hist *hist, int error)
{
	if (!hist->options->command)
		return error ? 1 : 0;
	if (hist->start_error)
		return hist->start_error == -ENOENT ? 127 : 126;
	return error ? EXIT_WITH_COMMAND : command__exit_status(&hist->command);
}

/* From a file: no rights are needed, and nothing of BPF. */
static int hist__run_from_file(struct hist *hist)
{
	struct profile profile;
	int error;

	error = recording__open(hist->options->input, &profile);
	if (error)
		return error;
	error = output__open(&hist->output, hist->options->output, false);
	if (!error)
		error = output__close(&hist->output, hist__write(hist, &profile));
	symbols__close(hist->symbols);
	profile__free(&profile);
	return error;
}

static int hist__catch_signals(void)
{
	int error = signals__catch();

	return error ? log__error(error, "no descriptor for signals: %s", strerror(-error)) : 0;
}

int hist__run(const struct options *options)
{
	struct hist hist = { .options = options };
	int error;

	log__set_verbose(options->verbose);
	if (options->input) {
		return hist__catch_signals() || hist__run_from_file(&hist) ? 1 : 0;
	}
	error = targets__check(options);
	if (!error && options->command) {
		/* First of all: it must inherit neither what belongs to BPF nor how we take signals. */
		error = command__fork(&hist.command, options->command);
		if (error)
			log__error(error, "cannot fork: %s", strerror(-error));
	}
	if (!error)
		error = hist__catch_signals();
	if (!error)
		error = output__open(&hist.output, options->output, options->interval_ns != 0);
	if (!error)
		error = hist__prepare(&hist);
	if (!error)
		error = hist__measure(&hist);
	error = output__close(&hist.output, error);
	collector__close(&hist.collector);
	symbols__close(hist.symbols);
	profile__free(&hist.before);
	command__close(&hist.command);
	return hist__status(&hist, error);
}

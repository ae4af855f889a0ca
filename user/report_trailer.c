/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "report_sampling.h"
#include "report_trailer.h"
#include "table.h"
#include "text.h"

/* Files that are named without -v; a host of containers has hundreds. */
#define MAX_NAMED 10

/* Functions may share a site: aliases, and tail calls into another. */
static size_t count_sites(const struct profile_file *file, const char *kind)
{
	size_t count = 0;

	for (size_t i = 0; i < file->nr_functions; i++) {
		const struct profile_function *function = &file->functions[i];
		bool is_new = !kind || strcmp(function->kind, kind) == 0;

		for (size_t j = 0; j < i && is_new; j++)
			is_new = file->functions[j].site != function->site;
		count += is_new;
	}
	return count;
}

static void write_file(FILE *out, const struct profile_file *file, unsigned int width, bool verbose)
{
	char since[TEXT_CELL] = "";

	if (file->since_s > 0) {
		char seconds[TEXT_CELL];

		snprintf(since, sizeof(since), ", from %s on",
			 text__seconds(seconds, sizeof(seconds), file->since_s));
	}
	text__item(out, width, "", "%s: %s; %zu functions at %zu sites, %zu of them emulated%s",
		   file->path, file->allocator ? file->allocator : "allocator not known",
		   file->nr_functions, count_sites(file, NULL), count_sites(file, "emulated"),
		   since);
	if (!verbose)
		return;
	text__item(out, width, "", "build id %s", file->build_id ? file->build_id : "none");
	for (size_t i = 0; i < file->nr_functions; i++)
		text__item(out, width, "", "%s at %#llx, probed at %#llx, %s",
			   file->functions[i].name, file->functions[i].offset,
			   file->functions[i].site, file->functions[i].kind);
}

static void write_attached(FILE *out, const struct profile *profile, unsigned int width,
			   bool verbose)
{
	size_t functions = 0, sites = 0;

	if (profile->depth == DEPTH_KERNEL) {
		text__item(out, width, "attached", "the kernel side only: no probe in any file");
		return;
	}
	for (size_t i = 0; i < profile->nr_files; i++) {
		functions += profile->files[i].nr_functions;
		sites += count_sites(&profile->files[i], NULL);
	}
	text__item(out, width, "attached", "%zu file%s, %zu functions at %zu sites",
		   profile->nr_files, profile->nr_files == 1 ? "" : "s", functions, sites);
	for (size_t i = 0; i < profile->nr_files; i++) {
		if (i == MAX_NAMED && !verbose) {
			text__item(out, width, "", "and %zu more, which -v names",
				   profile->nr_files - i);
			break;
		}
		write_file(out, &profile->files[i], width, verbose);
	}
}

static void write_refusals(FILE *out, const struct profile *profile, unsigned int width,
			   bool verbose)
{
	if (!profile->nr_refusals) {
		text__item(out, width, "not attached", "none that was found");
		return;
	}
	for (size_t i = 0; i < profile->nr_refusals; i++) {
		const char *label = i ? "" : "not attached";

		if (i == MAX_NAMED && !verbose) {
			text__item(out, width, "", "and %zu more, which -v names",
				   profile->nr_refusals - i);
			break;
		}
		text__item(out, width, label, "%s: %s", profile->refusals[i].file,
			   profile->refusals[i].why);
	}
}

/* The books. */

struct books_row {
	const char *name;
	const __u64 *events;
};

static void print_kind(struct cell *cell, const void *row)
{
	snprintf(cell->text, cell->size, "%s", ((const struct books_row *)row)->name);
}

static void print_seen(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct books_row *)row)->events[OUTCOME_SEEN]);
}

static void print_recorded(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct books_row *)row)->events[OUTCOME_RECORDED]);
}

static void print_filtered(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct books_row *)row)->events[OUTCOME_FILTERED]);
}

static void print_sampled_out(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct books_row *)row)->events[OUTCOME_SAMPLED_OUT]);
}

static void print_lost(struct cell *cell, const void *row)
{
	cell__count(cell, ((const struct books_row *)row)->events[OUTCOME_LOST]);
}

static void write_books_table(FILE *out, const struct profile *profile, unsigned int width)
{
	static const struct table_column columns[] = {
		{ .header = "events", .print = print_kind, .left = true },
		{ .header = "seen", .print = print_seen },
		{ .header = "recorded", .print = print_recorded },
		{ .header = "filtered", .print = print_filtered },
		{ .header = "sampled out", .print = print_sampled_out },
		{ .header = "lost", .print = print_lost },
	};
	struct books_row rows[NR_EVENT_KINDS];
	struct table table = {
		.columns = columns,
		.nr_columns = sizeof(columns) / sizeof(columns[0]),
		.rows = rows,
		.row_size = sizeof(rows[0]),
		.nr_rows = NR_EVENT_KINDS,
		.width = width,
		.indent = TEXT_LABEL,
	};

	for (int kind = 0; kind < NR_EVENT_KINDS; kind++)
		rows[kind] = (struct books_row){ event_kind__name(kind), profile->events[kind] };
	table__write(out, &table);
}

/* "1703000 events seen: 1702993 recorded, 7 filtered"; what is 0 is left out. */
static void write_sums(FILE *out, const struct profile *profile, unsigned int width,
		       const char *label, const char *before)
{
	static const char *const names[NR_OUTCOMES] = {
		[OUTCOME_FILTERED] = "filtered",
		[OUTCOME_SAMPLED_OUT] = "sampled out",
		[OUTCOME_LOST] = "lost",
	};
	__u64 sums[NR_OUTCOMES] = { 0 };
	char rest[128] = "";
	size_t used = 0;

	for (int kind = 0; kind < NR_EVENT_KINDS; kind++)
		for (int outcome = 0; outcome < NR_OUTCOMES; outcome++)
			sums[outcome] += profile->events[kind][outcome];
	for (int outcome = OUTCOME_FILTERED; outcome < NR_OUTCOMES; outcome++)
		if (sums[outcome])
			used += (size_t)snprintf(rest + used, sizeof(rest) - used, ", %llu %s",
						 sums[outcome], names[outcome]);
	text__item(out, width, label, "%s%llu events seen: %llu recorded%s", before,
		   sums[OUTCOME_SEEN], sums[OUTCOME_RECORDED], rest);
}

static void write_books(FILE *out, const struct profile *profile, unsigned int width, bool verbose)
{
	const char *label = "books";
	bool any_lost = false;

	for (int loss = 0; loss < NR_LOSSES; loss++) {
		if (!profile->losses[loss])
			continue;
		text__item(out, width, label, "lost: %llu %s", profile->losses[loss],
			   loss__name(loss));
		label = "";
		any_lost = true;
	}
	for (int kind = 0; kind < NR_EVENT_KINDS; kind++)
		any_lost = any_lost || profile->events[kind][OUTCOME_LOST];
	write_sums(out, profile, width, label, any_lost ? "" : "nothing lost; ");
	for (int kind = 0; kind < NR_EVENT_KINDS; kind++) {
		const __u64 *events = profile->events[kind];
		__u64 accounted = events[OUTCOME_RECORDED] + events[OUTCOME_FILTERED] +
				  events[OUTCOME_SAMPLED_OUT] + events[OUTCOME_LOST];

		if (events[OUTCOME_SEEN] != accounted)
			text__item(out, width, "",
				   "they do not balance: of %llu %s events %llu are accounted for",
				   events[OUTCOME_SEEN], event_kind__name(kind), accounted);
	}
	if (profile->cost.bpf_skipped)
		text__item(
			out, width, "",
			"the kernel skipped %llu runs of the programs, on events of any process: "
			"what they would have counted may be in no book",
			profile->cost.bpf_skipped);
	if (verbose)
		write_books_table(out, profile, width);
}

static void write_cost(FILE *out, const struct profile *profile, unsigned int width)
{
	const struct profile_cost *cost = &profile->cost;
	double host_s = profile->duration_s * profile->nr_cpus;
	double traps_s = (double)cost->traps * (double)cost->trap_ns / 1e9;
	char each[TEXT_CELL], all[TEXT_CELL], share[TEXT_CELL], bytes[TEXT_CELL];

	if (profile->depth != DEPTH_KERNEL)
		text__item(out, width, "cost", "%llu traps of %s: %s, %s of the host's CPU time",
			   cost->traps,
			   text__seconds(each, sizeof(each), (double)cost->trap_ns / 1e9),
			   text__seconds(all, sizeof(all), traps_s),
			   text__percent(share, sizeof(share), traps_s, host_s));
	text__item(out, width, profile->depth == DEPTH_KERNEL ? "cost" : "",
		   "allocpath's own: %s of CPU, its start included, and %s of memory",
		   text__seconds(all, sizeof(all), cost->own_cpu_s),
		   text__bytes(bytes, sizeof(bytes), cost->own_bytes));
	if (cost->has_bpf_run)
		text__item(out, width, "", "BPF programs ran for %s",
			   text__seconds(all, sizeof(all), (double)cost->bpf_run_ns / 1e9));
	if (profile->detached_why)
		text__item(out, width, "detached", "%s", profile->detached_why);
}

int report_trailer__write(FILE *out, const struct profile *profile, unsigned int width,
			  bool verbose)
{
	putc('\n', out);
	write_attached(out, profile, width, verbose);
	write_refusals(out, profile, width, verbose);
	write_books(out, profile, width, verbose);
	write_cost(out, profile, width);
	return report_sampling__write(out, profile, width);
}

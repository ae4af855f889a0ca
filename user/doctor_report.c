/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "allocator_file.h"
#include "doctor.h"
#include "json.h"
#include "profile.h"
#include "report.h"
#include "text.h"

#define SCHEMA 1
#define WIDTH 100
#define SHOWN_PROCESSES 10

const char *process_sight__name(enum process_sight sight)
{
	static const char *const names[NR_SIGHTS] = {
		[SIGHT_REQUESTS] = "requests",
		[SIGHT_KERNEL] = "kernel",
		[SIGHT_32BIT] = "32bit",
		[SIGHT_UNREADABLE] = "unreadable",
	};

	return (unsigned int)sight < NR_SIGHTS ? names[sight] : "?";
}

static const char *state_name(enum finding_state state)
{
	if (state == FINDING_UNKNOWN)
		return "unknown";
	return state == FINDING_YES ? "yes" : "no";
}

/* Why the site is where it is. */
static void print_why(char *text, size_t size, const struct allocator_function *function)
{
	__u64 behind = function->site_offset - function->offset;

	snprintf(text, size, "%s%s",
		 function->emulated ? "emulated: one exception a call" :
				      "stepped: no instruction here is emulated, so two exceptions",
		 behind ? ", the first that is cheaper and has the arguments" : "");
}

static void write_findings(FILE *out, const struct doctor *doctor)
{
	const char *group = "";

	for (size_t i = 0; i < doctor->nr_findings; i++) {
		const struct finding *finding = &doctor->findings[i];

		if (strcmp(group, finding->group) != 0)
			fprintf(out, "\n%s\n", finding->group);
		group = finding->group;
		fprintf(out, "  %-8s %-24s", state_name(finding->state), finding->name);
		if (*finding->detail) {
			char detail[DOCTOR_DETAIL];

			snprintf(detail, sizeof(detail), "%s", finding->detail);
			text__clean(detail);
			fprintf(out, " %s", detail);
		}
		putc('\n', out);
		if (finding->cost)
			text__item(out, WIDTH, "    costs", "%s", finding->cost);
		if (finding->mend && finding->state != FINDING_YES)
			text__item(out, WIDTH, "    mend", "%s", finding->mend);
	}
}

static void write_files(FILE *out, const struct doctor *doctor, bool verbose)
{
	size_t nr_refused = 0;

	fprintf(out, "\nfiles that would be probed\n");
	for (size_t i = 0; i < doctor->nr_files; i++) {
		const struct doctor_file *file = &doctor->files[i];

		nr_refused += !file->file;
		if (!file->file)
			continue;
		text__item(out, WIDTH, "  file", "%s", file->path);
		text__item(out, WIDTH, "", "%s, %zu functions", file->file->name,
			   file->file->nr_functions);
		for (size_t j = 0; verbose && j < file->file->nr_functions; j++) {
			const struct allocator_function *function = &file->file->functions[j];
			char why[128];

			print_why(why, sizeof(why), function);
			text__item(out, WIDTH, "", "%s at 0x%llx, probed at +%llu: %s",
				   function->name, function->offset,
				   function->site_offset - function->offset, why);
		}
	}
	if (nr_refused == doctor->nr_files)
		fprintf(out, "  none\n");
	if (!nr_refused)
		return;
	fprintf(out, "\nfiles that would not\n");
	for (size_t i = 0; i < doctor->nr_files; i++) {
		const struct doctor_file *file = &doctor->files[i];

		if (!file->file)
			text__item(out, WIDTH, "  file", "%s: %s", file->path, file->why);
	}
}

static void write_tables(FILE *out, const struct doctor *doctor)
{
	fprintf(out, "\nunwind tables\n");
	for (size_t i = 0; i < doctor->nr_tables; i++) {
		const struct doctor_table *table = &doctor->tables[i];
		char bytes[TEXT_CELL], seconds[TEXT_CELL];

		text__item(out, WIDTH, "  file", "%s", table->path);
		if (table->error)
			text__item(out, WIDTH, "", "none: %s", strerror(-table->error));
		else
			text__item(out, WIDTH, "", "%llu rows, %s, built in %s", table->nr_rows,
				   text__bytes(bytes, sizeof(bytes), table->map_bytes),
				   text__seconds(seconds, sizeof(seconds),
						 (double)table->build_ns / 1e9));
	}
}

static void write_processes(FILE *out, const struct doctor *doctor, bool verbose)
{
	static const char *const meanings[NR_SIGHTS] = {
		[SIGHT_REQUESTS] = "with requests and their paths (entry, full)",
		[SIGHT_KERNEL] = "system calls and faults only: no allocator to probe",
		[SIGHT_32BIT] = "not at all: 32-bit",
		[SIGHT_UNREADABLE] = "system calls and faults only: what they map may not be read",
	};

	fprintf(out, "\nprocesses: %zu would be seen as follows\n", doctor->nr_processes);
	for (int sight = 0; sight < NR_SIGHTS; sight++) {
		size_t nr = 0, most = verbose ? ~(size_t)0 : SHOWN_PROCESSES;

		for (size_t i = 0; i < doctor->nr_processes; i++)
			nr += doctor->processes[i].sight == (enum process_sight)sight;
		fprintf(out, "  %6zu %s\n", nr, meanings[sight]);
		if (sight == SIGHT_REQUESTS && !verbose)
			continue;
		for (size_t i = 0, shown = 0; i < doctor->nr_processes; i++) {
			const struct doctor_process *process = &doctor->processes[i];
			char comm[sizeof(process->comm)];

			if (process->sight != (enum process_sight)sight)
				continue;
			if (shown++ == most) {
				fprintf(out, "         ... (-v has all)\n");
				break;
			}
			snprintf(comm, sizeof(comm), "%s", process->comm);
			text__clean(comm);
			fprintf(out, "         %d %s\n", process->pid, comm);
		}
	}
}

int doctor__write_text(FILE *out, const struct doctor *doctor, bool verbose)
{
	fprintf(out, "allocpath %s\n\nprobes that are possible here\n", ALLOCPATH_VERSION);
	fprintf(out, "  %-8s kernel\n  %-8s entry\n  %-8s full\n",
		state_name(doctor->depth_kernel ? FINDING_YES : FINDING_NO),
		state_name(doctor->depth_entry ? FINDING_YES : FINDING_NO),
		state_name(doctor->depth_full ? FINDING_YES : FINDING_NO));
	write_findings(out, doctor);
	write_files(out, doctor, verbose);
	if (verbose)
		write_tables(out, doctor);
	write_processes(out, doctor, verbose);
	return report__flush(out);
}

static void json_files(struct json *json, const struct doctor *doctor)
{
	json__begin_array(json, "files");
	for (size_t i = 0; i < doctor->nr_files; i++) {
		const struct doctor_file *file = &doctor->files[i];

		json__begin_object(json, NULL);
		json__string(json, "file", file->path);
		json__string(json, "why_not", file->why);
		json__string(json, "allocator", file->file ? file->file->name : NULL);
		json__string(json, "build_id", file->file ? file->file->build_id : NULL);
		json__begin_array(json, "functions");
		for (size_t j = 0; file->file && j < file->file->nr_functions; j++) {
			const struct allocator_function *function = &file->file->functions[j];
			char why[128];

			print_why(why, sizeof(why), function);
			json__begin_object(json, NULL);
			json__string(json, "name", function->name);
			json__u64(json, "offset", function->offset);
			json__u64(json, "site", function->site_offset);
			json__string(json, "kind", function->emulated ? "emulated" : "stepped");
			json__string(json, "why", why);
			json__end_object(json);
		}
		json__end_array(json);
		json__end_object(json);
	}
	json__end_array(json);
}

static void json_tables(struct json *json, const struct doctor *doctor)
{
	json__begin_array(json, "unwind_tables");
	for (size_t i = 0; i < doctor->nr_tables; i++) {
		const struct doctor_table *table = &doctor->tables[i];

		json__begin_object(json, NULL);
		json__string(json, "file", table->path);
		json__string(json, "why_not", table->error ? strerror(-table->error) : NULL);
		json__u64(json, "rows", table->nr_rows);
		json__u64(json, "not_understood", table->nr_refused);
		json__u64(json, "bytes", table->map_bytes);
		json__u64(json, "build_ns", table->build_ns);
		json__end_object(json);
	}
	json__end_array(json);
}

int doctor__write_json(FILE *out, const struct doctor *doctor)
{
	struct json json = { .out = out };

	json__begin_object(&json, NULL);
	json__u64(&json, "schema", SCHEMA);
	json__string(&json, "tool", "allocpath doctor");
	json__string(&json, "version", ALLOCPATH_VERSION);
	json__begin_object(&json, "probes");
	json__bool(&json, "kernel", doctor->depth_kernel);
	json__bool(&json, "entry", doctor->depth_entry);
	json__bool(&json, "full", doctor->depth_full);
	json__end_object(&json);
	json__begin_array(&json, "findings");
	for (size_t i = 0; i < doctor->nr_findings; i++) {
		const struct finding *finding = &doctor->findings[i];

		json__begin_object(&json, NULL);
		json__string(&json, "group", finding->group);
		json__string(&json, "name", finding->name);
		json__string(&json, "state", state_name(finding->state));
		json__string(&json, "detail", *finding->detail ? finding->detail : NULL);
		json__string(&json, "cost", finding->cost);
		json__string(&json, "mend", finding->mend);
		json__end_object(&json);
	}
	json__end_array(&json);
	json_files(&json, doctor);
	json_tables(&json, doctor);
	json__begin_array(&json, "processes");
	for (size_t i = 0; i < doctor->nr_processes; i++) {
		json__begin_object(&json, NULL);
		json__u64(&json, "pid", (__u64)doctor->processes[i].pid);
		json__string(&json, "comm", doctor->processes[i].comm);
		json__string(&json, "seen", process_sight__name(doctor->processes[i].sight));
		json__end_object(&json);
	}
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	return report__flush(out);
}

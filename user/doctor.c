/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "allocator_file.h"
#include "doctor.h"
#include "log.h"
#include "options.h"
#include "output.h"

struct finding *doctor__find(struct doctor *doctor, const char *group, const char *name,
			     enum finding_state state)
{
	static struct finding discarded;
	struct finding *findings, *finding;

	findings = realloc(doctor->findings, (doctor->nr_findings + 1) * sizeof(*findings));
	if (!findings) {
		doctor->out_of_memory = true;
		return &discarded;
	}
	doctor->findings = findings;
	finding = &findings[doctor->nr_findings++];
	*finding = (struct finding){ .group = group, .name = name, .state = state };
	return finding;
}

void finding__say(struct finding *finding, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(finding->detail, sizeof(finding->detail), format, arguments);
	va_end(arguments);
}

const struct finding *doctor__finding(const struct doctor *doctor, const char *name)
{
	for (size_t i = 0; i < doctor->nr_findings; i++)
		if (strcmp(doctor->findings[i].name, name) == 0)
			return &doctor->findings[i];
	return NULL;
}

static bool doctor__has(const struct doctor *doctor, const char *name)
{
	const struct finding *finding = doctor__finding(doctor, name);

	return finding && finding->state == FINDING_YES;
}

/* What hist would come to: its programs load, and what they hang on can be attached. */
static void doctor__conclude(struct doctor *doctor)
{
	doctor->depth_kernel = doctor__has(doctor, "programs") && doctor__has(doctor, "tp_btf") &&
			       doctor__has(doctor, "perf_event") && doctor__has(doctor, "iter");
	doctor->depth_entry = doctor->depth_kernel && (doctor__has(doctor, "uprobe_multi") ||
						       doctor__has(doctor, "perf_uprobe"));
	doctor->depth_full = doctor->depth_entry;
}

static void doctor__free(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->nr_files; i++) {
		free(doctor->files[i].path);
		free(doctor->files[i].why);
		if (doctor->files[i].file)
			allocator_file__free(doctor->files[i].file);
	}
	doctor__free_tables(doctor);
	free(doctor->files);
	free(doctor->findings);
	free(doctor->processes);
}

int doctor__run(const struct options *options)
{
	struct doctor doctor = {};
	struct output output;
	int error;

	log__set_verbose(false); /* libbpf's own words would stand between ours */
	error = output__open(&output, options->output, false);
	if (error)
		return 1;
	doctor__try_kernel(&doctor);
	doctor__look_at_rights(&doctor);
	doctor__look_at_processes(&doctor);
	doctor__look_at_symbols(&doctor);
	doctor__conclude(&doctor);
	if (doctor.out_of_memory)
		error = log__error(-1, "no memory for the report");
	else if (options->json)
		error = doctor__write_json(output.stream, &doctor);
	else
		error = doctor__write_text(output.stream, &doctor, options->verbose);
	if (error < -1)
		log__error(error, "the report cannot be written to %s: %s", output.name,
			   strerror(-error));
	error = output__close(&output, error);
	doctor__free(&doctor);
	return error ? 1 : 0;
}

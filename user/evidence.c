/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"

int evidence__read(struct evidence *evidence, FILE *file)
{
	struct evidence_line line;
	char text[256];

	while (fgets(text, sizeof(text), file)) {
		struct evidence_line *larger;

		if (sscanf(text, "%47s %u %47s %llu", line.experiment, &line.pid, line.key,
			   &line.value) != 4)
			continue;
		larger = realloc(evidence->lines, (evidence->nr_lines + 1) * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		evidence->lines = larger;
		larger[evidence->nr_lines++] = line;
	}
	return 0;
}

static const struct evidence_line *evidence__find(const struct evidence *evidence,
						  const char *experiment, const char *key)
{
	for (size_t i = 0; i < evidence->nr_lines; i++)
		if (!strcmp(evidence->lines[i].experiment, experiment) &&
		    !strcmp(evidence->lines[i].key, key))
			return &evidence->lines[i];
	return NULL;
}

bool evidence__told(const struct evidence *evidence, const char *experiment, const char *key,
		    __u64 *value)
{
	const struct evidence_line *line = evidence__find(evidence, experiment, key);

	if (line)
		*value = line->value;
	return line != NULL;
}

/* "ran" is told with what went wrong: a process that failed shows nothing. */
const struct profile_process *evidence__process(const struct evidence *evidence,
						const char *experiment)
{
	const struct evidence_line *ran = evidence__find(evidence, experiment, "ran");
	const struct profile_process *found = NULL;

	if (!ran || ran->value)
		return NULL;
	for (size_t i = 0; i < evidence->profile.nr_processes; i++) {
		const struct profile_process *process = &evidence->profile.processes[i];

		if (process->pid == ran->pid && (!found || process->execs > found->execs))
			found = process;
	}
	return found;
}

int evidence__glibc_minor(const struct evidence *evidence)
{
	for (size_t i = 0; i < evidence->profile.nr_processes; i++) {
		const char *name = evidence->profile.processes[i].allocator;
		int minor;

		if (name && sscanf(name, "glibc 2.%d", &minor) == 1)
			return minor;
	}
	return 0;
}

void evidence__free(struct evidence *evidence)
{
	free(evidence->lines);
	profile__free(&evidence->profile);
	memset(evidence, 0, sizeof(*evidence));
}

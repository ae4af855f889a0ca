/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unwind tables of the files that processes map: whether they can be built, and their size. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "text.h"
#include "unwind_builder.h"

void doctor__begin_tables(struct doctor *doctor)
{
	int error = unwind_builder__open(&doctor->builder);
	struct finding *finding;

	if (!error)
		return;
	doctor->builder = NULL;
	finding = doctor__find(doctor, "host", "unwind_tables", FINDING_UNKNOWN);
	finding__say(finding, "the process that builds them cannot be started: %s",
		     strerror(-error));
}

/* Waits for one table. -errno: none will come any more. */
static int collect_table(struct doctor *doctor)
{
	struct pollfd poll_fd = { .fd = unwind_builder__fd(doctor->builder), .events = POLLIN };
	struct unwind_result result;
	struct doctor_table *table;
	int n;

	while ((n = unwind_builder__collect(doctor->builder, &result)) == 0)
		poll(&poll_fd, 1, -1);
	if (n < 0)
		return n;
	table = &doctor->tables[result.id];
	table->error = result.err;
	table->nr_rows = result.table.nr_rows;
	table->map_bytes = unwind_table__map_bytes(&result.table);
	table->build_ns = result.table.build_ns;
	for (int i = 0; i < NR_UNWIND_REFUSALS; i++)
		table->nr_refused += result.table.refused[i];
	unwind_table__free(&result.table);
	return 0;
}

void doctor__add_table(struct doctor *doctor, const char *path, int fd)
{
	struct doctor_table *tables;
	int error;

	if (!doctor->builder)
		return;
	tables = realloc(doctor->tables, (doctor->nr_tables + 1) * sizeof(*tables));
	if (tables)
		doctor->tables = tables;
	if (!tables || !(path = strdup(path))) {
		doctor->out_of_memory = true;
		return;
	}
	tables[doctor->nr_tables] = (struct doctor_table){ .path = (char *)path };
	/* What waits holds a descriptor each: where there are no more, one has to be finished first. */
	while ((error = unwind_builder__submit(doctor->builder, doctor->nr_tables, fd)) &&
	       unwind_builder__pending(doctor->builder) && !collect_table(doctor))
		;
	tables[doctor->nr_tables++].error = error;
}

bool doctor__is_builder(const struct doctor *doctor, pid_t pid)
{
	return doctor->builder && unwind_builder__pid(doctor->builder) == pid;
}

/* The largest first. */
static int compare_tables(const void *left, const void *right)
{
	const struct doctor_table *a = left, *b = right;

	if (a->map_bytes != b->map_bytes)
		return a->map_bytes < b->map_bytes ? 1 : -1;
	return strcmp(a->path, b->path);
}

/* What is no program of this machine has no table, and needs none. */
static void forget_others(struct doctor *doctor)
{
	size_t n = 0;

	for (size_t i = 0; i < doctor->nr_tables; i++) {
		if (doctor->tables[i].error == -ENOENT)
			free(doctor->tables[i].path);
		else
			doctor->tables[n++] = doctor->tables[i];
	}
	doctor->nr_tables = n;
}

void doctor__end_tables(struct doctor *doctor)
{
	char bytes[TEXT_CELL], seconds[TEXT_CELL];
	__u64 rows = 0, map_bytes = 0, build_ns = 0;
	struct finding *finding;
	size_t nr_bad = 0;

	if (!doctor->builder)
		return;
	while (unwind_builder__pending(doctor->builder))
		if (collect_table(doctor))
			break;
	unwind_builder__close(doctor->builder);
	doctor->builder = NULL;
	forget_others(doctor);
	if (!doctor->nr_tables) {
		finding = doctor__find(doctor, "host", "unwind_tables", FINDING_UNKNOWN);
		finding__say(finding, "no file that a process maps may be read");
		return;
	}
	qsort(doctor->tables, doctor->nr_tables, sizeof(*doctor->tables), compare_tables);
	for (size_t i = 0; i < doctor->nr_tables; i++) {
		rows += doctor->tables[i].nr_rows;
		map_bytes += doctor->tables[i].map_bytes;
		build_ns += doctor->tables[i].build_ns;
		nr_bad += doctor->tables[i].error != 0;
	}
	finding = doctor__find(doctor, "host", "unwind_tables", nr_bad ? FINDING_NO : FINDING_YES);
	finding__say(finding, "of %zu of %zu files: %llu rows, %s, built in %s",
		     doctor->nr_tables - nr_bad, doctor->nr_tables, rows,
		     text__bytes(bytes, sizeof(bytes), map_bytes),
		     text__seconds(seconds, sizeof(seconds), (double)build_ns / 1e9));
	if (!nr_bad)
		return;
	finding->cost = "stacks that reach one of the others end there";
	finding->mend = "-v names them and the reason";
}

void doctor__free_tables(struct doctor *doctor)
{
	unwind_builder__close(doctor->builder);
	for (size_t i = 0; i < doctor->nr_tables; i++)
		free(doctor->tables[i].path);
	free(doctor->tables);
}

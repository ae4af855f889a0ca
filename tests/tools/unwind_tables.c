/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The unwind tables of files: what they take to build and to keep, and what of them is not
 * understood. unwind_tables [-r OFFSET] FILE...; -r: the rule there, of the first file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unwind_table.h"

static int print_rule(const struct unwind_table *table, __u64 offset)
{
	const struct unwind_rule *rule = &table->rules[unwind_table__find(table, offset)];

	printf("kind %u cfa %d add %d fp %u %d bx %u %d ra %u %d\n", rule->kind, rule->cfa_offset,
	       rule->cfa_add, rule->fp_slot, rule->fp_offset, rule->bx_slot, rule->bx_offset,
	       rule->ra_slot, rule->ra_offset);
	return 0;
}

static void print_table(const char *path, const struct unwind_table *table)
{
	size_t bytes = unwind_table__map_bytes(table);

	printf("%9llu %9llu %6u %10zu %6.2f %8.1f  %s", (unsigned long long)table->nr_functions,
	       (unsigned long long)table->nr_rows, table->nr_rules, bytes,
	       table->nr_rows ? (double)bytes / (double)table->nr_rows : 0,
	       (double)table->build_ns / 1e6, path);
	for (int i = 0; i < NR_UNWIND_REFUSALS; i++)
		if (table->refused[i])
			printf(", %llu %s", (unsigned long long)table->refused[i],
			       unwind_refusal__name(i));
	printf("\n");
}

int main(int argc, char **argv)
{
	const char *offset = NULL;
	int status = 0, option;

	while ((option = getopt(argc, argv, "r:")) != -1) {
		if (option != 'r')
			return 2;
		offset = optarg;
	}
	if (!offset)
		printf("%9s %9s %6s %10s %6s %8s  %s\n", "functions", "rows", "rules", "bytes",
		       "/row", "ms", "file");
	for (int i = optind; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		struct unwind_table table;
		int err = -EBADF;

		if (fd >= 0) {
			err = unwind_table__build(fd, &table);
			close(fd);
		}
		if (err) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-err));
			status = 1;
			continue;
		}
		if (offset)
			status = print_rule(&table, strtoull(offset, NULL, 16));
		else
			print_table(argv[i], &table);
		unwind_table__free(&table);
		if (offset)
			break;
	}
	return status;
}

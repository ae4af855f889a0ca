/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that some process has mapped, and the same as the separate debug file of another one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "debug_file.h"
#include "demangle.h"
#include "symbol_file.h"

#define MAX_LOOKUPS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct symbol_table *table, uint64_t offset)
{
	static char name[SYMBOL_MAX_NAME], text[SYMBOL_MAX_NAME];

	if (!symbol_table__name(table, offset, name))
		return;
	if (!*name || strlen(name) >= sizeof(name))
		abort();
	demangle(name, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct symbol_search search = { .debug_root = "/nowhere", .lines = true };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct symbol_file file;
	struct symbol_table table;
	size_t i;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return -1;
	if (symbol_file__open(&file, fd, "/nowhere/fuzz", NULL, &search))
		return 0;
	for (i = 0; i < file.table.ranges.nr && i < MAX_LOOKUPS; i++) {
		const struct code_range *range = &file.table.ranges.ranges[i];

		look_up(&file.table, range->start);
		look_up(&file.table, range->start + range->size);
		look_up(&file.table, range->start + 64);
	}
	symbol_table__open(&table, &file.sections);
	symbol_table__add(&table, &file.sections, SHT_DYNSYM);
	symbol_table__finish(&table);
	look_up(&table, size / 2);
	symbol_table__close(&table);
	symbol_file__close(&file);
	return 0;
}

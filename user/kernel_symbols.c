/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel_symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h"

#define MAX_LINE 1024

/* What ends a function but is none: data, and marks of sections. */
#define RANK_GLOBAL 0
#define RANK_LOCAL 1
#define RANK_END 2

static int rank_of(char type)
{
	switch (type) {
	case 'T':
	case 'W':
		return RANK_GLOBAL;
	case 't':
	case 'w':
		return RANK_LOCAL;
	default:
		return RANK_END;
	}
}

/* Symbols have no size here: each ends where another begins. */
static void set_sizes(struct text_symbols *symbols)
{
	struct code_range *ranges = symbols->ranges.ranges;
	size_t nr = symbols->ranges.nr, i;
	__u64 end = 0;

	for (i = nr; i--;) {
		if (i + 1 < nr && ranges[i].start != ranges[i + 1].start)
			end = ranges[i + 1].start;
		if (ranges[i].rank == RANK_END)
			ranges[i].size = 0;
		else
			ranges[i].size = end ? (__u32)(end - ranges[i].start) : 0;
	}
}

int kernel_symbols__read(const char *path, struct text_symbols *symbols)
{
	char line[MAX_LINE], name[256], module[64];
	FILE *file = fopen(path, "re");
	bool shown = false;
	int err = 0;

	*symbols = (struct text_symbols){ 0 };
	if (!file)
		return -errno;
	while (!err && fgets(line, sizeof(line), file)) {
		unsigned long long address;
		char type;
		int n = sscanf(line, "%llx %c %255s [%63[^]]]", &address, &type, name, module);

		if (n < 3)
			continue;
		shown |= address != 0;
		if (n == 4) {
			size_t length = strlen(name);

			snprintf(name + length, sizeof(name) - length, " [%s]", module);
		}
		err = text_symbols__add(symbols, address, 0, (__u8)rank_of(type), name,
					strlen(name));
	}
	fclose(file);
	if (!err && !shown)
		err = -EACCES;
	if (err) {
		text_symbols__free(symbols);
		return err;
	}
	text_symbols__finish(symbols);
	set_sizes(symbols);
	/* Once more: with sizes the order is another. */
	text_symbols__finish(symbols);
	return 0;
}

char *kernel_symbols__build_id(void)
{
	int fd = open("/sys/kernel/notes", O_RDONLY | O_CLOEXEC);
	unsigned char notes[4096];
	char *build_id = NULL;
	ssize_t size;

	if (fd < 0)
		return NULL;
	size = read(fd, notes, sizeof(notes));
	close(fd);
	if (size > 0 && build_id__find(notes, (size_t)size, 4, &build_id))
		return NULL;
	return build_id;
}

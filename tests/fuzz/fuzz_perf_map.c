/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A perf map that some process wrote, and the same as the kernel's symbols. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_symbols.h"
#include "perf_map.h"

#define MAX_LOOKUPS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct text_symbols *symbols, bool has_names)
{
	size_t i;

	for (i = 0; i < symbols->ranges.nr && i < MAX_LOOKUPS; i++) {
		const struct code_range *range = &symbols->ranges.ranges[i];
		const char *latest = text_symbols__latest(symbols, range->start);
		const char *innermost = text_symbols__innermost(symbols, range->start);

		if (has_names && range->size && (!latest || !innermost))
			abort();
		if (latest && latest + strlen(latest) >= symbols->names + symbols->names_size)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct text_symbols symbols;
	char path[32];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return -1;
	if (!perf_map__read(fd, &symbols)) {
		look_up(&symbols, true);
		text_symbols__free(&symbols);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!kernel_symbols__read(path, &symbols)) {
		look_up(&symbols, false);
		text_symbols__free(&symbols);
	}
	close(fd);
	return 0;
}

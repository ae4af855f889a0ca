/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of some process's maps. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "maps_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct maps_line line;

	if (!text)
		return -1;
	memcpy(text, data, size);
	text[size] = 0;
	if (maps_line__parse(text, &line) &&
	    (line.start >= line.end || line.path < text || line.path > text + strlen(text)))
		abort();
	free(text);
	return 0;
}

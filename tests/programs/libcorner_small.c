/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -O2 -fno-builtin */
/* One of two libraries that corners.c loads in turn, with different frames at the same place. */
#include <stddef.h>
#include <stdlib.h>

void corner_call(void (*back)(size_t), size_t size);

void corner_call(void (*back)(size_t), size_t size)
{
	volatile size_t kept = size;

	free(malloc(size));
	back(size);
	free(malloc(kept));
}

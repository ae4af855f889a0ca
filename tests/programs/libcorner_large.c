/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -O2 -fno-builtin */
/* The other one. */
#include <stddef.h>
#include <stdlib.h>

void corner_call(void (*back)(size_t), size_t size);

void corner_call(void (*back)(size_t), size_t size)
{
	volatile char large[3000];

	large[size] = 1;
	free(malloc(size));
	back(size + large[size]);
	free(malloc(size + large[size]));
}

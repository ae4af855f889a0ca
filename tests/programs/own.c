/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Uses the allocator that it holds: as malloc, or compiled with -DPREFIXED as je_malloc.
 * usage: own; makes 100 blocks of 77,777 bytes and frees half, 3 of 7,777,777 and frees them.
 * It waits for a byte on stdin first, and for the end of stdin before it ends.
 */
#ifdef PREFIXED
#define malloc je_malloc
#define free je_free
#define calloc je_calloc
#define realloc je_realloc
#endif
#include "own_malloc.h"

#include <unistd.h>

int main(void)
{
	static void *volatile blocks[100];
	char byte;

	if (write(2, "ready\n", 6) != 6 || read(0, &byte, 1) != 1)
		return 1;
	for (int i = 0; i < 100; i++)
		blocks[i] = malloc(77777);
	for (int i = 0; i < 50; i++)
		free(blocks[i]);
	for (int i = 0; i < 3; i++)
		blocks[i] = malloc(7777777);
	for (int i = 0; i < 3; i++)
		free(blocks[i]);
	if (write(2, "done\n", 5) != 5)
		return 1;
	return read(0, &byte, 1) ? 1 : 0;
}

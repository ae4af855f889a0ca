/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arrives MODE LIBRARY: an allocator that comes in the middle of a run.
 *
 *   dlopen    opens a library that has an allocator and, a second later, calls its malloc
 *   dlmopen   opens a second copy of libc, with a heap of its own, and calls both
 *
 * 100 blocks of 77777 bytes are asked for, and 50 given back; with dlmopen of each libc.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 100
#define BYTES 77777

typedef void *malloc_like(size_t size);
typedef void free_like(void *block);

static int use(void *library)
{
	malloc_like *volatile get = (malloc_like *)dlsym(library, "malloc");
	free_like *volatile give = (free_like *)dlsym(library, "free");
	static void *blocks[BLOCKS];

	if (!get || !give)
		return 1;
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = get(BYTES);
	for (int i = 0; i < BLOCKS; i += 2)
		give(blocks[i]);
	return 0;
}

int main(int argc, char **argv)
{
	void *library;

	if (argc < 3)
		return 2;
	usleep(300000);
	if (!strcmp(argv[1], "dlopen"))
		library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
	else
		library = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
	if (!library) {
		fprintf(stderr, "arrives: %s\n", dlerror());
		return 1;
	}
	usleep(1000000);
	if (!strcmp(argv[1], "dlmopen") && use(RTLD_DEFAULT))
		return 3;
	return use(library);
}

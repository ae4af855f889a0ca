/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -O2 -fno-builtin -Wl,-z,lazy */
/* For libchecked.so: see corners.h. "deleted" unlinks the program before it does the rest. */
#include <stdbool.h>
#include <stdlib.h>

#define REQUEST(size) malloc(size)
#define MORE_CORNERS { "library", corner_library },

static void corner_library(void);

#include "corners.h"

/* Another library may come to where the last one was. */
static void corner_library(void)
{
	char path[4096], *slash;
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 32);

	if (size < 0)
		exit(1);
	path[size] = 0;
	slash = strrchr(path, '/') + 1;
	for (int i = 0; i < ROUNDS; i++) {
		void (*call)(void (*back)(size_t), size_t size);
		void *library;

		snprintf(slash, 32, "libcorner_%s.so", i & 1 ? "small" : "large");
		library = dlopen(path, RTLD_NOW);
		if (!library) {
			fprintf(stderr, "%s\n", dlerror());
			exit(1);
		}
		call = (void (*)(void (*)(size_t), size_t))dlsym(library, "corner_call");
		call(through, 110 + (size_t)(i & 1));
		dlclose(library);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "deleted") == 0) {
		unlink(argv[0]);
		argc--;
		argv++;
	}
	run_corners(argc, argv);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the BPF object lies that was built with the running test. */
#ifndef ALLOCPATH_BUILT_OBJECT_H
#define ALLOCPATH_BUILT_OBJECT_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From build/tests/unit/test_x to build/allocpath.bpf.o. "" if the test lies elsewhere. */
static inline const char *built_object__path(void)
{
	static char path[PATH_MAX + 32];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[length > 0 ? length : 0] = 0;
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(path, '/');

		if (!slash)
			return "";
		*slash = 0;
	}
	snprintf(path + strlen(path), 32, "/allocpath.bpf.o");
	return path;
}

#endif

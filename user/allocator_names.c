/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define FREE(name)                                                                                 \
	{                                                                                          \
		name, FUNCTION_FREE, 1, 0                                                          \
	}
#define DELETE(name)                                                                               \
	{                                                                                          \
		name, FUNCTION_FREE, 1, WANTED_CXX                                                 \
	}
#define NEW(name)                                                                                  \
	{                                                                                          \
		name, FUNCTION_MALLOC, 1, WANTED_CXX | WANTED_NEW                                  \
	}
#define MALLOC(name)                                                                               \
	{                                                                                          \
		name, FUNCTION_MALLOC, 1, 0                                                        \
	}

const struct wanted wanted_functions[] = {
	{ "malloc", FUNCTION_MALLOC, 1, WANTED_GLIBC },
	{ "calloc", FUNCTION_CALLOC, 2, WANTED_GLIBC },
	{ "realloc", FUNCTION_REALLOC, 2, WANTED_GLIBC },
	{ "free", FUNCTION_FREE, 1, WANTED_GLIBC },
	{ "memalign", FUNCTION_MEMALIGN, 2, WANTED_GLIBC },
	{ "aligned_alloc", FUNCTION_MEMALIGN, 2, WANTED_GLIBC },
	{ "posix_memalign", FUNCTION_POSIX_MEMALIGN, 3, WANTED_GLIBC },
	{ "valloc", FUNCTION_VALLOC, 1, WANTED_GLIBC },
	{ "pvalloc", FUNCTION_PVALLOC, 1, WANTED_GLIBC },
	{ "mallopt", FUNCTION_MALLOPT, 2, WANTED_GLIBC },

	FREE("cfree"),
	FREE("free_sized"),
	FREE("free_aligned_sized"),
	{ "reallocarray", FUNCTION_REALLOCARRAY, 3, WANTED_MIMALLOC },

	NEW("_Znwm"),
	NEW("_Znam"),
	NEW("_ZnwmRKSt9nothrow_t"),
	NEW("_ZnamRKSt9nothrow_t"),
	NEW("_ZnwmSt11align_val_t"),
	NEW("_ZnamSt11align_val_t"),
	NEW("_ZnwmSt11align_val_tRKSt9nothrow_t"),
	NEW("_ZnamSt11align_val_tRKSt9nothrow_t"),
	DELETE("_ZdlPv"),
	DELETE("_ZdaPv"),
	DELETE("_ZdlPvm"),
	DELETE("_ZdaPvm"),
	DELETE("_ZdlPvRKSt9nothrow_t"),
	DELETE("_ZdaPvRKSt9nothrow_t"),
	DELETE("_ZdlPvSt11align_val_t"),
	DELETE("_ZdaPvSt11align_val_t"),
	DELETE("_ZdlPvmSt11align_val_t"),
	DELETE("_ZdaPvmSt11align_val_t"),
	DELETE("_ZdlPvSt11align_val_tRKSt9nothrow_t"),
	DELETE("_ZdaPvSt11align_val_tRKSt9nothrow_t"),

	/* jemalloc. xallocx resizes in place or not at all: its block keeps its size here. */
	MALLOC("mallocx"),
	{ "rallocx", FUNCTION_REALLOC, 2, 0 },
	FREE("dallocx"),
	FREE("sdallocx"),

	/* gperftools: the others are aliases of the names above. */
	MALLOC("tc_malloc_skip_new_handler"),

	/* mimalloc, of the default heap. */
	MALLOC("mi_malloc"),
	{ "mi_calloc", FUNCTION_CALLOC, 2, 0 },
	{ "mi_realloc", FUNCTION_REALLOC, 2, 0 },
	FREE("mi_free"),
	MALLOC("mi_malloc_small"),
	MALLOC("mi_zalloc"),
	MALLOC("mi_zalloc_small"),
	{ "mi_mallocn", FUNCTION_CALLOC, 2, 0 },
	{ "mi_rezalloc", FUNCTION_REALLOC, 2, 0 },
	{ "mi_reallocf", FUNCTION_REALLOC, 2, 0 },
	{ "mi_reallocarray", FUNCTION_REALLOCARRAY, 3, 0 },
	{ "mi_reallocn", FUNCTION_REALLOCARRAY, 3, 0 },
	MALLOC("mi_malloc_aligned"),
	MALLOC("mi_zalloc_aligned"),
	{ "mi_memalign", FUNCTION_MEMALIGN, 2, 0 },
	{ "mi_aligned_alloc", FUNCTION_MEMALIGN, 2, 0 },
	{ "mi_posix_memalign", FUNCTION_POSIX_MEMALIGN, 3, 0 },
	{ "mi_valloc", FUNCTION_VALLOC, 1, 0 },
	{ "mi_pvalloc", FUNCTION_PVALLOC, 1, 0 },
	FREE("mi_cfree"),
	FREE("mi_free_size"),
	FREE("mi_free_aligned"),
	FREE("mi_free_size_aligned"),
	NEW("mi_new"),
	NEW("mi_new_nothrow"),
	NEW("mi_new_aligned"),
	NEW("mi_new_aligned_nothrow"),
};

/* jemalloc's own, and that of Rust's crate of it. */
static size_t prefix_length(const char *name)
{
	static const char *const prefixes[] = { "je_", "_rjem_je_", "_rjem_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return strlen(prefixes[i]);
	}
	return 0;
}

bool wanted__is_prefixed(const char *name)
{
	return prefix_length(name) != 0;
}

int wanted__find(const char *name)
{
	size_t i;

	name += prefix_length(name);
	for (i = 0; i < sizeof(wanted_functions) / sizeof(*wanted_functions); i++) {
		if (!strcmp(name, wanted_functions[i].name))
			return (int)i;
	}
	return -ENOENT;
}

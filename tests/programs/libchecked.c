/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libchecked.so, preloaded: of every $CHECKED_EVERY th malloc of a thread it says who asked, by
 * libgcc's unwinder. See checked.h.
 */
#include <dlfcn.h>

#include "checked.h"

extern void *__libc_malloc(size_t size);

static void *(*real_malloc)(size_t size);
static void *(*real_realloc)(void *block, size_t size);
static unsigned int every;
static __thread unsigned int count;

static __attribute__((constructor)) void begin(void)
{
	const char *value = getenv("CHECKED_EVERY");

	real_malloc = dlsym(RTLD_NEXT, "malloc");
	real_realloc = dlsym(RTLD_NEXT, "realloc");
	every = value ? (unsigned int)atoi(value) : 1;
	checked__begin();
}

void *malloc(size_t size)
{
	if (!real_malloc)
		return __libc_malloc(size);
	if (!checked.directory || checked_inside || ++count % every)
		return real_malloc(size);
	return checked__request(real_realloc, size);
}

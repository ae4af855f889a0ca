/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rest of malloc.h: what an allocator is asked to do and to tell, beside blocks. */
#include <malloc.h>

#include "arena.h"
#include "cache.h"
#include "config.h"
#include "mapping.h"
#include "thread.h"

REFALLOC_PUBLIC int malloc_trim(size_t pad)
{
	bool some = false;

	thread__ready();
	cache__empty();
	for (unsigned int i = 0; i < arenas__used(); i++) {
		arena__lock(i);
		some |= arena__trim(i, pad);
		arena__unlock(i);
	}
	return some;
}

/* 1: set. As in glibc, whatever sets a threshold or the pad ends the threshold's own moving. */
REFALLOC_PUBLIC int mallopt(int parameter, int value)
{
	size_t bytes = value < 0 ? SIZE_MAX : (size_t)value;

	thread__ready();
	switch (parameter) {
	case M_MMAP_THRESHOLD:
		CONFIG_SET(threshold, bytes);
		break;
	case M_TRIM_THRESHOLD:
		CONFIG_SET(trim_threshold, bytes);
		break;
	case M_TOP_PAD:
		if (value < 0)
			return 0;
		CONFIG_SET(top_pad, bytes);
		break;
	case M_ARENA_MAX:
		if (value <= 0)
			return 0;
		if (config.policy == POLICY_HYBRID)
			CONFIG_SET(arenas, value < MAX_ARENAS ? bytes : MAX_ARENAS);
		return 1;
	default:
		return 0;
	}
	CONFIG_SET(dynamic, 0);
	return 1;
}

/* The older mallinfo, of ints, is left to libc, whose figures are of its own blocks. */
REFALLOC_PUBLIC struct mallinfo2 mallinfo2(void)
{
	struct mallinfo2 info = { 0 };

	thread__ready();
	for (unsigned int i = 0; i < arenas__used(); i++) {
		arena__lock(i);
		arena__figures(i, &info);
		arena__unlock(i);
	}
	info.uordblks = info.arena - info.fordblks;
	mapping__figures(&info.hblks, &info.hblkhd);
	return info;
}

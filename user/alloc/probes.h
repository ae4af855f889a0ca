/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USDT probes at the allocator's decisions, as any consumer of sys/sdt.h's notes reads them. Each is
 * one nop of one byte, passed only while its semaphore says that somebody is attached.
 *
 *   refalloc:request(pointer, bytes, path)    path and release: enum of include/contract.h
 *   refalloc:release(pointer, bytes, release)
 *   refalloc:grow(new break, bytes)           refalloc:shrink(new break, bytes)
 *   refalloc:map(start, bytes)                refalloc:unmap(start, bytes)
 *   otel_memory:alloc(pointer, bytes, weighted bytes)   sampled: sample.h
 *   otel_memory:free(pointer)                           of what was sampled
 */
#ifndef REFALLOC_PROBES_H
#define REFALLOC_PROBES_H

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#define PROBE_SEMAPHORES(declare)                                                                  \
	declare(refalloc_request) declare(refalloc_release) declare(refalloc_grow)                 \
		declare(refalloc_shrink) declare(refalloc_map) declare(refalloc_unmap)             \
			declare(otel_memory_alloc) declare(otel_memory_free)

#define PROBE_DECLARE(name) extern volatile unsigned short name##_semaphore;
PROBE_SEMAPHORES(PROBE_DECLARE)
#undef PROBE_DECLARE

#define PROBE_IS_ON(name) __builtin_expect(name##_semaphore, 0)

#define PROBE_REQUEST(pointer, bytes, path)                                                        \
	do {                                                                                       \
		if (PROBE_IS_ON(refalloc_request))                                                 \
			DTRACE_PROBE3(refalloc, request, pointer, bytes, path);                    \
	} while (0)
#define PROBE_RELEASE(pointer, bytes, how)                                                         \
	do {                                                                                       \
		if (PROBE_IS_ON(refalloc_release))                                                 \
			DTRACE_PROBE3(refalloc, release, pointer, bytes, how);                     \
	} while (0)
#define PROBE_OF_KERNEL(name, at, bytes)                                                           \
	do {                                                                                       \
		if (PROBE_IS_ON(refalloc_##name))                                                  \
			DTRACE_PROBE2(refalloc, name, at, bytes);                                  \
	} while (0)
#define PROBE_OTEL_ALLOC(pointer, bytes, weight)                                                   \
	DTRACE_PROBE3(otel_memory, alloc, pointer, bytes, weight)
#define PROBE_OTEL_FREE(pointer)                                                                   \
	do {                                                                                       \
		if (PROBE_IS_ON(otel_memory_free))                                                 \
			DTRACE_PROBE1(otel_memory, free, pointer);                                 \
	} while (0)

#define PROBE_GROW(at, bytes) PROBE_OF_KERNEL(grow, at, bytes)
#define PROBE_SHRINK(at, bytes) PROBE_OF_KERNEL(shrink, at, bytes)
#define PROBE_MAP(at, bytes) PROBE_OF_KERNEL(map, at, bytes)
#define PROBE_UNMAP(at, bytes) PROBE_OF_KERNEL(unmap, at, bytes)

#endif

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
#define SDT_USE_VARIADIC
#include <sys/sdt.h>

/* Defined in sample.c, by the names that sys/sdt.h wants. */
extern volatile unsigned short refalloc_request_semaphore, refalloc_release_semaphore,
	refalloc_grow_semaphore, refalloc_shrink_semaphore, refalloc_map_semaphore,
	refalloc_unmap_semaphore, otel_memory_alloc_semaphore, otel_memory_free_semaphore;

#define PROBE(provider, name, ...)                                                                 \
	do {                                                                                       \
		if (__builtin_expect(provider##_##name##_semaphore, 0))                            \
			STAP_PROBEV(provider, name, __VA_ARGS__);                                  \
	} while (0)

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs of the reference allocator's rules share. PROGRAM RULE checks one rule from
 * outside: where blocks lie, how the break moves, which pages are mapped, which kernel calls the
 * ledger counts. Exit 0: it holds; else a line on stderr says what did not. Some rules need an
 * option in REFALLOC: tests/e2e/test_refalloc_rules.py has the table.
 */
#ifndef ALLOCPATH_TESTS_REFALLOC_RULES_H
#define ALLOCPATH_TESTS_REFALLOC_RULES_H

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../include/refalloc.h"
#include "../alloc/heap_walk.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define PAGE ((size_t)4096)
#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static const char *(*walk)(struct refalloc_walk *walk);
static int (*ledger_read)(struct refalloc_slot *total);

static void *early; /* of before main */
static char *break_before; /* the first request */

static __attribute__((constructor)) void before_main(void)
{
	break_before = sbrk(0);
	early = malloc(1);
}

static inline struct refalloc_slot ledger(void)
{
	static struct refalloc_slot total;

	EXPECT(!ledger_read(&total));
	return total;
}

static inline __u64 kernel_calls(void)
{
	struct refalloc_slot total = ledger();

	return total.brk_calls + total.mmap_calls + total.munmap_calls + total.mremap_calls +
	       total.madvise_calls;
}

static inline struct refalloc_walk heap(void)
{
	struct refalloc_walk figures;
	const char *wrong = walk(&figures);

	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	EXPECT(!wrong);
	return figures;
}

static inline char *page_of(const void *memory)
{
	return (char *)((uintptr_t)memory & ~(PAGE - 1));
}

static inline bool is_mapped(const void *memory)
{
	unsigned char resident;

	return !mincore(page_of(memory), PAGE, &resident);
}

static inline bool is_in_heap(const void *memory)
{
	return (char *)memory >= break_before && (char *)memory < (char *)sbrk(0);
}

static inline long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static inline void *take_one(void *size)
{
	return malloc((size_t)size);
}

static inline void *from_thread(size_t size)
{
	pthread_t thread;
	void *memory;

	EXPECT(!pthread_create(&thread, NULL, take_one, (void *)size));
	EXPECT(!pthread_join(thread, &memory));
	return memory;
}

static inline void fill_many(char **blocks, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		blocks[i] = malloc(size);
		EXPECT(blocks[i]);
		memset(blocks[i], (int)i, size);
	}
}

static inline void check_many(char **blocks, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		EXPECT(blocks[i][0] == (char)i && blocks[i][size - 1] == (char)i);
		free(blocks[i]);
	}
}

struct refalloc_rule {
	const char *name;
	void (*check)(void);
};

/* The rest of main. 77: the allocator is another. */
static inline int check_rule(const struct refalloc_rule *rules, size_t count, int argc, char **argv)
{
	walk = (const char *(*)(struct refalloc_walk *))dlsym(RTLD_DEFAULT, "refalloc_walk");
	ledger_read = (int (*)(struct refalloc_slot *))dlsym(RTLD_DEFAULT, "refalloc_ledger_read");
	if (!walk || !ledger_read)
		return 77;
	for (size_t i = 0; argc == 2 && i < count; i++) {
		if (strcmp(argv[1], rules[i].name) != 0)
			continue;
		rules[i].check();
		heap();
		return 0;
	}
	fprintf(stderr, "usage: %s RULE\n", argv[0]);
	return 2;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The experiments, in the order of the claims that they belong to. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "experiment.h"

#define MIB ((size_t)1 << 20)

#ifndef __GLIBC__
static int mallopt(int parameter, int value)
{
	(void)parameter;
	return value & 0;
}
static int malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}
#define M_MMAP_THRESHOLD 0
#define M_MMAP_MAX 0
#endif

/* glibc's flag of a chunk with a mapping of its own. */
static int is_mapped(const void *block)
{
	return (word_at(block, 8) & 2) != 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* 1 */

static const int constant = 1;
static int data = 1;
static int bss;

static int layout(size_t argument)
{
	struct rlimit limit, lower;
	int stack = (int)argument;

	experiment__tell("text", (uintptr_t)layout);
	experiment__tell("constant", (uintptr_t)&constant);
	experiment__tell("data", (uintptr_t)&data);
	experiment__tell("bss", (uintptr_t)&bss);
	experiment__tell("heap", (uintptr_t)block_of(1000));
	experiment__tell("mapping", (uintptr_t)block_of(MIB));
	experiment__tell("library", (uintptr_t)&clock_gettime);
	experiment__tell("stack", (uintptr_t)&stack);
	experiment__tell("vdso", getauxval(AT_SYSINFO_EHDR));
	if (getrlimit(RLIMIT_STACK, &limit))
		return EXPERIMENT_BAD;
	experiment__tell("stack_limit", limit.rlim_cur);
	lower = limit;
	lower.rlim_cur = limit.rlim_cur / 2;
	experiment__tell("stack_limit_adjustable", setrlimit(RLIMIT_STACK, &lower) == 0 &&
							   getrlimit(RLIMIT_STACK, &limit) == 0 &&
							   limit.rlim_cur == lower.rlim_cur);
	return 0;
}

/* 2 */

static int small(size_t argument)
{
	(void)argument;
	for (int i = 0; i < 1000; i++)
		block_of(100);
	return 0;
}

/* 3 */

static int first_request(size_t bytes)
{
	return is_mapped(block_of(bytes)) ? EXPERIMENT_MAPPED : EXPERIMENT_NOT_MAPPED;
}

static int second_request(size_t bytes)
{
	block_of(1);
	return first_request(bytes);
}

/* The top of the heap has 100,000 bytes less than its 132 KiB, and no bin has any. */
static int request_of_full_heap(size_t bytes)
{
	block_of(100000);
	return first_request(bytes);
}

static int one(size_t bytes)
{
	block_of(bytes);
	return 0;
}

/* 4 */

static int untouched(size_t bytes)
{
	char *block = block_of(bytes);

	experiment__tell("resident_before", resident_pages(block, bytes));
	touch(block, bytes);
	((volatile char *)block)[bytes - 1] = 1;
	experiment__tell("resident_after", resident_pages(block, bytes));
	return 0;
}

static int cleared(size_t bytes)
{
	char *block = calloc(1, bytes);

	keep(block);
	experiment__tell("resident_before", resident_pages(block, bytes));
	return 0;
}

static int read_into(size_t reads)
{
	char *block = block_of(MIB);
	int zeros = open("/dev/zero", O_RDONLY);

	experiment__tell("read", reads && read(zeros, block, MIB) == (ssize_t)MIB);
	experiment__tell("resident_after", resident_pages(block, MIB));
	return 0;
}

/* 5 */

static int heap(size_t argument)
{
	char *start = sbrk(0), *block = block_of(1 + argument);

	experiment__tell("distance", (uint64_t)(block - start));
	experiment__tell("usable", malloc_usable_size(block));
	experiment__tell("extent", (uint64_t)((char *)sbrk(0) - start));
	return 0;
}

/* 6 */

static int free_small(size_t argument)
{
	char *block = block_of(1 + argument), *again;
	uintptr_t address = (uintptr_t)block, end = (uintptr_t)sbrk(0);

	give_back(block);
	experiment__tell("break_moved", (uintptr_t)sbrk(0) != end);
	again = block_of(1);
	experiment__tell("same_address", (uintptr_t)again == address);
	return 0;
}

static int free_large(size_t bytes)
{
	give_back(block_of(bytes));
	return 0;
}

static int trim(size_t argument)
{
	static void *blocks[312];

	(void)argument;
	for (int i = 0; i < 312; i++)
		blocks[i] = block_of(64000);
	for (int i = 311; i >= 0; i--)
		give_back(blocks[i]);
	return 0;
}

static int trim_by_call(size_t argument)
{
	static void *blocks[40];
	char *start = sbrk(0), *end;
	size_t pages;

	(void)argument;
	for (int i = 0; i < 40; i++) {
		blocks[i] = block_of(16000);
		touch(blocks[i], 16000);
	}
	block_of(2000); /* pins the top */
	for (int i = 0; i < 40; i++)
		give_back(blocks[i]);
	end = sbrk(0);
	pages = resident_pages(start, (size_t)(end - start));
	experiment__tell("resident_after_free", pages);
	malloc_trim(0);
	end = sbrk(0);
	experiment__tell("resident_after_trim", resident_pages(start, (size_t)(end - start)));
	return 0;
}

/* 7: the argument is where the threshold is fixed, 0: it may move */

static int loop(size_t threshold)
{
	uint64_t began_ns;

	if (threshold)
		mallopt(M_MMAP_THRESHOLD, (int)threshold);
	began_ns = now_ns();
	for (int i = 0; i < 200; i++) {
		char *block = block_of(262144);

		touch(block, 262144);
		give_back(block);
	}
	experiment__tell("ns", now_ns() - began_ns);
	return 0;
}

/* 8 */

static int fragments(size_t argument)
{
	static void *blocks[20000];
	char *start = sbrk(0), *end;

	(void)argument;
	for (int i = 0; i < 20000; i++) {
		blocks[i] = block_of(1000);
		touch(blocks[i], 1000);
	}
	for (int i = 0; i < 20000; i++)
		if (i % 50 != 49)
			give_back(blocks[i]);
	end = sbrk(0);
	experiment__tell("live_bytes", 400 * 1000);
	experiment__tell("extent_bytes", (uint64_t)(end - start));
	experiment__tell("resident_pages", resident_pages(start, (size_t)(end - start)));
	malloc_trim(0);
	end = sbrk(0);
	experiment__tell("resident_pages_trimmed", resident_pages(start, (size_t)(end - start)));
	return 0;
}

static int pinned_top(size_t argument)
{
	char *block;

	(void)argument;
	mallopt(M_MMAP_MAX, 0);
	block = block_of(50 * MIB);
	touch(block, 50 * MIB);
	block_of(10);
	give_back(block);
	experiment__tell("resident_pages", resident_pages(block, 50 * MIB));
	malloc_trim(0);
	experiment__tell("resident_pages_trimmed", resident_pages(block, 50 * MIB));
	return 0;
}

/* 9 */

static int header(size_t argument)
{
	char *first = block_of(24 + argument), *second = block_of(24), *mapped;

	experiment__tell("small_header", word_at(first, 8));
	experiment__tell("distance", (uint64_t)(second - first));
	memset(first, 0x5a, 24);
	/* The last eight bytes of the first lie in the sixteen before the second. */
	experiment__tell("shared", word_at(second, 16) == 0x5a5a5a5a5a5a5a5aULL);
	experiment__tell("small_usable", malloc_usable_size(first));
	mapped = block_of(200000);
	experiment__tell("mapped_header", word_at(mapped, 8));
	experiment__tell("mapped_offset", (uintptr_t)mapped % 4096);
	experiment__tell("mapped_usable", malloc_usable_size(mapped));
	return 0;
}

/* 10 */

static int moving(size_t threshold)
{
	void *first;

	if (threshold)
		mallopt(M_MMAP_THRESHOLD, (int)threshold);
	first = block_of(200000);
	experiment__tell("first_mapped", (uint64_t)is_mapped(first));
	give_back(first);
	experiment__tell("second_mapped", (uint64_t)is_mapped(block_of(200000)));
	return 0;
}

/* 11 */

static void *thread(void *argument)
{
	char *block = block_of(1);

	experiment__tell("header", word_at(block, 8));
	experiment__tell("offset", (uintptr_t)block & (64 * MIB - 1));
	return argument;
}

static int threads(size_t argument)
{
	pthread_t other;

	block_of(1 + argument);
	if (pthread_create(&other, NULL, thread, NULL))
		return EXPERIMENT_BAD;
	pthread_join(other, NULL);
	return 0;
}

/* 12 */

static int forked(size_t argument)
{
	char *block = block_of(MIB + argument);
	long before;
	pid_t pid;
	int status;

	touch(block, MIB);
	pid = fork();
	if (!pid) {
		before = faults_so_far();
		touch(block, MIB);
		experiment__tell("copied", (uint64_t)(faults_so_far() - before));
		before = faults_so_far();
		touch(block, MIB);
		experiment__tell("copied_again", (uint64_t)(faults_so_far() - before));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return pid < 0;
}

static int touched_after_trim(size_t argument)
{
	char *block = block_of(100000 + argument);
	long before;

	block_of(2000);
	touch(block, 100000);
	give_back(block);
	malloc_trim(0);
	block = block_of(100000);
	before = faults_so_far();
	touch(block, 98304);
	experiment__tell("faults", (uint64_t)(faults_so_far() - before));
	return 0;
}

static int huge(size_t argument)
{
	void *block = NULL;
	long before;

	(void)argument;
	if (posix_memalign(&block, 2 * MIB, 4 * MIB))
		return EXPERIMENT_BAD;
	experiment__tell("advised", madvise(block, 4 * MIB, MADV_HUGEPAGE) == 0);
	before = faults_so_far();
	touch(block, 4 * MIB);
	experiment__tell("faults", (uint64_t)(faults_so_far() - before));
	experiment__tell("resident_pages", resident_pages(block, 4 * MIB));
	return 0;
}

const struct experiment experiments[] = {
	{ "layout", layout },
	{ "small", small },
	{ "first_request", first_request },
	{ "second_request", second_request },
	{ "request_of_full_heap", request_of_full_heap },
	{ "one", one },
	{ "untouched", untouched },
	{ "cleared", cleared },
	{ "read_into", read_into },
	{ "heap", heap },
	{ "free_small", free_small },
	{ "free_large", free_large },
	{ "trim", trim },
	{ "trim_by_call", trim_by_call },
	{ "loop", loop },
	{ "fragments", fragments },
	{ "pinned_top", pinned_top },
	{ "header", header },
	{ "moving", moving },
	{ "threads", threads },
	{ "forked", forked },
	{ "touched_after_trim", touched_after_trim },
	{ "huge", huge },
};
const size_t nr_experiments = sizeof(experiments) / sizeof(experiments[0]);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -fno-builtin */
/*
 * refalloc_interface: what malloc and its family answer, a line a question: corner cases, errno,
 * alignments, contents. The lines say nothing that allocators may do differently, so that they are
 * the same with any that keeps to glibc's answers.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* NOLINTBEGIN(clang-analyzer-optin.portability.UnixAPI, clang-analyzer-unix.Malloc): the corners */

#define EXBIBYTE ((size_t)1 << 60)
#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const size_t sizes[] = { 0,	1,	15,	16,	17,	24,	 25,	32,
				1000,	1016,	1023,	1024,	1025,	1040,	 4096,	65536,
				131048, 131049, 131071, 131072, 131073, 1 << 18, 400000 };

static const size_t impossible[] = {
	PTRDIFF_MAX,	 (size_t)PTRDIFF_MAX + 1, SIZE_MAX,
	SIZE_MAX - 15,	 SIZE_MAX - 4096,	  EXBIBYTE,
	(size_t)1 << 47, ((size_t)1 << 48) + 1,
};

/* NULL with its errno, or how it is aligned. */
static void say(const char *question, size_t first, size_t second, const void *memory)
{
	int error = errno;
	unsigned int alignment = (unsigned int)((uintptr_t)memory & 15);

	if (memory)
		printf("%s %zu %zu: memory, %u over 16\n", question, first, second, alignment);
	else
		printf("%s %zu %zu: NULL, errno %d\n", question, first, second, error);
	errno = 0;
}

static void fill(unsigned char *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		memory[i] = (unsigned char)(i * 7 + size);
}

/* How many of the first bytes are as fill has left them for a block of size. */
static size_t kept(const unsigned char *memory, size_t size, size_t bytes)
{
	size_t i = 0;

	while (i < bytes && memory[i] == (unsigned char)(i * 7 + size))
		i++;
	return i;
}

static size_t zeros(const unsigned char *memory, size_t bytes)
{
	size_t i = 0;

	while (i < bytes && !memory[i])
		i++;
	return i;
}

static void ask_malloc(void)
{
	unsigned char *memory, *other;

	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		memory = malloc(sizes[i]);
		other = malloc(sizes[i]);
		say("malloc", sizes[i], 0, memory);
		printf("two are two: %d\n", memory != other);
		printf("usable: %d\n", malloc_usable_size(memory) >= sizes[i]);
		fill(memory, sizes[i]);
		fill(other, sizes[i]);
		printf("kept %zu\n", kept(memory, sizes[i], sizes[i]));
		free(memory);
		printf("kept %zu\n", kept(other, sizes[i], sizes[i]));
		free(other);
	}
	for (size_t i = 0; i < ELEMENTS(impossible); i++)
		say("malloc", impossible[i], 0, malloc(impossible[i]));
	free(NULL);
	printf("usable of NULL: %zu\n", malloc_usable_size(NULL));
}

static void ask_calloc(void)
{
	static const size_t pairs[][2] = {
		{ 0, 0 },
		{ 0, 8 },
		{ 8, 0 },
		{ SIZE_MAX, 0 },
		{ 0, SIZE_MAX },
		{ SIZE_MAX, 2 },
		{ 2, SIZE_MAX },
		{ EXBIBYTE, 16 },
		{ (size_t)1 << 32, (size_t)1 << 32 },
		{ EXBIBYTE, 1 },
		{ 1, PTRDIFF_MAX },
		{ ((size_t)1 << 32) + 1, ((size_t)1 << 32) - 1 },
		{ SIZE_MAX / 3 + 1, 3 },
		{ 3, 5 },
	};
	void *memory;

	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		memory = calloc(pairs[i][0], pairs[i][1]);
		say("calloc", pairs[i][0], pairs[i][1], memory);
		free(memory);
	}
	/* Again and again at the same size: each has what the last has left behind. */
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		for (int round = 0; round < 3; round++) {
			unsigned char *block = calloc(1, sizes[i]);

			printf("calloc %zu: %zu zeros\n", sizes[i], zeros(block, sizes[i]));
			memset(block, 0xff, malloc_usable_size(block));
			free(block);
		}
	}
}

static void ask_realloc(void)
{
	unsigned char *memory, *moved;
	size_t common;

	memory = realloc(NULL, 0);
	say("realloc of NULL", 0, 0, memory);
	errno = 77;
	moved = realloc(memory, 0);
	say("realloc", 0, 0, moved);
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		for (size_t j = 0; j < ELEMENTS(sizes); j++) {
			memory = realloc(NULL, sizes[i]);
			fill(memory, sizes[i]);
			moved = realloc(memory, sizes[j]);
			say("realloc", sizes[i], sizes[j], moved);
			common = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
			if (moved)
				printf("kept %zu\n", kept(moved, sizes[i], common));
			free(moved);
		}
	}
	for (size_t i = 0; i < ELEMENTS(impossible); i++) {
		memory = malloc(3000);
		fill(memory, 3000);
		say("realloc", 3000, impossible[i], realloc(memory, impossible[i]));
		printf("kept %zu\n", kept(memory, 3000, 3000));
		moved = malloc(300000);
		fill(moved, 300000);
		say("realloc", 300000, impossible[i], realloc(moved, impossible[i]));
		printf("kept %zu\n", kept(moved, 300000, 300000));
		free(memory);
		free(moved);
		say("realloc of NULL", 0, impossible[i], realloc(NULL, impossible[i]));
	}
}

/* What malloc_usable_size says may be used is the block's, when it is resized too. */
static void ask_usable(void)
{
	for (size_t size = 0; size < 2000; size += 7) {
		unsigned char *memory = malloc(size), *moved;
		size_t usable = malloc_usable_size(memory);

		fill(memory, usable);
		moved = realloc(memory, usable + 3000);
		printf("usable kept: %d\n", kept(moved, usable, usable) == usable);
		memory = realloc(moved, 200000);
		printf("usable kept: %d\n", kept(memory, usable, usable) == usable);
		usable = malloc_usable_size(memory);
		fill(memory, usable);
		moved = realloc(memory, 3000000);
		printf("usable kept: %d\n", kept(moved, usable, usable) == usable);
		free(moved);
	}
}

static void ask_reallocarray(void)
{
	static const size_t pairs[][2] = {
		{ 0, 0 },
		{ 10, 100 },
		{ 1000, 1000 },
		{ (size_t)1 << 32, (size_t)1 << 32 },
		{ SIZE_MAX, 2 },
		{ EXBIBYTE, 16 },
		{ EXBIBYTE / 2, 1 },
		{ 2, (size_t)PTRDIFF_MAX },
	};
	unsigned char *memory, *moved;

	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		memory = malloc(50);
		fill(memory, 50);
		moved = reallocarray(memory, pairs[i][0], pairs[i][1]);
		say("reallocarray", pairs[i][0], pairs[i][1], moved);
		if (moved || pairs[i][0])
			printf("kept %zu\n", kept(moved ? moved : memory, 50, 50));
		if (pairs[i][0])
			free(moved ? moved : memory);
		moved = reallocarray(NULL, pairs[i][0], pairs[i][1]);
		say("reallocarray of NULL", pairs[i][0], pairs[i][1], moved);
		free(moved);
	}
}

static void ask_aligned(void *(*take)(size_t alignment, size_t size), const char *name)
{
	static const size_t alignments[] = { 0,	   1,	 2,	3,	 8,	 16,   17,
					     32,   48,	 64,	100,	 128,	 1024, 4096,
					     5000, 8192, 65536, 1 << 20, 1 << 25 };
	static const size_t wild[] = {
		(size_t)1 << 46, (size_t)1 << 47,	(size_t)1 << 48, EXBIBYTE, (size_t)1 << 62,
		(size_t)1 << 63, ((size_t)1 << 63) + 1, SIZE_MAX - 4096, SIZE_MAX
	};
	unsigned char *memory;

	for (size_t i = 0; i < ELEMENTS(alignments); i++) {
		size_t power = 16;

		while (power < alignments[i])
			power *= 2;
		for (size_t j = 0; j < ELEMENTS(sizes); j++) {
			memory = take(alignments[i], sizes[j]);
			say(name, alignments[i], sizes[j], memory);
			printf("aligned: %d\n", !((uintptr_t)memory % power));
			printf("usable: %d\n", malloc_usable_size(memory) >= sizes[j]);
			memset(memory, 0xff, malloc_usable_size(memory));
			fill(memory, sizes[j]);
			memory = realloc(memory, sizes[j] * 2 + 1);
			printf("kept %zu\n", kept(memory, sizes[j], sizes[j]));
			free(memory);
		}
		for (size_t j = 0; j < ELEMENTS(impossible); j++)
			say(name, alignments[i], impossible[j], take(alignments[i], impossible[j]));
	}
	for (size_t i = 0; i < ELEMENTS(wild); i++)
		say(name, wild[i], 10, take(wild[i], 10));
}

static void ask_posix_memalign(void)
{
	static const size_t alignments[] = { 0,
					     1,
					     2,
					     3,
					     4,
					     7,
					     8,
					     12,
					     16,
					     24,
					     32,
					     48,
					     64,
					     100,
					     4096,
					     5000,
					     1 << 20,
					     (size_t)1 << 46,
					     (size_t)1 << 47,
					     EXBIBYTE,
					     (size_t)1 << 63,
					     SIZE_MAX };
	void *untouched = &untouched;

	for (size_t i = 0; i < ELEMENTS(alignments); i++) {
		for (size_t j = 0; j < ELEMENTS(sizes) + ELEMENTS(impossible); j++) {
			size_t size = j < ELEMENTS(sizes) ? sizes[j] :
							    impossible[j - ELEMENTS(sizes)];
			void *memory = untouched;
			int error = posix_memalign(&memory, alignments[i], size);

			printf("posix_memalign %zu %zu: %d\n", alignments[i], size, error);
			if (error) {
				printf("untouched: %d\n", memory == untouched);
				continue;
			}
			printf("aligned: %d\n", !((uintptr_t)memory & (alignments[i] - 1)));
			memset(memory, 0xff, size);
			free(memory);
		}
	}
}

static void ask_pages(void *(*take)(size_t size), const char *name, size_t least)
{
	unsigned char *memory;

	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		memory = take(sizes[i]);
		say(name, sizes[i], 0, memory);
		printf("aligned: %d\n", !((uintptr_t)memory % 4096));
		printf("usable: %d\n", malloc_usable_size(memory) >= (sizes[i] ? least : 0));
		memset(memory, 0xff, malloc_usable_size(memory));
		free(memory);
	}
	for (size_t i = 0; i < ELEMENTS(impossible); i++)
		say(name, impossible[i], 0, take(impossible[i]));
}

/* errno survives a release, of a block of each kind, and one that the kernel is called for. */
static void ask_errno(void)
{
	void *blocks[ELEMENTS(sizes)];

	for (size_t i = 0; i < ELEMENTS(sizes); i++)
		blocks[i] = malloc(sizes[i]);
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		errno = 1000 + (int)i;
		free(blocks[i]);
		printf("errno behind free: %d\n", errno);
	}
	errno = 99;
	free(NULL);
	printf("errno behind free of NULL: %d\n", errno);
}

int main(void)
{
	static char line[1 << 16];

	setvbuf(stdout, line, _IOFBF, sizeof(line));
	ask_malloc();
	ask_calloc();
	ask_realloc();
	ask_usable();
	ask_reallocarray();
	ask_aligned(memalign, "memalign");
	ask_aligned(aligned_alloc, "aligned_alloc");
	ask_posix_memalign();
	ask_pages(valloc, "valloc", 1);
	ask_pages(pvalloc, "pvalloc", 4096);
	ask_errno();
	return 0;
}

/* NOLINTEND(clang-analyzer-optin.portability.UnixAPI, clang-analyzer-unix.Malloc) */

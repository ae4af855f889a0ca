/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -fno-builtin -Wno-use-after-free -Wno-free-nonheap-object -Wno-array-bounds -Wno-stringop-overflow */
/*
 * refalloc_misuse CASE: one misuse of the allocator, which has to end the program. Prints the
 * address that the complaint has to name on stdout. Exit 3: it went on as if nothing had been.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* NOLINTBEGIN(clang-analyzer-*): misuse is what this is for */

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static void blame(const void *memory)
{
	printf("%p\n", memory);
	fflush(stdout);
}

static void free_twice(size_t size)
{
	char *memory = malloc(size), *fence = malloc(size);

	blame(memory);
	free(memory);
	free(memory);
	free(fence);
}

static void double_small(void)
{
	free_twice(100);
}

static void double_large(void)
{
	free_twice(50000);
}

static void double_mapping(void)
{
	free_twice(500000);
}

static void double_aligned(void)
{
	char *memory = memalign(4096, 5000);

	blame(memory);
	free(memory);
	free(memory);
}

/* Others are freed, and their memory is asked for again, between the two. */
static void double_later(void)
{
	char *blocks[200], *more[50];

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(40 + i);
	blame(blocks[13]);
	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		free(blocks[i]);
	for (size_t i = 0; i < ELEMENTS(more); i++)
		more[i] = malloc(200 + i);
	free(more[7]);
	free(blocks[13]);
}

static void double_trimmed(void)
{
	char *memory = malloc(100), *fence = malloc(100);

	blame(memory);
	free(memory);
	malloc_trim(0);
	free(memory);
	free(fence);
}

/* It has become the middle of a larger free block. */
static void double_coalesced(void)
{
	char *blocks[4];

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(20000);
	blame(blocks[1]);
	free(blocks[0]);
	free(blocks[2]);
	free(blocks[1]);
	free(blocks[1]);
}

static void *free_it(void *memory)
{
	free(memory);
	return NULL;
}

static void double_thread(void)
{
	char *memory = malloc(100);
	pthread_t thread;

	blame(memory);
	pthread_create(&thread, NULL, free_it, memory);
	pthread_join(thread, NULL);
	free(memory);
}

/* Between the two, others have had a mapping in the same place, and others of their own. */
static void double_mapping_later(void)
{
	char *memory = malloc(500000), *other;

	blame(memory);
	free(memory);
	other = malloc(500000);
	free(other);
	free(malloc(300000));
	free(memory);
}

/* 200 others have gone since. */
static void double_mapping_much_later(void)
{
	char *memory = malloc(500000), *others[200];

	blame(memory);
	for (size_t i = 0; i < ELEMENTS(others); i++)
		others[i] = malloc(131072 + i % 7);
	free(memory);
	for (size_t i = 0; i < ELEMENTS(others); i++)
		free(others[i]);
	free(memory);
}

static void double_mapping_aligned(size_t alignment)
{
	char *memory = memalign(alignment, 500000);

	blame(memory);
	free(memory);
	free(memory);
}

static void double_mapping_64(void)
{
	double_mapping_aligned(64);
}

static void double_mapping_page(void)
{
	double_mapping_aligned(4096);
}

static void double_mapping_huge(void)
{
	double_mapping_aligned(2 << 20);
}

/* mremap has moved it away. */
static void double_mapping_moved(void)
{
	char *memory = malloc(500000), *wall = malloc(500000), *moved;

	blame(memory);
	for (size_t size = 1 << 20; (moved = realloc(memory, size)) == memory; size *= 2)
		;
	free(memory);
	free(wall);
	free(moved);
}

static void realloc_freed(void)
{
	char *memory = malloc(100);

	blame(memory);
	free(memory);
	memory = realloc(memory, 200);
}

static void usable_of_freed(void)
{
	char *memory = malloc(100);

	blame(memory);
	free(memory);
	printf("%zu\n", malloc_usable_size(memory));
}

static void bad_unaligned(void)
{
	char *memory = malloc(100);

	blame(memory + 8);
	free(memory + 8);
}

static void bad_inside(void)
{
	char *memory = calloc(1, 100);

	blame(memory + 32);
	free(memory + 32);
}

static void bad_stack(void)
{
	char memory[100] __attribute__((aligned(16))) = { 0 };

	blame(memory + 16);
	free(memory + 16);
}

static void bad_static(void)
{
	static char memory[100] __attribute__((aligned(16)));

	blame(memory + 32);
	free(memory + 32);
}

static void bad_text(void)
{
	const uintptr_t address = ((uintptr_t)&blame + 64) & ~(uintptr_t)15;

	blame((void *)address);
	free((void *)address);
}

static void bad_realloc(void)
{
	char *memory = calloc(1, 100);

	blame(memory + 32);
	memory = realloc(memory + 32, 50);
}

static void bad_mapping_inside(void)
{
	char *memory = calloc(1, 500000);

	blame(memory + 4096);
	free(memory + 4096);
}

/* Of memory that is not the allocator's at all. */
static void bad_mmap(void)
{
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	blame(memory + 4096);
	free(memory + 4096);
}

/* One byte too many, met where its block is freed. */
static void over_by_one(void)
{
	char *memory = malloc(104), *next = malloc(104);

	memset(memory, 'A', malloc_usable_size(memory) + 1);
	blame(memory);
	free(memory);
	free(next);
}

static void over_by_one_zero(void)
{
	char *memory = malloc(104), *next = malloc(104);

	memory[malloc_usable_size(memory)] = 0;
	blame(memory);
	free(memory);
	free(next);
}

static void over_by_one_large(void)
{
	char *memory = malloc(50000), *next = malloc(104);

	memory[malloc_usable_size(memory)] ^= 0x40;
	blame(memory);
	free(memory);
	free(next);
}

static void over_realloc(void)
{
	char *memory = malloc(104), *next = malloc(104);

	memset(memory, 'A', malloc_usable_size(memory) + 4);
	blame(memory);
	memory = realloc(memory, 5000);
	free(next);
}

/* As before, but the next block is the one that is freed: its whole header is gone. */
static void over_next(size_t size, size_t bytes)
{
	char *memory = malloc(size), *next = malloc(size), *fence = malloc(size);

	memset(memory, 'A', malloc_usable_size(memory) + bytes);
	blame(next);
	free(next);
	free(fence);
}

static void over_next_header(void)
{
	over_next(104, 16);
}

static void over_next_header_large(void)
{
	over_next(50000, 16);
}

/* Of its header only the size of the block before. */
static void over_next_before(void)
{
	over_next(50000, 6);
}

static void over_next_low(void)
{
	over_next(50000, 2);
}

/* A size that leads out of all memory, into other memory, into the block itself, to nothing. */
static void smash(size_t size, uint64_t word)
{
	char *memory = malloc(size), *fence = malloc(size);

	*(uint64_t *)(memory - 8) = word;
	blame(memory);
	free(memory);
	free(fence);
	malloc_trim(0); /* out of the cache */
}

static void size_wild(void)
{
	smash(100, 0x0000414141414141);
}

static void size_far(void)
{
	smash(100, 0x0000000010000001);
}

static void size_short(void)
{
	smash(100, 0x31);
}

static void size_nothing(void)
{
	smash(100, 1);
}

static void size_of_large(void)
{
	smash(50000, 0x0000000800000001);
}

static void arena_wild(void)
{
	char *memory = malloc(100);
	uint64_t word = *(uint64_t *)(memory - 8);

	smash(100, word | 0x004d000000000000);
}

static void arena_of_large(void)
{
	char *memory = malloc(50000);
	uint64_t word = *(uint64_t *)(memory - 8);

	smash(50000, word | 0x0001000000000000);
}

static void mapped_wild(void)
{
	smash(500000, 0x4141414141414143);
}

static void mapped_before(void)
{
	char *memory = malloc(500000);

	*(uint64_t *)(memory - 16) += 64;
	blame(memory);
	free(memory);
}

/* Written to after it was freed: its links, where the memory is in a bin, and in a cache. */
static void write_freed(size_t size, uint64_t first, uint64_t second)
{
	uint64_t *memory, *fence;

	for (int i = 0; i < 100; i++) { /* until its neighbours are of its size, and new */
		memory = malloc(size);
		fence = malloc(size);
	}
	blame(memory);
	free(memory);
	memory[0] = first;
	memory[1] = second;
	for (int i = 0; i < 10; i++)
		fence = malloc(size);
	free(fence);
}

static void freed_wild(void)
{
	write_freed(50000, 0x4141414141414141, 0x4141414141414141);
}

static void freed_near(void)
{
	static uint64_t own[8];

	write_freed(50000, (uint64_t)own, (uint64_t)own);
}

static void freed_zero(void)
{
	write_freed(50000, 0, 0x10);
}

static void cached_wild(void)
{
	write_freed(100, 0x4141414141414141, 0x4141414141414141);
}

static void cached_near(void)
{
	static uint64_t own[8];

	write_freed(100, (uint64_t)own, 0);
}

static void cached_zero(void)
{
	write_freed(100, 0, 1);
}

static const struct {
	const char *name;
	void (*commit)(void);
} cases[] = {
	{ "double_small", double_small },
	{ "double_large", double_large },
	{ "double_mapping", double_mapping },
	{ "double_mapping_later", double_mapping_later },
	{ "double_mapping_much_later", double_mapping_much_later },
	{ "double_mapping_64", double_mapping_64 },
	{ "double_mapping_page", double_mapping_page },
	{ "double_mapping_huge", double_mapping_huge },
	{ "double_mapping_moved", double_mapping_moved },
	{ "double_aligned", double_aligned },
	{ "double_later", double_later },
	{ "double_trimmed", double_trimmed },
	{ "double_coalesced", double_coalesced },
	{ "double_thread", double_thread },
	{ "realloc_freed", realloc_freed },
	{ "usable_of_freed", usable_of_freed },
	{ "bad_unaligned", bad_unaligned },
	{ "bad_inside", bad_inside },
	{ "bad_stack", bad_stack },
	{ "bad_static", bad_static },
	{ "bad_text", bad_text },
	{ "bad_realloc", bad_realloc },
	{ "bad_mapping_inside", bad_mapping_inside },
	{ "bad_mmap", bad_mmap },
	{ "over_by_one", over_by_one },
	{ "over_by_one_zero", over_by_one_zero },
	{ "over_by_one_large", over_by_one_large },
	{ "over_realloc", over_realloc },
	{ "over_next_header", over_next_header },
	{ "over_next_header_large", over_next_header_large },
	{ "over_next_before", over_next_before },
	{ "over_next_low", over_next_low },
	{ "size_wild", size_wild },
	{ "size_far", size_far },
	{ "size_short", size_short },
	{ "size_nothing", size_nothing },
	{ "size_of_large", size_of_large },
	{ "arena_wild", arena_wild },
	{ "arena_of_large", arena_of_large },
	{ "mapped_wild", mapped_wild },
	{ "mapped_before", mapped_before },
	{ "freed_wild", freed_wild },
	{ "freed_near", freed_near },
	{ "freed_zero", freed_zero },
	{ "cached_wild", cached_wild },
	{ "cached_near", cached_near },
	{ "cached_zero", cached_zero },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ELEMENTS(cases); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].commit();
		_exit(3);
	}
	fprintf(stderr, "usage: refalloc_misuse CASE\n");
	return 2;
}

/* NOLINTEND(clang-analyzer-*) */

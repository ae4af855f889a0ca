/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference allocator, under other names: a sequence of calls, each a byte of what, a byte of
 * which block and two of how much. Contents are held against what was written, and the heap is
 * walked, after each; at the end all is given back, and nothing is in use.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../alloc/heap_walk.h"

#define SLOTS 48u
#define STEPS_MAX 200
#define FOREIGN_MAX 100 /* moves of the break in all: what they take is never given back */

void *refalloc_malloc(size_t size);
void refalloc_free(void *memory);
void *refalloc_calloc(size_t members, size_t size);
void *refalloc_realloc(void *memory, size_t size);
void *refalloc_reallocarray(void *memory, size_t members, size_t size);
void *refalloc_memalign(size_t alignment, size_t size);
int refalloc_posix_memalign(void **memory, size_t alignment, size_t size);
void *refalloc_pvalloc(size_t size);
size_t refalloc_malloc_usable_size(void *memory);
int refalloc_malloc_trim(size_t pad);
int refalloc_mallopt(int parameter, int value);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct held {
	uint8_t *memory;
	size_t size;
	uint8_t fill;
} held[SLOTS];

static void expect(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

/* Small, medium and large alike: the exponent is drawn first. Up to 256 KiB. */
static size_t draw_size(unsigned int high, unsigned int low)
{
	return ((size_t)low << high % 10) >> 3;
}

/* Byte i of a block is its fill plus i. */
static const uint8_t *pattern(const struct held *block)
{
	static uint8_t bytes[512];

	if (!bytes[1]) {
		for (unsigned int i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)i;
	}
	return bytes + block->fill;
}

static void fill(struct held *block)
{
	for (size_t i = 0; i < block->size; i += 256)
		memcpy(block->memory + i, pattern(block),
		       block->size - i < 256 ? block->size - i : 256);
}

static void check(const struct held *block, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 256)
		expect(!memcmp(block->memory + i, pattern(block),
			       bytes - i < 256 ? bytes - i : 256),
		       "contents are kept");
}

/* All that may be used is. */
static void take(struct held *block, void *memory, size_t size, size_t alignment)
{
	expect(memory, "there is memory");
	expect(!((uintptr_t)memory & (alignment - 1)), "it is aligned");
	block->memory = memory;
	block->size = refalloc_malloc_usable_size(memory);
	expect(block->size >= size, "it is large enough");
	fill(block);
}

static void release(struct held *block)
{
	if (block->memory)
		check(block, block->size);
	errno = 123;
	refalloc_free(block->memory);
	expect(errno == 123, "free keeps errno");
	block->memory = NULL;
}

static void resize(struct held *block, size_t size, bool array)
{
	size_t before = block->size;
	uint8_t *memory = array ? refalloc_reallocarray(block->memory, size, 1) :
				  refalloc_realloc(block->memory, size);

	if (block->memory && !size) {
		expect(!memory, "realloc to nothing frees");
		block->memory = NULL;
		return;
	}
	expect(memory, "there is memory");
	if (block->memory) {
		block->memory = memory;
		check(block, before < size ? before : size);
	}
	take(block, memory, size, 16);
}

static void refuse(struct held *block, size_t size)
{
	void *memory = &memory;

	errno = 0;
	expect(!refalloc_realloc(block->memory, SIZE_MAX - size), "too much is refused");
	expect(errno == ENOMEM, "errno says so");
	expect(!refalloc_malloc((size_t)PTRDIFF_MAX + 1 + size), "too much is refused");
	expect(!refalloc_calloc(SIZE_MAX / 2, size + 3), "what wraps is refused");
	expect(refalloc_posix_memalign(&memory, 24, size) == EINVAL, "24 is no alignment");
	expect(memory == &memory, "what is refused stays as it was");
	if (block->memory)
		check(block, block->size);
}

static void zeroed(struct held *block, size_t size)
{
	uint8_t *memory = refalloc_calloc(size, 1);

	expect(!size || (!memory[0] && !memcmp(memory, memory + 1, size - 1)), "calloc clears");
	take(block, memory, size, 16);
}

static void set_knob(unsigned int which, size_t size)
{
	static const int knobs[] = { M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD };
	static unsigned int nr_foreign;

	if (which % 4 < 3)
		refalloc_mallopt(knobs[which % 4], (int)size);
	else if (nr_foreign++ < FOREIGN_MAX)
		sbrk((intptr_t)(size % 5000));
}

static void step(const uint8_t *data)
{
	struct held *block = &held[data[1] % SLOTS];
	size_t size = draw_size(data[2], (unsigned int)data[2] >> 4 | (unsigned int)data[3] << 4);
	size_t alignment = (size_t)16 << data[0] / 16 % 12;
	void *memory = NULL;

	block->fill ^= data[3];
	if (block->memory)
		fill(block); /* by its new pattern */
	switch (data[0] % 16) {
	case 0:
	case 1:
	case 2:
		resize(block, size, data[0] % 16 == 2);
		break;
	case 3:
		set_knob(data[0] / 16, size);
		break;
	case 4:
		refalloc_malloc_trim(size);
		break;
	case 5:
		refuse(block, size);
		break;
	case 6:
		release(block);
		zeroed(block, size);
		break;
	case 7:
		release(block);
		take(block, refalloc_memalign(alignment, size), size, alignment);
		break;
	case 8:
		release(block);
		expect(!refalloc_posix_memalign(&memory, alignment, size), "there is memory");
		take(block, memory, size, alignment);
		break;
	case 9:
		release(block);
		take(block, refalloc_pvalloc(size), size, 4096);
		break;
	default:
		if (block->memory)
			release(block);
		else
			take(block, refalloc_malloc(size), size, 16);
	}
}

static struct refalloc_walk walk(void)
{
	struct refalloc_walk figures;
	const char *wrong = refalloc_walk(&figures);

	expect(!wrong, wrong);
	return figures;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int i = 0; size >= 4 && i < STEPS_MAX; i++, data += 4, size -= 4) {
		step(data);
		walk();
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		release(&held[i]);
	/* As the next input has to find it. */
	refalloc_mallopt(M_MMAP_THRESHOLD, 128 << 10);
	refalloc_mallopt(M_TRIM_THRESHOLD, 128 << 10);
	refalloc_mallopt(M_TOP_PAD, 128 << 10);
	refalloc_malloc_trim(0);
	expect(!walk().used_blocks, "nothing is in use when all is freed");
	return 0;
}

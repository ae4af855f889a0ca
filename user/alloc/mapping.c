/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mapping.h"

#include "complain.h"
#include "config.h"
#include "ledger.h"
#include "os.h"

static size_t nr_blocks, nr_bytes; /* all threads' */

/* Blocks whose mapping has gone: their headers are not there to say that they are free. */
#define NR_GONE 4096u
static const void *gone[NR_GONE];

static size_t mapping_length(const struct block *block)
{
	return page_up(block__before(block) + block__size(block));
}

static char *mapping_start(const struct block *block)
{
	char *start = (char *)block - block__before(block);

	if (SELDOM((uintptr_t)start % PAGE || block->word & BLOCK_WHERE ||
		   mapping_length(block) > __atomic_load_n(&nr_bytes, __ATOMIC_RELAXED)))
		complain(block, BAD_MAPPING);
	return start;
}

static const void **gone_entry(const void *memory)
{
	return &gone[(uintptr_t)memory / PAGE % NR_GONE];
}

static void remember_gone(const void *memory)
{
	__atomic_store_n(gone_entry(memory), memory, __ATOMIC_RELAXED);
}

static void forget_gone(const void *memory)
{
	if (__atomic_load_n(gone_entry(memory), __ATOMIC_RELAXED) == memory)
		__atomic_store_n(gone_entry(memory), NULL, __ATOMIC_RELAXED);
}

bool mapping__is_gone(const void *memory)
{
	if (__atomic_load_n(gone_entry(memory), __ATOMIC_RELAXED) != memory)
		return false;
	if (!os__is_mapped((char *)memory - HEADER_BYTES))
		return true;
	forget_gone(memory); /* others have it now */
	return false;
}

static void account(long blocks, size_t bytes)
{
	__atomic_fetch_add(&nr_blocks, (size_t)blocks, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_bytes, bytes, __ATOMIC_RELAXED);
}

static void set_block(struct block *block, size_t distance, size_t request)
{
	block->before = TAG | distance;
	block->word = block__need(request);
	block__give(block, request);
	block->word |= BLOCK_MAPPED;
}

struct block *mapping__new(size_t request, size_t alignment)
{
	size_t more = alignment > ALIGNMENT ? alignment : 0, length, over;
	struct block *block;
	char *start;

	length = page_up(block__need(request) + more);
	start = os__map(length);
	if (!start)
		return NULL;
	thread__did_path(PATH_MMAP);
	block = block__of((void *)(((uintptr_t)start + HEADER_BYTES + alignment - 1) & -alignment));
	forget_gone(block__memory(block));
	set_block(block, (size_t)((char *)block - start), request);
	over = length - mapping_length(block);
	if (over)
		os__unmap(start + length - over, over);
	account(1, length - over);
	return block;
}

struct block *mapping__resize(struct block *block, size_t request)
{
	size_t distance = block__before(block), from = mapping_length(block), to;
	char *start = mapping_start(block);

	to = page_up(distance + block__need(request));
	if (to != from) {
		start = os__remap(start, from, to);
		if (!start)
			return NULL;
		thread__did_path(PATH_REMAP);
		thread__did_release(RELEASE_REMAP);
		account(0, to - from);
	}
	if (block__at(start, distance) != block) {
		remember_gone(block__memory(block));
		block = block__at(start, distance);
	}
	set_block(block, distance, request);
	return block;
}

void mapping__free(struct block *block)
{
	size_t length = mapping_length(block);
	char *start = mapping_start(block);

	/* Claim 7: a freed mapping goes back at once, and raises a dynamic threshold. */
	remember_gone(block__memory(block));
	thread__did_release(RELEASE_MUNMAP);
	account(-1, -length);
	config__freed_mapping(length);
	os__unmap(start, length);
}

size_t mapping__usable(const struct block *block)
{
	return mapping_length(block) - block__before(block) - HEADER_BYTES;
}

void mapping__figures(size_t *blocks, size_t *bytes)
{
	*blocks = __atomic_load_n(&nr_blocks, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&nr_bytes, __ATOMIC_RELAXED);
}

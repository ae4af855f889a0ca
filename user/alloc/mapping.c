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

/* Where it begins, and its length. */
static char *extent(struct block *block, size_t *length)
{
	char *start = (char *)block__previous(block);

	*length = block__before(block) + block__size(block);
	if (SELDOM(((uintptr_t)start | *length) % PAGE || block->word & BLOCK_WHERE ||
		   *length > __atomic_load_n(&nr_bytes, __ATOMIC_RELAXED)))
		complain(block, BAD_MAPPING);
	return start;
}

static const void **gone_entry(const void *memory)
{
	return &gone[(uintptr_t)memory / PAGE % NR_GONE];
}

static void set_gone(const void *memory, bool is_gone)
{
	const void **entry = gone_entry(memory);

	if (is_gone || __atomic_load_n(entry, __ATOMIC_RELAXED) == memory)
		__atomic_store_n(entry, is_gone ? memory : NULL, __ATOMIC_RELAXED);
}

bool mapping__is_gone(const void *memory)
{
	if (__atomic_load_n(gone_entry(memory), __ATOMIC_RELAXED) != memory)
		return false;
	if (!os__is_mapped((char *)memory - HEADER_BYTES))
		return true;
	set_gone(memory, false); /* others have it now */
	return false;
}

static void account(long blocks, size_t bytes)
{
	__atomic_fetch_add(&nr_blocks, (size_t)blocks, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_bytes, bytes, __ATOMIC_RELAXED);
}

struct block *mapping__new(size_t request, size_t alignment)
{
	size_t need = block__need(request), distance, length, mapped;
	struct block *block;
	char *start;

	mapped = page_up(need + (alignment > ALIGNMENT ? alignment : 0));
	start = os__map(mapped);
	if (!start)
		return NULL;
	thread__did_path(PATH_MMAP);
	distance = -((uintptr_t)start + HEADER_BYTES) & (alignment - 1);
	length = page_up(distance + need);
	if (length < mapped)
		os__unmap(start + length, mapped - length);
	account(1, length);
	block = block__at(start, distance);
	set_gone(block__memory(block), false);
	block->before = TAG | distance;
	block->word = (length - distance) | BLOCK_MAPPED;
	return block;
}

struct block *mapping__resize(struct block *block, size_t request)
{
	size_t distance = block__before(block), from, to;
	char *start = extent(block, &from);

	to = page_up(distance + block__need(request));
	if (to != from) {
		start = os__remap(start, from, to);
		if (!start)
			return NULL;
		thread__did_path(PATH_REMAP);
		thread__did_release(RELEASE_REMAP);
		account(0, to - from);
	}
	if (block__at(start, distance) != block)
		set_gone(block__memory(block), true);
	block = block__at(start, distance);
	block->word = (to - distance) | BLOCK_MAPPED;
	return block;
}

void mapping__free(struct block *block)
{
	size_t length;
	char *start = extent(block, &length);

	/* Claim 7: a freed mapping goes back at once, and raises a dynamic threshold. */
	set_gone(block__memory(block), true);
	thread__did_release(RELEASE_MUNMAP);
	account(-1, -length);
	config__freed_mapping(length);
	os__unmap(start, length);
}

void mapping__figures(size_t *blocks, size_t *bytes)
{
	*blocks = __atomic_load_n(&nr_blocks, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&nr_bytes, __ATOMIC_RELAXED);
}

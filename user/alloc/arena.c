/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arena.h"

#include <malloc.h>
#include <sys/single_threaded.h>

#include "arena_bins.h"
#include "config.h"
#include "ledger.h"
#include "os.h"

struct arena arenas[MAX_ARENAS] = { [0 ... MAX_ARENAS -
				     1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };

static unsigned int nr_used = 1; /* arenas that ever had a thread */

unsigned int arena__join(void)
{
	/* By the other policies all are on the break, or there is none. */
	size_t most = config.policy == POLICY_HYBRID ? CONFIG_GET(arenas) : 1;
	unsigned int best = 0;

	for (unsigned int i = 0; i < most && arenas[best].threads; i++) {
		if (arenas[i].threads < arenas[best].threads)
			best = i;
	}
	arenas[best].threads++;
	if (best >= nr_used)
		__atomic_store_n(&nr_used, best + 1, __ATOMIC_RELAXED);
	return best;
}

void arena__leave(unsigned int index)
{
	arenas[index].threads--;
}

void arena__lock(unsigned int index)
{
	if (!__libc_single_threaded)
		pthread_mutex_lock(&arenas[index].lock);
}

void arena__unlock(unsigned int index)
{
	if (!__libc_single_threaded)
		pthread_mutex_unlock(&arenas[index].lock);
}

unsigned int arenas__used(void)
{
	return __atomic_load_n(&nr_used, __ATOMIC_RELAXED);
}

void arenas__lock(void)
{
	for (unsigned int i = 0; i < nr_used; i++)
		pthread_mutex_lock(&arenas[i].lock);
}

void arenas__unlock(void)
{
	for (unsigned int i = 0; i < nr_used; i++)
		pthread_mutex_unlock(&arenas[i].lock);
}

bool arena__holds(const struct block *block)
{
	const struct arena *arena = &arenas[block__arena(block)];
	size_t size = block__size(block);

	return size >= BLOCK_MIN &&
	       (char *)block >= __atomic_load_n(&arena->low, __ATOMIC_RELAXED) &&
	       (char *)block + size < __atomic_load_n(&arena->high, __ATOMIC_RELAXED);
}

static bool ends_at(const struct arena *arena, const char *address)
{
	return arena->fences && (const char *)(arena->fences + 1) == address;
}

/* A free block that has no free neighbour goes where it belongs: to the top, a bin, the kernel. */
static void file_free(struct arena *arena, struct block *block)
{
	struct block *next = block__next(block), **link = &arena->fences;
	size_t bytes = block__size(block) + sizeof(*next);

	if (next == arena->fences) {
		arena->top = block;
		return;
	}
	/* Only a fence has no size. */
	if (block__before(block) || block__size(next) || !(block->word & BLOCK_ELSEWHERE)) {
		bin__put(arena, block);
		return;
	}
	while (*link != next)
		link = &(*link)->next;
	*link = next->next;
	arena->bytes -= bytes;
	os__unmap(block, bytes);
	thread__did_release(RELEASE_MUNMAP);
}

/* The newest segment, which the top is the last block of, ends there with this fence. */
static void set_end(struct arena *arena, char *end, struct block fence)
{
	arena->fences = (struct block *)end - 1;
	*arena->fences = fence;
	block__set(arena->top, (size_t)((char *)arena->fences - (char *)arena->top),
		   fence.word & BLOCK_WHERE, 0);
}

/* Memory behind the newest segment makes it longer; other is a segment of its own, all of it top. */
static void add(struct arena *arena, char *memory, size_t bytes, __u64 elsewhere)
{
	struct block *last = arena->fences, *old_top = arena->top;

	if (!arena->low || memory < arena->low)
		__atomic_store_n(&arena->low, memory, __ATOMIC_RELAXED);
	if (memory + bytes > arena->high)
		__atomic_store_n(&arena->high, memory + bytes, __ATOMIC_RELAXED);
	arena->bytes += bytes;
	if (ends_at(arena, memory)) {
		set_end(arena, memory + bytes, *last);
		return;
	}
	arena->top = (struct block *)memory;
	arena->top->before = TAG;
	set_end(arena, memory + bytes,
		(struct block){
			.word = (__u64)(arena - arenas) << ARENA_SHIFT | elsewhere | BLOCK_USED,
			.next = last,
			.prev = arena->top,
		});
	if (old_top)
		file_free(arena, old_top);
}

/* Claim 3: by at least size, and the pad, so that malloc(1) reserves 132 KiB. */
static bool grow_by_break(struct arena *arena, size_t size)
{
	size_t more = size + CONFIG_GET(top_pad), has, skip = 0;
	char *end = os__break();

	if (!end)
		return false;
	if (ends_at(arena, end)) {
		has = block__size(arena->top);
		more -= has < more ? has : more;
	} else {
		skip = -(uintptr_t)end % ALIGNMENT;
		more += skip + sizeof(struct block);
	}
	more = page_up((uintptr_t)end + more) - (uintptr_t)end;
	if (!os__move_break((ptrdiff_t)more))
		return false;
	thread__did_path(PATH_BRK);
	add(arena, end + skip, more - skip, 0);
	return true;
}

static bool grow_by_mapping(struct arena *arena, size_t size)
{
	size_t pad = CONFIG_GET(top_pad), bytes;
	char *memory;

	bytes = page_up(size + sizeof(struct block) + (pad < SEGMENT_PAD ? SEGMENT_PAD : pad));
	if (bytes < SEGMENT_BYTES)
		bytes = SEGMENT_BYTES;
	memory = os__map(bytes);
	if (!memory)
		return false;
	thread__did_path(PATH_ARENA);
	add(arena, memory, bytes, BLOCK_ELSEWHERE);
	return true;
}

/* A top, after which a block of this size can be cut from it and some of it is left. */
static bool grow(struct arena *arena, size_t size)
{
	size += BLOCK_MIN;
	if (arena->bytes + size > SIZE_LIMIT / 2)
		return false;
	return (arena == arenas && grow_by_break(arena, size)) || grow_by_mapping(arena, size);
}

/* From a bin, or of the top, of which at least BLOCK_MIN is left. */
struct block *arena__take(unsigned int index, size_t size)
{
	struct arena *arena = &arenas[index];
	struct block *block = bin__find(arena, size);

	if (block)
		bin__remove(arena, block);
	else if ((arena->top && block__size(arena->top) >= size + BLOCK_MIN) || grow(arena, size))
		block = arena->top;
	else
		return NULL;
	block->word |= BLOCK_USED;
	if (block__size(block) - size >= BLOCK_MIN)
		file_free(arena, block__split(block, size, 0));
	return block;
}

/*
 * The top, down to pad: only where its segment ends at the break. Claim 9: one block at the end
 * holds all that lies below it.
 */
static bool trim_top(struct arena *arena, size_t pad)
{
	size_t top = arena->top ? block__size(arena->top) : 0, bytes;
	struct block fence;
	char *end;

	if (top < pad || top - pad < BLOCK_MIN + PAGE)
		return false;
	bytes = (top - pad - BLOCK_MIN) & ~(PAGE - 1);
	end = (char *)(arena->fences + 1);
	fence = *arena->fences;
	if (fence.word & BLOCK_ELSEWHERE || os__break() != end ||
	    !os__move_break(-(ptrdiff_t)bytes))
		return false;
	thread__did_release(RELEASE_TRIM);
	arena->bytes -= bytes;
	set_end(arena, end - bytes, fence);
	return true;
}

/* A free one stops being one; its size is returned. */
static size_t absorb(struct arena *arena, struct block *block)
{
	if (block != arena->top)
		bin__remove(arena, block);
	return block__size(block);
}

void arena__give_back(struct block *block)
{
	struct arena *arena = &arenas[block__arena(block)];
	size_t size = block__size(block), pad = CONFIG_GET(top_pad);
	struct block *next = block__next(block), *before = block__previous(block);

	if (SELDOM(block__before(next) != size || (block__word(next) ^ block->word) & BLOCK_WHERE ||
		   (before != block &&
		    (!arena__spans(arena, before) || block__next(before) != block))))
		complain(block, BAD_HEADER);
	if (!block__is_used(next))
		size += absorb(arena, next);
	if (before != block && !block__is_used(before)) {
		block->word &= ~BLOCK_USED; /* a header that stays behind says so */
		size += absorb(arena, before);
		block = before;
	}
	block__set(block, size, block->word & BLOCK_WHERE, 0);
	file_free(arena, block);
	if (block == arena->top && size >= pad && size - pad >= CONFIG_GET(trim_threshold))
		trim_top(arena, pad);
}

bool arena__resize(struct block *block, size_t size)
{
	struct arena *arena = &arenas[block__arena(block)];
	struct block *next = block__next(block);
	size_t whole = block__size(block) + block__size(next);

	if (SELDOM(block__before(next) != block__size(block)))
		complain(block, BAD_HEADER);
	if (block__size(block) < size) {
		if (block__is_used(next) || whole < size + (next == arena->top ? BLOCK_MIN : 0))
			return false;
		absorb(arena, next);
		block__set(block, whole, block->word & BLOCK_WHERE, BLOCK_USED);
	}
	if (block__size(block) - size >= BLOCK_MIN)
		arena__give_back(block__split(block, size, BLOCK_USED));
	return true;
}

/* The whole pages inside a free block, behind its links. */
static bool discard_inside(struct block *block)
{
	uintptr_t start = page_up((uintptr_t)block + sizeof(*block));
	uintptr_t end = (uintptr_t)block__next(block) & ~(PAGE - 1);

	if (start >= end || !os__discard((void *)start, end - start))
		return false;
	thread__did_release(RELEASE_MADVISE);
	return true;
}

bool arena__trim(unsigned int index, size_t pad)
{
	struct arena *arena = &arenas[index];
	bool some = trim_top(arena, pad);

	for (unsigned int bin = 0; bin < NR_BINS; bin++) {
		for (struct block *block = arena->bins[bin]; block; block = block->next)
			some |= discard_inside(block);
	}
	if (arena->top && arena->top->word & BLOCK_ELSEWHERE)
		some |= discard_inside(arena->top);
	return some;
}

void arena__figures(unsigned int index, struct mallinfo2 *info)
{
	const struct arena *arena = &arenas[index];

	info->arena += arena->bytes;
	if (!arena->top)
		return;
	info->ordblks++;
	info->fordblks += block__size(arena->top);
	if (!(arena->top->word & BLOCK_ELSEWHERE))
		info->keepcost = block__size(arena->top);
	for (unsigned int bin = 0; bin < NR_BINS; bin++) {
		for (const struct block *block = arena->bins[bin]; block; block = block->next) {
			info->ordblks++;
			info->fordblks += block__size(block);
		}
	}
}

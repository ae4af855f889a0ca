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

static void widen(struct arena *arena, const char *start, const char *end)
{
	if (!arena->low || start < arena->low)
		__atomic_store_n(&arena->low, start, __ATOMIC_RELAXED);
	if (end > arena->high)
		__atomic_store_n(&arena->high, end, __ATOMIC_RELAXED);
}

/* A free block that has no free neighbour goes where it belongs: to the top, a bin, the kernel. */
static void file_free(struct arena *arena, struct block *block)
{
	struct segment **link, *segment;

	if (block__next(block) == segment__fence(arena->segments)) {
		arena->top = block;
		return;
	}
	if (!block__before(block) && !block__size(block__next(block))) {
		segment = (struct segment *)((char *)block - sizeof(*segment));
		if (!segment->on_break) {
			for (link = &arena->segments; *link != segment; link = &(*link)->next)
				;
			*link = segment->next;
			os__unmap(segment, segment->bytes);
			thread__did_release(RELEASE_MUNMAP);
			return;
		}
	}
	bin__put(arena, block);
}

/* The top begins there, in the newest segment, and reaches to a fence at the segment's end. */
static void set_top(struct arena *arena, struct block *top)
{
	struct segment *segment = arena->segments;
	__u64 where = (__u64)(arena - arenas) << ARENA_SHIFT;
	struct block *fence = segment__fence(segment);

	where |= segment->on_break ? 0 : BLOCK_ELSEWHERE;
	arena->top = top;
	block__set(top, (size_t)((char *)fence - (char *)top), where, 0);
	fence->word = where | BLOCK_USED;
}

/* Memory becomes the arena's newest segment, all of it the top. What was the top is filed. */
static void add_segment(struct arena *arena, char *memory, size_t bytes, bool on_break)
{
	struct segment *segment = (struct segment *)memory;
	struct block *old_top = arena->top;

	widen(arena, memory, memory + bytes);
	segment->next = arena->segments;
	segment->bytes = bytes;
	segment->on_break = on_break;
	arena->segments = segment;
	segment__first(segment)->before = TAG;
	set_top(arena, segment__first(segment));
	if (old_top && block__size(old_top))
		file_free(arena, old_top);
}

/*
 * Claim 3: by at least size, and the pad, so that malloc(1) reserves 132 KiB. Where the segment
 * before ends at the break it becomes longer.
 */
static bool grow_by_break(struct arena *arena, size_t size)
{
	size_t more = size + CONFIG_GET(top_pad), skip = 0;
	struct segment *segment = arena->segments;
	char *end = os__break();
	bool joins;

	if (!end)
		return false;
	joins = segment && segment->on_break && (char *)segment + segment->bytes == end;
	if (joins) {
		more -= block__size(arena->top) < more ? block__size(arena->top) : more;
	} else {
		skip = -(uintptr_t)end % ALIGNMENT;
		more += skip + sizeof(*segment) + HEADER_BYTES;
	}
	more = page_up((uintptr_t)end + more) - (uintptr_t)end;
	if (!os__move_break((ptrdiff_t)more))
		return false;
	thread__did_path(PATH_BRK);
	if (!joins) {
		add_segment(arena, end + skip, more - skip, true);
		return true;
	}
	segment->bytes += more;
	widen(arena, end, end + more);
	set_top(arena, arena->top);
	return true;
}

static bool grow_by_mapping(struct arena *arena, size_t size)
{
	size_t pad = CONFIG_GET(top_pad), bytes;
	char *memory;

	bytes = size + sizeof(struct segment) + HEADER_BYTES;
	bytes = page_up(bytes + (pad < SEGMENT_PAD ? SEGMENT_PAD : pad));
	if (bytes < SEGMENT_BYTES)
		bytes = SEGMENT_BYTES;
	memory = os__map(bytes);
	if (!memory)
		return false;
	thread__did_path(PATH_ARENA);
	add_segment(arena, memory, bytes, false);
	return true;
}

/* A top, after which a block of this size can be cut from it and some of it is left. */
static bool grow(struct arena *arena, size_t size)
{
	size += BLOCK_MIN;
	if (arena == &arenas[0] && grow_by_break(arena, size))
		return true;
	return grow_by_mapping(arena, size);
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
	struct segment *segment = arena->segments;
	size_t bytes;

	if (!segment || !segment->on_break || block__size(arena->top) <= pad)
		return false;
	bytes = block__size(arena->top) - pad;
	bytes = bytes < BLOCK_MIN ? 0 : (bytes - BLOCK_MIN) & ~(PAGE - 1);
	if (!bytes || os__break() != (char *)segment + segment->bytes ||
	    !os__move_break(-(ptrdiff_t)bytes))
		return false;
	thread__did_release(RELEASE_TRIM);
	segment->bytes -= bytes;
	set_top(arena, arena->top);
	return true;
}

void arena__give_back(struct block *block)
{
	struct arena *arena = &arenas[block__arena(block)];
	size_t size = block__size(block), pad = CONFIG_GET(top_pad), threshold;
	struct block *next = block__next(block), *before;

	if (SELDOM(block__before(next) != size || (block__word(next) ^ block->word) & BLOCK_WHERE))
		complain(block, BAD_HEADER);
	if (!block__is_used(next)) {
		if (next != arena->top)
			bin__remove(arena, next);
		size += block__size(next);
	}
	if (block__before(block)) {
		before = block__previous(block);
		if (SELDOM(!arena__spans(arena, before) ||
			   block__size(before) != block__before(block)))
			complain(block, BAD_HEADER);
		if (!block__is_used(before)) {
			bin__remove(arena, before);
			block->word &= ~BLOCK_USED; /* a header that stays behind says so */
			size += block__size(before);
			block = before;
		}
	}
	block__set(block, size, block->word & BLOCK_WHERE, 0);
	file_free(arena, block);
	threshold = CONFIG_GET(trim_threshold);
	if (block == arena->top && size >= pad && size - pad >= threshold)
		trim_top(arena, pad);
}

void arena__cut(struct block *block, size_t size)
{
	if (block__size(block) - size >= BLOCK_MIN)
		arena__give_back(block__split(block, size, BLOCK_USED));
}

bool arena__grow_in_place(struct block *block, size_t size)
{
	struct arena *arena = &arenas[block__arena(block)];
	struct block *next = block__next(block);
	size_t whole = block__size(block) + block__size(next);

	if (SELDOM(block__before(next) != block__size(block)))
		complain(block, BAD_HEADER);
	if (block__is_used(next) || whole < size + (next == arena->top ? BLOCK_MIN : 0))
		return false;
	if (next != arena->top)
		bin__remove(arena, next);
	block__set(block, whole, block->word & BLOCK_WHERE, BLOCK_USED);
	if (whole - size >= BLOCK_MIN)
		file_free(arena, block__split(block, size, 0));
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
	if (arena->top && !arena->segments->on_break)
		some |= discard_inside(arena->top);
	return some;
}

static void figure_free(struct mallinfo2 *info, const struct block *block)
{
	info->ordblks++;
	info->fordblks += block__size(block);
}

void arena__figures(unsigned int index, struct mallinfo2 *info)
{
	const struct arena *arena = &arenas[index];

	for (const struct segment *segment = arena->segments; segment; segment = segment->next)
		info->arena += segment->bytes;
	for (unsigned int bin = 0; bin < NR_BINS; bin++) {
		for (const struct block *block = arena->bins[bin]; block; block = block->next)
			figure_free(info, block);
	}
	if (!arena->top)
		return;
	figure_free(info, arena->top);
	if (!index && arena->segments->on_break)
		info->keepcost = block__size(arena->top);
}

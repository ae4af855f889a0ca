/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting. A thread adds to a slot of its own, plainly; slot 0 is shared and added to atomically. */
#ifndef REFALLOC_LEDGER_H
#define REFALLOC_LEDGER_H

#include "refalloc.h"
#include "thread.h"

#ifdef REFALLOC_NO_LEDGER
#define LEDGER_IS_KEPT false
#else
#define LEDGER_IS_KEPT true
#endif

/* For threads that have no slot, and where there is no mapping. */
extern struct refalloc_slot ledger_early;

static inline void ledger__add(__u64 *counter, __u64 value)
{
	if (thread.shares_slot)
		__atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
	else
		*counter += value;
}

static inline void ledger__limits(struct refalloc_slot *slot, size_t size, enum alloc_path path)
{
	/* In a shared slot two threads may lose a limit to each other, as long as both raise it. */
	if (__builtin_expect(~size > slot->min_inverted[path], 0))
		slot->min_inverted[path] = ~size;
	if (__builtin_expect(size + 1 > slot->max_plus_one[path], 0))
		slot->max_plus_one[path] = size + 1;
}

/* word: the block's, for where it lies. */
static inline void ledger__pool_request(size_t size, __u64 word)
{
	struct refalloc_slot *slot = thread.slot;
	struct refalloc_row *row = &slot->rows[size_class__of(size)];

	if (!LEDGER_IS_KEPT)
		return;
	row->count[PATH_POOL]++;
	row->bytes += size;
	ledger__limits(slot, size, PATH_POOL);
	if (word & BLOCK_ELSEWHERE)
		slot->home_arena++;
}

static inline void ledger__kept_release(__u64 word)
{
	if (!LEDGER_IS_KEPT)
		return;
	thread.slot->releases[RELEASE_KEPT]++;
	thread.slot->release_bytes += block__request(word);
}

/* By what the thread has done since thread__did_nothing. */
void ledger__request(size_t size, __u64 word);
void ledger__release(__u64 word);

#define LEDGER_COUNT(counter, value)                                                               \
	do {                                                                                       \
		if (LEDGER_IS_KEPT)                                                                \
			ledger__add(&thread.slot->counter, (__u64)(value));                        \
	} while (0)

void ledger__open(void);
void ledger__reopen(void); /* in a forked child */

/* A slot for this thread, or the shared one; and back. Under the threads' lock. */
void ledger__claim(void);
void ledger__leave(void);

#endif

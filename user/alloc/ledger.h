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
	if (!LEDGER_IS_KEPT)
		return;
	if (SELDOM(thread.shares_slot))
		__atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
	else
		*counter += value;
}

/* A block was given: word is its own, for where it lies. */
static inline void ledger__request(size_t size, __u64 word, enum alloc_path path)
{
	struct refalloc_slot *slot = thread.slot;
	struct refalloc_row *row = &slot->rows[size_class__of(size)];

	ledger__add(&row->count[path], 1);
	ledger__add(&row->bytes, size);
	if (path != PATH_POOL)
		ledger__add(&slot->grown_bytes[path], size);
	if (word & (BLOCK_MAPPED | BLOCK_ELSEWHERE))
		ledger__add(word & BLOCK_MAPPED ? &slot->home_mapping : &slot->home_arena, 1);
	/* In a shared slot two threads may lose a limit to each other, as long as both raise it. */
	if (LEDGER_IS_KEPT && SELDOM(~size > slot->min_inverted[path]))
		slot->min_inverted[path] = ~size;
	if (LEDGER_IS_KEPT && SELDOM(size + 1 > slot->max_plus_one[path]))
		slot->max_plus_one[path] = size + 1;
}

static inline void ledger__release(__u64 word, enum release how)
{
	ledger__add(&thread.slot->releases[how], 1);
	ledger__add(&thread.slot->release_bytes, block__request(word));
}

void ledger__open(void);
void ledger__reopen(void); /* in a forked child */

/* A slot for this thread, or the shared one; and back. Under the threads' lock. */
void ledger__claim(void);
void ledger__leave(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a thread has of its own: a cache of freed blocks, its arena, its slot of the ledger. Before
 * its first call and after its end it has no room in its cache, so that the quick ways of malloc and
 * free, which ask for that alone, lead to the slow ones.
 */
#ifndef REFALLOC_THREAD_H
#define REFALLOC_THREAD_H

#include <stdbool.h>

#include "block.h"
#include "refalloc_ledger.h"

#define REFALLOC_PUBLIC __attribute__((visibility("default")))
#define SELDOM(condition) __builtin_expect(!!(condition), 0)

#define CACHE_MAX (COARSE_MAX + HEADER_BYTES) /* the largest block that threads keep */
#define FINE_BINS ((FINE_MAX + HEADER_BYTES - BLOCK_MIN) / ALIGNMENT)
#define CACHE_BINS (FINE_BINS + (COARSE_MAX - FINE_MAX) / COARSE_STEP + 1)

/* Of any block size; those from CACHE_BINS on are no cache's. A block may be larger than its bin. */
static inline size_t cache__bin(size_t block_size)
{
	size_t coarse = FINE_MAX + HEADER_BYTES;

	if (block_size < coarse)
		return (block_size - BLOCK_MIN) / ALIGNMENT;
	return FINE_BINS + (block_size - coarse) / COARSE_STEP;
}

enum thread_state {
	THREAD_NEW,
	THREAD_READY,
	THREAD_ENDED, /* its keys' destructors have run; what it still does goes to the arenas */
};

struct thread {
	struct refalloc_slot *slot;
	struct block *bins[CACHE_BINS]; /* last freed first, by block's next */
	__u8 room[CACHE_BINS]; /* blocks that may still be put into each */
	bool shares_slot;
	__u8 state; /* enum thread_state */
	/* What the call that is going on has done so far: the highest wins, as in contract.h. */
	__u8 path; /* enum alloc_path */
	__u8 release; /* enum release */
	unsigned int slot_index;
	unsigned int arena;
	long countdown; /* bytes until the next sampled request */
	__u64 random;
};

extern __thread struct thread thread __attribute__((tls_model("initial-exec")));

/* Before anything that is not quick: the process's and the thread's first call set them up. */
void thread__begin(void);

static inline void thread__ready(void)
{
	if (SELDOM(thread.state == THREAD_NEW))
		thread__begin();
}

static inline void thread__did_nothing(void)
{
	thread.path = PATH_POOL;
	thread.release = RELEASE_KEPT;
}

static inline void thread__did_path(enum alloc_path path)
{
	if (path > thread.path)
		thread.path = path;
}

static inline void thread__did_release(enum release release)
{
	if (release > thread.release)
		thread.release = release;
}

#endif

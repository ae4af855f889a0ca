/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger of the reference allocator: a shared mapping, a file where one was named, that holds
 * true at any moment. A head of one page, then slots, each the counters of one thread at a time:
 *
 *   head | slot 0: of threads that have none | slot 1 | slot 2 | ... up to used_slots
 *
 * A figure of the process is the sum of its slots. Counters only grow. What a counter means is what
 * the profiler's means (include/contract.h). A forked child begins a ledger of its own.
 */
#ifndef ALLOCPATH_REFALLOC_LEDGER_H
#define ALLOCPATH_REFALLOC_LEDGER_H

#include <stddef.h>

#include "contract.h"

#define REFALLOC_VERSION "1.0"
#define REFALLOC_MAGIC 0x434f4c4c41464552ULL /* "REFALLOC" in memory */
#define REFALLOC_LAYOUT 1 /* bumped when anything below changes */
#define REFALLOC_SLOTS 512 /* more threads than this at once share slot 0, with atomic counting */

struct refalloc_row {
	__u64 count[NR_PATHS];
	__u64 bytes;
};

struct refalloc_slot {
	__u64 releases[NR_RELEASES];
	__u64 release_bytes; /* as they were asked for */
	__u64 min_inverted[NR_PATHS]; /* ~smallest request, 0: none */
	__u64 max_plus_one[NR_PATHS]; /* largest request + 1, 0: none */
	__u64 grown_bytes[NR_PATHS]; /* of requests by each path but the pool, which has the rest */
	__u64 failed;
	__u64 home_mapping, home_arena; /* the other blocks lie in the heap of the break */
	__u64 brk_calls, brk_failed, brk_grown_bytes, brk_shrunk_bytes;
	__u64 mmap_calls, mmap_failed, mmap_anon_bytes, mmap_file_bytes;
	__u64 munmap_calls, munmap_failed, munmap_bytes;
	__u64 mremap_calls, mremap_failed, mremap_grown_bytes, mremap_shrunk_bytes;
	__u64 madvise_calls, madvise_failed, madvise_dontneed_bytes;
	struct refalloc_row rows[NR_SIZE_CLASSES]; /* by size class of the request */
	__u64 reserved[54];
};

enum refalloc_policy {
	POLICY_HYBRID = 0, /* the break below the threshold, mappings from it on */
	POLICY_BRK = 1, /* the break for all, as long as it can grow */
	POLICY_MMAP = 2, /* a mapping for each */
	NR_POLICIES = 3,
};

struct refalloc_head {
	__u64 magic;
	__u32 layout;
	__u32 head_bytes;
	__u32 slot_bytes;
	__u32 used_slots; /* slots from here on were never used */
	__u32 pid; /* in its own pid namespace */
	__u32 policy; /* enum refalloc_policy */
	__u64 threshold; /* as set at the start, in bytes; it moves where dynamic is set */
	__u64 start_ns; /* CLOCK_BOOTTIME when the ledger was begun */
	char version[16];
	__u8 reserved[4032];
};

struct refalloc_ledger {
	struct refalloc_head head;
	struct refalloc_slot slots[REFALLOC_SLOTS];
};

_Static_assert(sizeof(struct refalloc_head) == 4096, "a page");
_Static_assert(sizeof(struct refalloc_slot) % 4096 == 0, "pages: no line is shared by two threads");

/* Adds a slot to a total. Limits are no sums. */
static inline void refalloc_slot__add(struct refalloc_slot *total, const struct refalloc_slot *slot)
{
	const size_t limits = offsetof(struct refalloc_slot, min_inverted) / sizeof(__u64);
	const size_t sums = offsetof(struct refalloc_slot, grown_bytes) / sizeof(__u64);
	const __u64 *from = (const __u64 *)slot;
	__u64 *to = (__u64 *)total;

	for (size_t i = 0; i < sizeof(*slot) / sizeof(*from); i++) {
		if (i < limits || i >= sums)
			to[i] += from[i];
		else if (to[i] < from[i])
			to[i] = from[i];
	}
}

#endif

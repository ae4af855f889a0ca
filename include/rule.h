/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract's part about the threshold of malloc: how a process's is followed, and what its
 * requests are judged by. As in contract.h, vmlinux.h comes first on the BPF side.
 */
#ifndef ALLOCPATH_RULE_H
#define ALLOCPATH_RULE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* How the rule of a process came to be known. */
enum rule_origin {
	RULE_LATE = 0, /* the process ran before: what it did to its threshold is not known */
	RULE_EXEC = 1, /* followed from its exec */
	RULE_FORK = 2, /* inherited from a process that was followed */
	RULE_PENDING = 3, /* its environment sets something: the user side reads what */
	RULE_ENVIRONMENT = 4, /* followed from its exec, with what its environment sets */
	NR_RULE_ORIGINS = 5,
};

/* What keeps the threshold from moving: a variable of the environment, or, shifted, another way. */
enum rule_pin {
	RULE_PIN_TRIM = 1 << 0,
	RULE_PIN_TOP_PAD = 1 << 1,
	RULE_PIN_THRESHOLD = 1 << 2,
	RULE_PIN_MAPS_MAX = 1 << 3,
};
#define RULE_PIN_CALLED 8 /* by mallopt */
#define RULE_PIN_TUNED 16 /* by GLIBC_TUNABLES */
#define RULE_PIN_MASK 0xffU

/* Why a judged request did not go as the threshold says. */
enum rule_reason {
	RULE_MAP_LIMIT = 0, /* as many mappings as M_MMAP_MAX allows */
	RULE_MMAP_FAILED = 1, /* mmap was tried and failed */
	RULE_SECONDARY_ARENA = 2, /* a new arena served it from its first memory */
	RULE_FIRST_GROWTH = 3, /* the heap grew for the thread's cache, and its top served it */
	RULE_REMAPPED = 4, /* realloc kept the block's own mapping, by mremap */
	RULE_RACED = 5, /* another thread moved or set the threshold or the limit meanwhile */
	NR_RULE_REASONS = 6,
};

/* glibc's malloc parameters as far as they are followed; what a forked child inherits. */
struct rule_state {
	__u64 low, high; /* it lies here, inclusive; equal: known. Bytes of chunk */
	__u64 trim_threshold; /* meant only while the threshold is known */
	__u64 top_pad;
	__u64 maps_max;
	__s64 maps; /* chunks with mappings of their own; from 0 where the process ran before */
	__u32 pins; /* bit mask of enum rule_pin */
	__u32 origin; /* enum rule_origin */
};

/* Map rules: by slot, memory-mapped by the user side, which writes state while it is pending. */
struct rule {
	struct rule_state state;
	__u64 final_low, final_high; /* where it will lie when no writer is left */
	__u64 before_low, before_high; /* where it lay before mallopt set it last */
	__u64 moves; /* frees and mallopts that may have moved or pinned it */
	__u64 judged; /* requests that made a kernel call = agree + disagree + unexplained + undecided */
	__u64 agree;
	__u64 disagree[NR_RULE_REASONS];
	__u64 unexplained;
	__u64 undecided; /* the threshold was not known */
	__u64 largest_not_mapped; /* size + 1, 0: none; the memalign family is left out of these two */
	__u64 smallest_mapped; /* ~size, 0: none */
	__u64 crossings; /* not mapped, though a smaller one was before */
	__s64 maps_peak; /* the most of state.maps when such a chunk was made */
	__u64 mapped; /* requests that got a new mapping of their own */
	__u64 mapped_largest; /* the largest chunk among them, bytes */
	__u64 mapped_live, mapped_peak; /* bytes in such mappings, now and at most */
	__u64 mapped_released; /* such mappings that free gave back */
	__u64 brk_growths, brk_trims;
	__u64 brk_peak; /* highest break */
	__u64 maps_max_before; /* state.maps_max before the last mallopt */
	__u64 settings; /* mallopts that have returned */
	__u64 sets; /* that have begun to set the threshold */
	__u32 setting; /* mallopts that have not returned */
	__u32 writers; /* frees and mallopts that may be about to write the threshold */
	__u32 lock; /* 1: a program changes the threshold or these */
	__u16 pinning; /* writers that end the moving */
	__u16 candidates; /* 2: where low < high it is the one or the other */
};

/* EVENT_MOVE, EVENT_MOVED and EVENT_JUDGED of the event ring. */
struct rule_event {
	__u32 type;
	__u32 id;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 size; /* of the request; EVENT_MOVED: time_ns of its EVENT_MOVE */
	__u64 from; /* threshold before, or in force, 0: not known; EVENT_MOVED: from here it lies */
	__u64 to; /* EVENT_MOVED: up to here, inclusive */
	__u64 caller; /* return address of the call */
	__u32 weight; /* requests that it stands for; of a move 0 */
	__u32 path; /* enum alloc_path */
	__u32 stack; /* of a move: the number of its stack, 0: none taken */
	__u32 by; /* of a move: 0 a free, else what mallopt set, enum rule_pin */
};

_Static_assert(sizeof(struct rule) == 312, "rule");
_Static_assert(sizeof(struct rule_event) == 64, "rule_event");

#endif

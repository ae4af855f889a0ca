/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The truth: what a test program asked of malloc and what malloc did about it, counted by the
 * program itself, to hold against allocpath's report. Part 1 of 3: the ledger and the judgement;
 * truth_calls.h has the counted calls, truth_print.h the start and the end of a program.
 *
 * The judgement rests on three things that allocpath does not use:
 *  - the chunk header before a block: bit 1 says mapping of its own, bit 2 says arena;
 *  - /proc/self/statm before and after the call: `size` counts every mapping, `data` every
 *    private writable page, so a raised break, a new mapping and a mprotect to writable all show;
 *  - the break, asked of the kernel where those two leave a choice.
 *
 * Nothing here allocates. Nothing here makes a call instruction either: all is inlined and the
 * system calls are inline assembly, so that the stack below a test's frame, where stale return
 * addresses stand, stays as malloc left it. The adversaries depend on that.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE __attribute__((noinline))

#define PAGE 4096ul
#define CHUNK_MAPPED 2ul
#define CHUNK_ARENA 4ul
#define CHUNK_FLAGS 7ul

/* glibc's secondary arenas: heaps of 64 MiB, aligned to it, with a struct heap_info in front. */
#define ARENA_HEAP (64ul << 20)
#define HEAP_INFO_SIZE_FIELD 2 /* in words: ar_ptr, prev, size */
#define ARENA_TOP_FIELD 12 /* in words: malloc_state.top, glibc 2.26 to 2.42 */

/* Same order as allocpath's precedence; the highest wins. */
enum truth_path {
	PATH_POOL,
	PATH_ARENA,
	PATH_BRK,
	PATH_MMAP,
	PATH_REMAP,
	NR_PATHS
};
enum truth_release {
	RELEASE_KEPT,
	RELEASE_MADVISE,
	RELEASE_TRIM,
	RELEASE_MUNMAP,
	RELEASE_REMAP,
	NR_RELEASES
};
enum truth_home {
	HOME_HEAP,
	HOME_MAPPING,
	HOME_ARENA,
	NR_HOMES
};

#define TRUTH_LIVE_SLOTS (1u << 16) /* a power of two; at most half of them may be used */
#define TRUTH_SIZES 192

struct truth_path_sum {
	unsigned long count, bytes, min, max;
};

struct truth_size {
	unsigned long size, count[NR_PATHS];
};

struct truth_live {
	uintptr_t address;
	size_t size;
};

static struct truth {
	unsigned long count, bytes, failed;
	struct truth_path_sum paths[NR_PATHS];
	unsigned long home[NR_HOMES];
	unsigned long releases[NR_RELEASES], release_bytes, release_of_unknown;
	unsigned long live_count, live_bytes;
	unsigned long grown_pages, shrunk_pages; /* of the break, by calls counted here */
	unsigned long nr_sizes;
	struct truth_size sizes[TRUTH_SIZES];
	uintptr_t start_break, first_break; /* the lowest there is; at the start of this process */
	int statm; /* /proc/self/statm, open */
	bool sizes_full;
	bool mremap_denied; /* the program had a filter refuse mremap */
	bool foreign; /* not glibc's allocator: no chunk headers, so no paths, homes and kinds */
} truth;

static struct truth_live truth_live[TRUTH_LIVE_SLOTS];

ALWAYS_INLINE long raw_syscall4(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#else
#error "no raw system call for this architecture"
#endif
}

/* A question, not growth; it counts as one more brk call. */
ALWAYS_INLINE uintptr_t truth_break(void)
{
	return (uintptr_t)raw_syscall4(SYS_brk, 0, 0, 0, 0);
}

struct truth_pages {
	unsigned long total, data;
};

ALWAYS_INLINE struct truth_pages truth_pages(void)
{
	struct truth_pages pages = { 0, 0 };
	unsigned long field = 0;
	char text[128];
	long length;

	length = raw_syscall4(SYS_pread64, truth.statm, (long)text, sizeof(text), 0);
	for (long i = 0; i < length; i++) {
		if (text[i] == ' ') /* NOLINT: the kernel has written it */
			field++;
		else if (text[i] >= '0' && text[i] <= '9' && field == 0)
			pages.total = pages.total * 10 + (unsigned long)(text[i] - '0');
		else if (text[i] >= '0' && text[i] <= '9' && field == 5)
			pages.data = pages.data * 10 + (unsigned long)(text[i] - '0');
	}
	return pages;
}

/* The chunk header of a block: its size and flags. Volatile: malloc wrote it, not the program. */
ALWAYS_INLINE unsigned long chunk_header(uintptr_t block)
{
	return ((volatile unsigned long *)block)[-1];
}

ALWAYS_INLINE bool chunk_mapped(uintptr_t block)
{
	return chunk_header(block) & CHUNK_MAPPED;
}

/* The whole mapping, from its start (an aligned block may lie further in) to its end. */
ALWAYS_INLINE unsigned long chunk_mapping_pages(uintptr_t block)
{
	unsigned long before_chunk = ((volatile unsigned long *)block)[-2];

	return (before_chunk + (chunk_header(block) & ~CHUNK_FLAGS)) / PAGE;
}

/* Bytes of the topmost heap of the arena that a block lies in; the arena's shrinking shows here. */
ALWAYS_INLINE unsigned long arena_top_heap_size(uintptr_t block, uintptr_t *heap)
{
	volatile uintptr_t *info = (volatile uintptr_t *)(block & ~(ARENA_HEAP - 1));
	volatile uintptr_t *arena = (volatile uintptr_t *)info[0];

	*heap = arena[ARENA_TOP_FIELD] & ~(ARENA_HEAP - 1);
	return ((volatile uintptr_t *)*heap)[HEAP_INFO_SIZE_FIELD];
}

/* Live blocks: open addressing, linear probing, holes closed on removal. */
ALWAYS_INLINE unsigned int live_slot(uintptr_t address)
{
	return (unsigned int)((address >> 4) * 0x9e3779b97f4a7c15ul >> 32) & (TRUTH_LIVE_SLOTS - 1);
}

ALWAYS_INLINE void truth_live_add(uintptr_t address, size_t size)
{
	unsigned int slot = live_slot(address);

	while (truth_live[slot].address)
		slot = (slot + 1) & (TRUTH_LIVE_SLOTS - 1);
	truth_live[slot].address = address;
	truth_live[slot].size = size;
	truth.live_count++;
	truth.live_bytes += size;
}

/* True, and the size, if the block was known and is so no more. */
ALWAYS_INLINE bool truth_live_remove(uintptr_t address, size_t *size)
{
	unsigned int slot = live_slot(address), hole, home;

	while (truth_live[slot].address != address) {
		if (!truth_live[slot].address)
			return false;
		slot = (slot + 1) & (TRUTH_LIVE_SLOTS - 1);
	}
	*size = truth_live[slot].size;
	truth.live_count--;
	truth.live_bytes -= *size;
	hole = slot;
	for (;;) {
		slot = (slot + 1) & (TRUTH_LIVE_SLOTS - 1);
		if (!truth_live[slot].address)
			break;
		home = live_slot(truth_live[slot].address);
		/* may it move into the hole: is its home not behind the hole? */
		if (((slot - home) & (TRUTH_LIVE_SLOTS - 1)) >=
		    ((slot - hole) & (TRUTH_LIVE_SLOTS - 1))) {
			truth_live[hole] = truth_live[slot];
			hole = slot;
		}
	}
	truth_live[hole].address = 0;
	return true;
}

ALWAYS_INLINE void truth_count_size(size_t size, enum truth_path path)
{
	unsigned long i;

	for (i = 0; i < truth.nr_sizes && truth.sizes[i].size != size; i++)
		;
	if (i == TRUTH_SIZES) {
		truth.sizes_full = true;
		return;
	}
	if (i == truth.nr_sizes) {
		truth.sizes[i].size = size;
		truth.nr_sizes++;
	}
	truth.sizes[i].count[path]++;
}

/* Books a request whose path is known. A block of address 0 is one that the program cannot see. */
ALWAYS_INLINE void truth_book_request(uintptr_t block, size_t size, enum truth_path path,
				      enum truth_home home)
{
	struct truth_path_sum *sum = &truth.paths[path];

	truth.count++;
	truth.bytes += size;
	if (!sum->count || size < sum->min)
		sum->min = size;
	if (!sum->count || size > sum->max)
		sum->max = size;
	sum->count++;
	sum->bytes += size;
	truth.home[home]++;
	truth_count_size(size, path);
	if (block) {
		truth_live_add(block, size);
	} else {
		truth.live_count++;
		truth.live_bytes += size;
	}
}

ALWAYS_INLINE void truth_book_release(uintptr_t block, enum truth_release kind)
{
	size_t size;

	truth.releases[kind]++;
	if (truth_live_remove(block, &size))
		truth.release_bytes += size;
	else
		truth.release_of_unknown++;
}

/* The break's heap holds the block? The main arena may also live in mappings, once brk fails. */
ALWAYS_INLINE bool truth_in_heap(uintptr_t block)
{
	return block >= truth.start_break && block < truth_break();
}

ALWAYS_INLINE enum truth_home truth_home_of(uintptr_t block)
{
	if (chunk_header(block) & CHUNK_MAPPED)
		return HOME_MAPPING;
	if (chunk_header(block) & CHUNK_ARENA)
		return HOME_ARENA;
	return truth_in_heap(block) ? HOME_HEAP : HOME_ARENA;
}

/* Judges and books a call that takes no block: malloc, calloc and the aligned family. */
ALWAYS_INLINE void truth_request(struct truth_pages before, uintptr_t block, size_t size)
{
	struct truth_pages after = truth_pages();
	enum truth_path path = PATH_POOL;
	enum truth_home home;

	/* a process's first call makes a heap for the thread cache, whatever becomes of the request */
	truth.grown_pages += after.data - before.data;
	if (!block) {
		truth.failed++;
		return;
	}
	if (truth.foreign) {
		truth_book_request(block, size, PATH_POOL, HOME_HEAP);
		return;
	}
	home = truth_home_of(block);
	if (after.data > before.data)
		path = home == HOME_MAPPING ? PATH_MMAP : home == HOME_HEAP ? PATH_BRK : PATH_ARENA;
	if (path == PATH_MMAP)
		truth.grown_pages -= chunk_mapping_pages(block);
	else if (path == PATH_ARENA)
		truth.grown_pages -= after.data - before.data;
	truth_book_request(block, size, path, home);
}

/* What is to be remembered of a block before a call that may release it. */
struct truth_old {
	struct truth_pages pages;
	unsigned long header;
	uintptr_t address, top_heap;
	unsigned long top_heap_size;
};

ALWAYS_INLINE struct truth_old truth_old(uintptr_t block)
{
	struct truth_old old = { .address = block };

	if (block && !truth.foreign) {
		old.header = chunk_header(block);
		if ((old.header & (CHUNK_MAPPED | CHUNK_ARENA)) == CHUNK_ARENA)
			old.top_heap_size = arena_top_heap_size(block, &old.top_heap);
	}
	old.pages = truth_pages();
	return old;
}

/* How a block of the pool or of an arena was released; not for one with its own mapping. */
ALWAYS_INLINE enum truth_release truth_release_in_pool(struct truth_old old)
{
	struct truth_pages after = truth_pages();
	uintptr_t heap;

	if (truth.foreign)
		return RELEASE_KEPT;
	if (!(old.header & CHUNK_ARENA)) {
		if (after.data >= old.pages.data)
			return RELEASE_KEPT;
		truth.shrunk_pages += old.pages.data - after.data;
		return RELEASE_TRIM;
	}
	/* a whole heap went, perhaps the block's own: do not look into it */
	if (after.total < old.pages.total)
		return RELEASE_MUNMAP;
	if (arena_top_heap_size(old.address, &heap) < old.top_heap_size && heap == old.top_heap)
		return RELEASE_MADVISE;
	return RELEASE_KEPT;
}

#endif

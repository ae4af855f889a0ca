/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -fno-builtin */
/* The rules of the heap, of mappings and of the knobs: refalloc_rules.h says how. */
#include "refalloc_rules.h"

/* NOLINTBEGIN(clang-analyzer-*): it looks at blocks that are free, and in front of them */

/* The first request makes a heap of 132 KiB: itself, 128 KiB more, whole pages. */
static void rule_first_heap(void)
{
	EXPECT(early);
	EXPECT((char *)sbrk(0) - break_before == 132 * KIB);
	EXPECT(is_in_heap(early));
	EXPECT(heap().heap_bytes == 132 * KIB);
	EXPECT(ledger().brk_grown_bytes == 132 * KIB);
}

/* top_pad=1m: the heap is that much larger than what was asked for. */
static void rule_top_pad(void)
{
	EXPECT((char *)sbrk(0) - break_before == MIB + PAGE);
	free(malloc(100 * KIB));
	EXPECT((char *)sbrk(0) - break_before == MIB + PAGE);
}

/* top_pad=0: a page. */
static void rule_no_top_pad(void)
{
	EXPECT((char *)sbrk(0) - break_before == PAGE);
}

/* From the threshold on, to the byte. */
static void rule_threshold(void)
{
	struct refalloc_slot before = ledger(), now;
	char *below = malloc(128 * KIB - 1), *at;

	now = ledger();
	EXPECT(is_in_heap(below) && now.mmap_calls == before.mmap_calls);
	at = malloc(128 * KIB);
	now = ledger();
	EXPECT(!is_in_heap(at) && now.mmap_calls == before.mmap_calls + 1);
	EXPECT(now.mmap_anon_bytes == before.mmap_anon_bytes + 128 * KIB + PAGE);
	EXPECT(now.home_mapping == before.home_mapping + 1);
	at = calloc(1, 128 * KIB - 1);
	EXPECT(is_in_heap(at) && ledger().mmap_calls == now.mmap_calls);
	at = realloc(NULL, 128 * KIB);
	EXPECT(!is_in_heap(at) && ledger().mmap_calls == now.mmap_calls + 1);
}

/* threshold=10000 */
static void rule_threshold_set(void)
{
	EXPECT(is_in_heap(malloc(9999)));
	EXPECT(!is_in_heap(malloc(10000)));
	EXPECT(mallopt(M_MMAP_THRESHOLD, 20000) == 1);
	EXPECT(is_in_heap(malloc(19999)));
	EXPECT(!is_in_heap(malloc(20000)));
}

/* A freed mapping is unmapped at once, all of it. */
static void rule_mapping_returned(void)
{
	for (size_t size = 128 * KIB; size < 64 * MIB; size = size * 3 + 12345) {
		struct refalloc_slot before = ledger(), now;
		char *memory = malloc(size);

		memset(memory, 1, size);
		EXPECT(is_mapped(memory + size - 1));
		free(memory);
		now = ledger();
		EXPECT(!is_mapped(memory) && !is_mapped(memory + size - 1));
		EXPECT(now.munmap_calls == before.munmap_calls + 1);
		EXPECT(now.munmap_bytes - before.munmap_bytes ==
		       now.mmap_anon_bytes - before.mmap_anon_bytes);
		EXPECT(now.releases[RELEASE_MUNMAP] == before.releases[RELEASE_MUNMAP] + 1);
	}
}

/* A freed small block stays in the pool: no kernel call, and the next request has it again. */
static void rule_small_stays(void)
{
	static const size_t sizes[] = { 1, 24, 100, 1000, 1024, 1025, 5000, 8192, 10000, 60000 };
	char *blocks[64];

	free(malloc(100 * KIB));
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		bool is_cached = sizes[i] <= 8192;
		size_t count = is_cached ? ELEMENTS(blocks) : 2;
		__u64 calls;

		for (size_t j = 0; j < count; j++)
			blocks[j] = malloc(sizes[i]);
		calls = kernel_calls();
		for (size_t j = 0; j < count; j++)
			free(blocks[j]);
		for (size_t j = 0; j < count; j++) {
			blocks[j] = malloc(sizes[i]);
			EXPECT(is_in_heap(blocks[j]));
		}
		for (size_t j = 0; j < count; j++)
			free(blocks[j]);
		EXPECT(kernel_calls() == calls);
		EXPECT(malloc(sizes[i]) == blocks[count - 1] || !is_cached);
	}
}

/* What is freed in order leaves its last blocks in the cache: the end of the heap stays. */
static void rule_in_order(void)
{
	static char *blocks[20000];
	char *end;

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(i % 200);
	end = sbrk(0);
	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		free(blocks[i]);
	EXPECT(sbrk(0) == end);
	EXPECT(malloc_trim(0) == 1);
	EXPECT((char *)sbrk(0) < end - 2 * MIB);
}

/* Freed neighbours become one block, in whichever order they are freed. */
static void rule_coalesce(void)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					 { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (size_t i = 0; i < ELEMENTS(orders); i++) {
		struct refalloc_walk before, now;
		char *blocks[3], *fence, *whole;

		for (int j = 0; j < 3; j++)
			blocks[j] = malloc(20000);
		fence = malloc(20000);
		EXPECT(blocks[1] == blocks[0] + 20016 && blocks[2] == blocks[1] + 20016);
		before = heap();
		for (int j = 0; j < 3; j++)
			free(blocks[orders[i][j]]);
		now = heap();
		EXPECT(now.free_blocks == before.free_blocks + 1);
		EXPECT(now.free_bytes == before.free_bytes + 3 * 20016);
		whole = malloc(3 * 20016 - 16);
		EXPECT(whole == blocks[0]);
		free(whole);
		free(fence);
	}
}

/* The header of 16 bytes, in front of a block, is all that it costs where no step rounds it up. */
static void rule_header(void)
{
	char *first = malloc(10000), *second = malloc(10000);

	EXPECT(second - first == 10000 + 16);
	EXPECT((*(__u64 *)(first - 8) & 0x0000fffffffffff0ULL) == 10000 + 16);
	EXPECT(malloc_usable_size(first) == 10000);
	for (size_t size = 1; size < 1000; size++)
		EXPECT(malloc_usable_size(malloc(size)) ==
		       (size < 16 ? 16 : (size + 15) / 16 * 16));
}

/* The top goes back when what goes is the trim threshold, and the pad stays. */
static void rule_trim(void)
{
	char *blocks[16], *end;
	struct refalloc_slot before, now;

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(64 * KIB);
	end = sbrk(0);
	before = ledger();
	for (size_t i = ELEMENTS(blocks); i-- > 0;) {
		free(blocks[i]);
		EXPECT(heap().top_bytes <= 128 * KIB + 128 * KIB + 64 * KIB);
	}
	now = ledger();
	EXPECT((char *)sbrk(0) < end - 512 * KIB);
	EXPECT(now.brk_shrunk_bytes - before.brk_shrunk_bytes == (__u64)(end - (char *)sbrk(0)));
	EXPECT(now.releases[RELEASE_TRIM] > before.releases[RELEASE_TRIM]);
	EXPECT(heap().top_bytes >= 128 * KIB);
	/* What is left is below the threshold, until it is asked for. */
	end = sbrk(0);
	EXPECT(malloc_trim(0) == 1);
	EXPECT((char *)sbrk(0) < end);
	EXPECT(heap().top_bytes <= PAGE + 32);
}

/* trim_threshold=1g: it never goes back by itself. */
static void rule_no_trim(void)
{
	char *blocks[100], *end;

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(100 * KIB);
	end = sbrk(0);
	for (size_t i = ELEMENTS(blocks); i-- > 0;)
		free(blocks[i]);
	EXPECT(sbrk(0) == end);
	EXPECT(mallopt(M_TRIM_THRESHOLD, 100000) == 1);
	free(malloc(10000));
	EXPECT((char *)sbrk(0) < end - 9 * MIB);
}

/* A block at the end keeps what is free below it: the article's lesson. */
static void rule_pinned(void)
{
	char *blocks[40], *pin, *end;

	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		blocks[i] = malloc(100 * KIB);
	pin = malloc(10000); /* no cache keeps it */
	end = sbrk(0);
	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		free(blocks[i]);
	EXPECT(sbrk(0) == end);
	EXPECT(heap().free_bytes > 4 * MIB * 95 / 100);
	/* malloc_trim gives the pages back and keeps the addresses. */
	EXPECT(ledger().madvise_calls == 0);
	EXPECT(malloc_trim(0) == 1);
	EXPECT(ledger().madvise_dontneed_bytes > 3 * MIB);
	free(pin);
	EXPECT((char *)sbrk(0) < end - 3 * MIB);
}

/* dynamic=1: a freed mapping raises the threshold to its own size. */
static void rule_dynamic(void)
{
	char *memory = malloc(200000);
	struct rlimit data = { 0 };

	EXPECT(!is_in_heap(memory));
	free(memory);
	memory = malloc(200000);
	EXPECT(is_in_heap(memory));
	EXPECT(!is_in_heap(malloc(204800)));
	/* The trim threshold is twice that. */
	free(memory);
	EXPECT(getrlimit(RLIMIT_DATA, &data) == 0);
	/* More than 32 MiB do not count. */
	free(malloc(40 * MIB));
	EXPECT(!is_in_heap(malloc(250000)));
	free(malloc(30 * MIB));
	EXPECT(is_in_heap(malloc(29 * MIB)));
}

/* Without dynamic the threshold is fixed. */
static void rule_fixed(void)
{
	for (int i = 0; i < 10; i++) {
		char *memory = malloc(200000);

		EXPECT(!is_in_heap(memory));
		free(memory);
	}
}

/* dynamic=1: whoever sets a threshold ends its moving, as in glibc. */
static void rule_dynamic_ended(void)
{
	EXPECT(mallopt(M_MMAP_THRESHOLD, 150000) == 1);
	rule_fixed();
}

/* Memory fresh from the kernel is not cleared once more, and not touched. */
static void rule_calloc_fresh(void)
{
	long before = faults();
	char *memory = calloc(64, MIB);

	EXPECT(faults() - before < 20);
	for (size_t i = 0; i < 64 * MIB; i += 12345)
		EXPECT(!memory[i]);
	free(memory);
	memory = calloc(3, 100 * MIB);
	EXPECT(memory && !memory[300 * MIB - 1]);
}

/* A block of its own mapping is resized by mremap: pages move, bytes are not copied. */
static void rule_realloc_mapping(void)
{
	char *memory = malloc(MIB), *moved;
	struct refalloc_slot before = ledger(), now;
	long faults_before;

	memset(memory, 7, MIB);
	faults_before = faults();
	moved = realloc(memory, 200 * MIB);
	EXPECT(faults() - faults_before < 20);
	now = ledger();
	EXPECT(now.mremap_calls == before.mremap_calls + 1);
	EXPECT(now.mremap_grown_bytes == 199 * MIB);
	for (size_t i = 0; i < MIB; i++)
		EXPECT(moved[i] == 7);
	/* Within its last page it needs no call. */
	EXPECT(realloc(moved, 200 * MIB + 1000) == moved);
	EXPECT(kernel_calls() ==
	       now.brk_calls + now.mmap_calls + now.munmap_calls + now.mremap_calls);
	moved = realloc(moved, 200000);
	now = ledger();
	EXPECT(now.mremap_calls == before.mremap_calls + 2 && !is_in_heap(moved));
	EXPECT(now.mremap_shrunk_bytes == 200 * MIB + PAGE - 196 * KIB);
	for (size_t i = 0; i < 200000; i++)
		EXPECT(moved[i] == 7);
	EXPECT(ledger().mmap_calls == before.mmap_calls);
}

/* A block of the heap grows into what is free behind it, and gives back what it loses. */
static void rule_realloc_heap(void)
{
	char *block = malloc(50000), *second, *fence;
	__u64 calls = kernel_calls();

	EXPECT(realloc(block, 60000) == block);
	EXPECT(realloc(block, 10000) == block);
	second = malloc(45000);
	fence = malloc(10000);
	EXPECT(second > block + 10000 && second < block + 10100);
	free(second);
	EXPECT(realloc(block, 50000) == block);
	EXPECT(realloc(block, 70000) != block);
	EXPECT(fence && kernel_calls() <= calls + 1);
}

/* policy=brk: never a mapping, while the break can grow. */
static void rule_brk(void)
{
	char *large = malloc(50 * MIB), *small = malloc(10), *page = pvalloc(1);
	__u64 released = ledger().release_bytes;

	EXPECT(is_in_heap(large) && is_in_heap(small));
	EXPECT(is_in_heap(page) && page == page_of(page) && malloc_usable_size(page) >= PAGE);
	free(page); /* a request of one byte, whatever it has room for */
	EXPECT(ledger().release_bytes == released + 1);
	EXPECT(is_in_heap(realloc(large, 80 * MIB)));
	EXPECT(is_in_heap(memalign(2 * MIB, 3 * MIB)));
	EXPECT(ledger().mmap_anon_bytes == 0);
}

/* policy=mmap: a mapping for each request, the smallest too. */
static void rule_mmap(void)
{
	char *first = malloc(1), *second = malloc(1);

	EXPECT(sbrk(0) == break_before && ledger().brk_calls <= 1);
	EXPECT(page_of(first) != page_of(second));
	EXPECT(ledger().mmap_anon_bytes == 3 * PAGE);
	EXPECT(malloc_usable_size(first) == PAGE - 16);
	free(first);
	EXPECT(!is_mapped(first) && is_mapped(second));
	EXPECT(heap().blocks == 0);
}

/* mallopt has these knobs and no others. */
static void rule_mallopt(void)
{
	EXPECT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
	EXPECT(is_in_heap(malloc(MIB - 1)) && !is_in_heap(malloc(MIB)));
	EXPECT(mallopt(M_MMAP_THRESHOLD, 0) == 1);
	EXPECT(!is_in_heap(malloc(5000)));
	EXPECT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
	EXPECT(mallopt(M_TOP_PAD, 8 << 20) == 1);
	EXPECT(malloc(MIB - 1) && heap().top_bytes >= 7 * MIB);
	EXPECT(mallopt(M_TOP_PAD, -1) == 0);
	EXPECT(mallopt(M_ARENA_MAX, 1) == 1);
	EXPECT(is_in_heap(from_thread(100)));
	EXPECT(mallopt(M_ARENA_MAX, 0) == 0);
	EXPECT(mallopt(M_TRIM_THRESHOLD, -1) == 1);
	EXPECT(mallopt(12345, 1) == 0);
}

/* mallinfo2 has the walk's figures. */
static void rule_mallinfo(void)
{
	struct mallinfo2 info;
	struct refalloc_walk figures;
	void *mapped = malloc(MIB), *other = malloc(3 * MIB);

	for (int i = 0; i < 100; i++)
		free(malloc((size_t)i * 1000));
	free(from_thread(100));
	figures = heap();
	info = mallinfo2();
	EXPECT(info.hblks == 2 && info.hblkhd == 4 * MIB + 2 * PAGE);
	EXPECT(info.arena == figures.heap_bytes + figures.arena_bytes);
	EXPECT(info.ordblks == figures.free_blocks && info.fordblks == figures.free_bytes);
	EXPECT(info.uordblks + info.fordblks == info.arena);
	EXPECT(info.keepcost == figures.top_bytes);
	free(mapped);
	free(other);
	info = mallinfo2();
	EXPECT(info.hblks == 0 && info.hblkhd == 0);
}

/* malloc_trim: the break, caches, pages inside free blocks; 0 when there is nothing. */
static void rule_malloc_trim(void)
{
	char *blocks[64];

	EXPECT(malloc_trim(0) == 1);
	EXPECT(malloc_trim(0) == 0);
	fill_many(blocks, ELEMENTS(blocks), 1000);
	for (size_t i = 0; i < ELEMENTS(blocks); i += 2)
		free(blocks[i]);
	EXPECT(heap().cached_blocks >= 16);
	malloc_trim(0);
	EXPECT(heap().cached_blocks == 0);
	for (size_t i = 1; i < ELEMENTS(blocks); i += 2)
		free(blocks[i]);
	malloc_trim(0);
	EXPECT(heap().used_bytes == 32);
	malloc_trim(50 * PAGE);
	free(malloc(100 * KIB));
	malloc_trim(20 * PAGE);
	EXPECT(heap().top_bytes >= 20 * PAGE && heap().top_bytes < 22 * PAGE);
}

/* Huge alignments cost no more than what they need. */
static void rule_alignment(void)
{
	for (size_t alignment = 16; alignment <= 64 * MIB; alignment *= 2) {
		for (size_t size = 1; size < 300000; size = size * 5 + 3) {
			size_t mappings = mallinfo2().hblkhd;
			char *memory = memalign(alignment, size);

			EXPECT(memory && !((uintptr_t)memory & (alignment - 1)));
			if (mallinfo2().hblkhd != mappings) {
				EXPECT(mallinfo2().hblkhd - mappings <=
				       alignment + size + 2 * PAGE);
			}
			memset(memory, 3, size);
			heap();
			free(memory);
			EXPECT(mallinfo2().hblkhd == mappings);
		}
	}
}

static const struct refalloc_rule rules[] = {
	{ "first_heap", rule_first_heap },
	{ "top_pad", rule_top_pad },
	{ "no_top_pad", rule_no_top_pad },
	{ "threshold", rule_threshold },
	{ "threshold_set", rule_threshold_set },
	{ "mapping_returned", rule_mapping_returned },
	{ "small_stays", rule_small_stays },
	{ "in_order", rule_in_order },
	{ "coalesce", rule_coalesce },
	{ "header", rule_header },
	{ "trim", rule_trim },
	{ "no_trim", rule_no_trim },
	{ "pinned", rule_pinned },
	{ "dynamic", rule_dynamic },
	{ "fixed", rule_fixed },
	{ "dynamic_ended", rule_dynamic_ended },
	{ "calloc_fresh", rule_calloc_fresh },
	{ "realloc_mapping", rule_realloc_mapping },
	{ "realloc_heap", rule_realloc_heap },
	{ "brk", rule_brk },
	{ "mmap", rule_mmap },
	{ "mallopt", rule_mallopt },
	{ "mallinfo", rule_mallinfo },
	{ "malloc_trim", rule_malloc_trim },
	{ "alignment", rule_alignment },
};

int main(int argc, char **argv)
{
	return check_rule(rules, ELEMENTS(rules), argc, argv);
}

/* NOLINTEND(clang-analyzer-*) */

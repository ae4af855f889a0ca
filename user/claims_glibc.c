/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claims with glibc. Expected values are computed from the library's constants for x86-64: a
 * header of 8 bytes, chunks of 16, a first heap of 132 KiB, and the block that its thread cache
 * takes from that (2.26 and later).
 */
#include <string.h>

#include "claims.h"

#define FIRST_HEAP 135168ULL /* 656 + 128 KiB + 32, in pages */
#define LEAST_CHUNK 32
#define THRESHOLD 131072ULL
#define PAGE 4096
#define HEAP_TOO_LATE 42 /* from 2.42 on a large request does not set up the cache */

/* The chunk of the thread cache's own block, by the library's version. */
static __u64 cache_chunk(int minor)
{
	if (minor < 26)
		return 0;
	if (minor < 30)
		return 592;
	return minor < HEAP_TOO_LATE ? 656 : 768;
}

/* The smallest request that does not fit into what is left of the first heap. */
static __u64 boundary_above(__u64 taken)
{
	return FIRST_HEAP - taken - LEAST_CHUNK - 8 + 1;
}

/* The first one that the threshold maps: its chunk is 128 KiB. */
static __u64 boundary_of_rule(void)
{
	return THRESHOLD - 23;
}

static __u64 process__mapped(const struct evidence *evidence, const char *experiment, bool *known)
{
	const struct profile_process *process = evidence__process(evidence, experiment);

	*known = process != NULL;
	return process ? process->counters.paths[PATH_MMAP].count : 0;
}

static enum claim_verdict verdict_of(bool holds)
{
	return holds ? CLAIM_HOLDS : CLAIM_DIFFERS;
}

static void measure_layout(struct claim_result *result, const struct evidence *evidence)
{
	static const char *const order[] = { "text", "constant", "data", "bss",
					     "heap", "mapping",	 "stack" };
	__u64 before = 0, at, limit = 0;
	bool ordered = true, told = true;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		told &= evidence__told(evidence, "layout", order[i], &at);
		if (told && at <= before)
			ordered = false;
		before = at;
		claim__add_told(result, evidence, "layout", order[i], order[i], CLAIM_SHOWN, 0);
	}
	claim__add_measured(result, "in_this_order", CLAIM_EQUAL, 1, told, ordered);
	claim__add_told(result, evidence, "layout", "stack_limit", "stack_limit", CLAIM_SHOWN, 0);
	claim__add_told(result, evidence, "layout", "stack_limit_adjustable",
			"stack_limit_adjustable", CLAIM_EQUAL, 1);
	limit = claim__value(result, "stack_limit");
	claim__say(
		result, verdict_of(told && ordered && limit == 8 << 20),
		"The addresses of a running process, lowest first. Between bss and heap lies a "
		"random gap; libraries and the vdso are mappings too. The stack's limit here is "
		"%llu bytes: it is the shell's, not the kernel's, and the process lowered its own.",
		limit);
}

static void measure_small(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *process = evidence__process(evidence, "small");
	__u64 requests = process ? profile_process__requests(process) : 0;
	__u64 pool = process ? process->counters.paths[PATH_POOL].count : 0;

	claim__add_measured(result, "requests", CLAIM_EQUAL, 1000, process, requests);
	claim__add_measured(result, "with_a_system_call", CLAIM_EQUAL, 1, process, requests - pool);
	claim__add_measured(result, "break_raised", CLAIM_EQUAL, 1, process,
			    process ? process->counters.paths[PATH_BRK].count : 0);
	claim__say(
		result, verdict_of(requests && requests - pool < requests / 100),
		"Of %llu requests of 100 bytes %llu made a system call, to raise the break by 132 "
		"KiB; the others took of that. A million kept ones raise it 829 times.",
		requests, requests - pool);
}

static void measure_threshold(struct claim_result *result, const struct evidence *evidence)
{
	static const char *const names[] = { "bisect_first", "bisect_second", "bisect_full" };
	static const char *const keys[] = { "first_request_mapped_from",
					    "second_request_mapped_from",
					    "of_full_heap_mapped_from" };
	int minor = evidence__glibc_minor(evidence);
	__u64 taken = cache_chunk(minor), agree = 0;
	const __u64 expected[] = {
		minor >= HEAP_TOO_LATE || minor < 26 ? boundary_of_rule() : boundary_above(taken),
		boundary_above(taken + LEAST_CHUNK),
		boundary_of_rule(),
	};
	bool all = true, known, mapped;

	for (int i = 0; i < 3; i++) {
		char below[64], from[64];

		claim__add_told(result, evidence, names[i], "boundary", keys[i], CLAIM_EQUAL,
				expected[i]);
		snprintf(below, sizeof(below), "%s_below", names[i]);
		snprintf(from, sizeof(from), "%s_from", names[i]);
		agree += process__mapped(evidence, below, &known) == 0;
		all &= known;
		agree += process__mapped(evidence, from, &known) == 1;
		all &= known;
	}
	claim__add_measured(result, "probes_say_the_same", CLAIM_EQUAL, 6, all, agree);
	mapped = process__mapped(evidence, "one:131072", &known) != 0;
	claim__add_measured(result, "first_128KiB_mapped", CLAIM_EQUAL,
			    minor >= HEAP_TOO_LATE || minor < 26, known, mapped);
	claim__say(
		result,
		verdict_of(mapped && claim__value(result, keys[0]) == THRESHOLD &&
			   claim__value(result, keys[1]) == THRESHOLD),
		"128 KiB is the size of the chunk, header and rounding included: a request of "
		"131,049 bytes is the first that can be mapped. And the threshold is asked only "
		"when neither a bin nor the top of the heap can serve: a fresh process sets up "
		"its cache first, whose 132 KiB of heap then serve malloc(131072) from the break. "
		"The default is 128 KiB in every version; what differs is that it moves (claim "
		"10) and what the cache takes before.");
}

static void measure_virtual(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *read = evidence__process(evidence, "read_into:1");
	const struct profile_process *none = evidence__process(evidence, "read_into:0");
	const struct profile_process *touched = evidence__process(evidence, "untouched:1048576");
	__u64 faults = read && none ? read->counters.faults_kernel_mode -
					      none->counters.faults_kernel_mode :
				      0;
	__u64 bytes = 0;

	for (size_t i = 0; touched && i < touched->nr_sizes; i++)
		bytes += touched->sizes[i].row.own_touched_bytes;
	claim__add_told(result, evidence, "untouched:1048576", "resident_before",
			"resident_pages_before", CLAIM_EQUAL, 1);
	claim__add_told(result, evidence, "untouched:1048576", "resident_after",
			"resident_pages_after", CLAIM_EQUAL, 257);
	claim__add_measured(result, "touched_bytes_by_probes", CLAIM_EQUAL, 257 * PAGE, touched,
			    bytes);
	claim__add_told(result, evidence, "cleared:1048576", "resident_before",
			"resident_pages_of_calloc", CLAIM_EQUAL, 1);
	claim__add_measured(result, "faults_in_the_kernel_by_read", CLAIM_EQUAL, 256, read && none,
			    faults);
	claim__say(result,
		   verdict_of(4 * claim__value(result, "resident_pages_before") <
			      claim__value(result, "resident_pages_after")),
		   "A request of 1 MiB has one page of its 257: that of its header, which malloc "
		   "writes. Each other comes when it is written to. calloc of a new mapping adds "
		   "none, for it is zero already; read(2) into it takes the faults in the kernel.");
}

static void measure_heap(struct claim_result *result, const struct evidence *evidence)
{
	int minor = evidence__glibc_minor(evidence);
	const struct profile_process *process = evidence__process(evidence, "heap");

	claim__add_told(result, evidence, "heap", "extent", "heap_bytes", CLAIM_EQUAL, FIRST_HEAP);
	claim__add_measured(result, "heap_bytes_by_probes", CLAIM_EQUAL, FIRST_HEAP, process,
			    process ? process->counters.brk_grown_bytes : 0);
	claim__add_told(result, evidence, "heap", "distance", "pointer_less_heap_start",
			CLAIM_EQUAL, cache_chunk(minor) + 16);
	claim__add_told(result, evidence, "heap", "usable", "usable_bytes", CLAIM_EQUAL, 24);
	claim__say(
		result, verdict_of(claim__value(result, "heap_bytes") == 132 << 10),
		"What is asked for, the thread cache's own block and 128 KiB of padding, rounded "
		"up to pages, is 135,168 bytes. Since that block comes first the pointer is not "
		"16 bytes behind the start of the heap, as it was until 2.25. One byte takes a "
		"chunk of 32, of which 24 can be used.");
}

static void measure_free(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *small = evidence__process(evidence, "free_small");
	const struct profile_process *large = evidence__process(evidence, "free_large:200000");
	const struct profile_process *trim = evidence__process(evidence, "trim");
	__u64 before = 0, after = 0;
	bool told;

	claim__add_told(result, evidence, "free_small", "break_moved", "small_moved_the_break",
			CLAIM_EQUAL, 0);
	claim__add_told(result, evidence, "free_small", "same_address", "small_served_again",
			CLAIM_EQUAL, 1);
	claim__add_measured(result, "small_kept", CLAIM_EQUAL, 1, small,
			    small ? small->counters.releases[RELEASE_KEPT] : 0);
	claim__add_measured(result, "large_unmapped", CLAIM_EQUAL, 1, large,
			    large ? large->counters.releases[RELEASE_MUNMAP] : 0);
	claim__add_measured(result, "top_grown", CLAIM_EQUAL, 105, trim && trim->rule,
			    trim && trim->rule ? trim->rule->followed.brk_growths : 0);
	claim__add_measured(result, "top_trimmed", CLAIM_EQUAL, 312, trim && trim->rule,
			    trim && trim->rule ? trim->rule->followed.brk_trims : 0);
	told = evidence__told(evidence, "trim_by_call", "resident_after_free", &before) &&
	       evidence__told(evidence, "trim_by_call", "resident_after_trim", &after);
	claim__add_measured(result, "pages_after_free", CLAIM_SHOWN, 0, told, before);
	claim__add_measured(result, "pages_after_malloc_trim", CLAIM_AT_MOST, 4, told, after);
	claim__say(
		result,
		verdict_of(!claim__value(result, "top_trimmed") &&
			   claim__value(result, "large_unmapped")),
		"True of a small block, and of a mapping: gone within free. But a block at the "
		"top of the heap lets free lower the break as soon as 128 KiB are free there: 312 "
		"blocks of 64,000 bytes freed from the last to the first lowered it %llu times, "
		"once a block. What is free below a live block goes back by malloc_trim only.",
		claim__value(result, "top_trimmed"));
}

static void measure_mapped(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *moves = evidence__process(evidence, "loop:0");
	const struct profile_process *fixed = evidence__process(evidence, "loop:131072");
	__u64 pool_ns = 0, mapped_ns = 0, bytes = 0;

	evidence__told(evidence, "loop:0", "ns", &pool_ns);
	evidence__told(evidence, "loop:131072", "ns", &mapped_ns);
	for (size_t i = 0; fixed && i < fixed->nr_sizes; i++)
		bytes += fixed->sizes[i].row.own_touched_bytes;
	claim__add_measured(result, "rounds", CLAIM_EQUAL, 200, moves,
			    moves ? profile_process__requests(moves) : 0);
	claim__add_measured(result, "pool_mapped", CLAIM_EQUAL, 1, moves,
			    moves ? moves->counters.paths[PATH_MMAP].count : 0);
	claim__add_measured(result, "mapped_mapped", CLAIM_EQUAL, 200, fixed,
			    fixed ? fixed->counters.paths[PATH_MMAP].count : 0);
	claim__add_measured(result, "mapped_unmapped", CLAIM_EQUAL, 200, fixed,
			    fixed ? fixed->counters.releases[RELEASE_MUNMAP] : 0);
	claim__add_measured(result, "mapped_pages_touched", CLAIM_EQUAL, 200 * 64, fixed,
			    bytes / PAGE);
	claim__add_measured(result, "pool_ns_a_round", CLAIM_SHOWN, 0, pool_ns, pool_ns / 200);
	claim__add_measured(result, "mapped_ns_a_round", CLAIM_SHOWN, 0, mapped_ns,
			    mapped_ns / 200);
	claim__say(
		result,
		verdict_of(claim__value(result, "mapped_mapped") ==
				   claim__value(result, "rounds") &&
			   bytes / PAGE >= claim__value(result, "rounds")),
		"200 rounds of malloc(262144), a write to each page, and free. With the threshold "
		"fixed at 128 KiB each round maps, faults 64 times and unmaps; left alone, the "
		"first free raises it and the heap serves the rest. Times include our probes.");
}

static void measure_fragments(struct claim_result *result, const struct evidence *evidence)
{
	__u64 resident = 0, trimmed = 0, top = 0, top_trimmed = 0;
	bool told;

	claim__add_told(result, evidence, "fragments", "live_bytes", "live_bytes", CLAIM_EQUAL,
			400000);
	claim__add_told(result, evidence, "fragments", "extent_bytes", "heap_bytes", CLAIM_EQUAL,
			150 * FIRST_HEAP);
	told = evidence__told(evidence, "fragments", "resident_pages", &resident) &&
	       evidence__told(evidence, "fragments", "resident_pages_trimmed", &trimmed);
	claim__add_measured(result, "resident_pages", CLAIM_AT_LEAST, 4900, told, resident);
	claim__add_measured(result, "resident_pages_trimmed", CLAIM_AT_MOST, 1000, told, trimmed);
	told = evidence__told(evidence, "pinned_top", "resident_pages", &top) &&
	       evidence__told(evidence, "pinned_top", "resident_pages_trimmed", &top_trimmed);
	claim__add_measured(result, "pinned_pages", CLAIM_AT_LEAST, 12800, told, top);
	claim__add_measured(result, "pinned_pages_trimmed", CLAIM_AT_MOST, 4, told, top_trimmed);
	claim__say(
		result,
		verdict_of(resident * PAGE > 4 * claim__value(result, "live_bytes") &&
			   top > 4 * top_trimmed),
		"Of 20,000 blocks of 1,000 bytes every fiftieth is kept: 400 kB live in 20 MB of "
		"heap, all of it resident; malloc_trim gives back the whole pages between. A "
		"block of 10 bytes on top of 50 MB that were freed keeps these. valgrind puts an "
		"allocator of its own in place, which has no such heap: it reports the live "
		"blocks as still reachable, and no error.");
}

static void measure_header(struct claim_result *result, const struct evidence *evidence)
{
	claim__add_told(result, evidence, "header", "small_header", "word_before_small",
			CLAIM_EQUAL, 0x21);
	claim__add_told(result, evidence, "header", "distance", "next_pointer", CLAIM_EQUAL, 32);
	claim__add_told(result, evidence, "header", "shared", "shares_the_word_before", CLAIM_EQUAL,
			1);
	claim__add_told(result, evidence, "header", "small_usable", "usable_of_24", CLAIM_EQUAL,
			24);
	claim__add_told(result, evidence, "header", "mapped_header", "word_before_mapped",
			CLAIM_EQUAL, 200704 | 2);
	claim__add_told(result, evidence, "header", "mapped_offset", "mapped_pointer_in_page",
			CLAIM_EQUAL, 16);
	claim__add_told(result, evidence, "header", "mapped_usable", "usable_of_mapped",
			CLAIM_EQUAL, 200704 - 16);
	claim__say(
		result, verdict_of(!claim__value(result, "shares_the_word_before")),
		"The 8 bytes before the pointer are the chunk's size, with flags in its last three "
		"bits (0x21: 32 bytes, the one before is in use; 0x2: mapped). That is how free "
		"knows. The 8 bytes before those belong to the chunk before as long as it is in "
		"use: it writes there. Only a mapped chunk has 16 bytes of its own.");
}

static void measure_moving(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *moving = evidence__process(evidence, "moving:0");
	const struct profile_rule *rule = moving ? moving->rule : NULL;

	claim__add_measured(result, "moves", CLAIM_EQUAL, 1, rule, rule ? rule->followed.moves : 0);
	claim__add_measured(result, "threshold_after", CLAIM_EQUAL, 200704, rule,
			    rule ? rule->followed.state.low : 0);
	claim__add_measured(result, "trim_threshold_after", CLAIM_EQUAL, 401408, rule,
			    rule ? rule->followed.state.trim_threshold : 0);
	claim__add_told(result, evidence, "moving:0", "first_mapped", "first_mapped", CLAIM_EQUAL,
			1);
	claim__add_told(result, evidence, "moving:0", "second_mapped", "second_mapped", CLAIM_EQUAL,
			0);
	claim__add_told(result, evidence, "moving:131072", "second_mapped",
			"second_mapped_after_mallopt", CLAIM_EQUAL, 1);
	claim__add_told(result, evidence, "pinned_by_environment", "second_mapped",
			"second_mapped_by_environment", CLAIM_EQUAL, 1);
	claim__say(
		result,
		verdict_of(claim__value(result, "first_mapped") &&
			   !claim__value(result, "second_mapped")),
		"malloc(200000) is mapped, its free raises the threshold to the chunk's 200,704 "
		"bytes (and the trim threshold to twice that), for the rest of the process's "
		"life: the next malloc(200000) comes from the break. mallopt and the environment "
		"stop that, with whatever value.");
}

static void measure_threads(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *process = evidence__process(evidence, "threads");
	int minor = evidence__glibc_minor(evidence);

	claim__add_told(result, evidence, "threads", "header", "word_before", CLAIM_EQUAL, 0x25);
	claim__add_told(result, evidence, "threads", "offset", "pointer_in_64MiB",
			minor >= 30 && minor < HEAP_TOO_LATE ? CLAIM_EQUAL : CLAIM_SHOWN, 0xb70);
	claim__add_measured(result, "requests_that_made_an_arena", CLAIM_EQUAL, 1, process,
			    process ? process->counters.paths[PATH_ARENA].count : 0);
	claim__add_measured(result, "protected_bytes", CLAIM_AT_LEAST, FIRST_HEAP, process,
			    process ? process->counters.mprotect_bytes : 0);
	claim__say(
		result,
		verdict_of(claim__value(result, "requests_that_made_an_arena") &&
			   claim__value(result, "word_before") & 4),
		"The first request of a second thread reserves 128 MiB without rights, keeps the "
		"64 MiB in it that begin at a multiple of 64 MiB, and makes 132 KiB of them "
		"writable by mprotect. The third flag (4) in the word before the pointer says "
		"that it is no block of the main heap.");
}

static void measure_again(struct claim_result *result, const struct evidence *evidence)
{
	const struct profile_process *process = evidence__process(evidence, "touched_after_trim");
	__u64 advised = 0;

	claim__add_told(result, evidence, "forked", "copied", "faults_after_fork", CLAIM_EQUAL,
			256);
	claim__add_told(result, evidence, "forked", "copied_again", "faults_once_more", CLAIM_EQUAL,
			0);
	claim__add_told(result, evidence, "touched_after_trim", "faults", "faults_after_trim",
			CLAIM_EQUAL, 23);
	claim__add_measured(result, "trimmed_bytes", CLAIM_AT_LEAST, (__u64)23 * PAGE, process,
			    process ? process->counters.madvise_dontneed_bytes : 0);
	evidence__told(evidence, "huge", "advised", &advised);
	claim__add_told(result, evidence, "huge", "resident_pages", "pages_of_4MiB", CLAIM_EQUAL,
			1024);
	/* One fault for 2 MiB, if the kernel finds as much in one piece. */
	claim__add_told(result, evidence, "huge", "faults", "faults_of_4MiB_huge", CLAIM_AT_LEAST,
			advised && !evidence->huge_never ? 2 : 1024);
	claim__say(
		result,
		verdict_of(claim__value(result, "faults_after_fork") &&
			   claim__value(result, "faults_after_trim")),
		"After fork both have the same pages: the first write to each copies it, 256 for "
		"1 MiB, once. Pages that a trim gave back come anew, zeroed. With huge pages, "
		"where they are allowed and found, 4 MiB take two faults instead of 1,024.");
}

void claim__measure_glibc(struct claim_result *result, const struct evidence *evidence)
{
	static void (*const measures[NR_CLAIMS])(struct claim_result *, const struct evidence *) = {
		measure_layout, measure_small,	measure_threshold, measure_virtual,
		measure_heap,	measure_free,	measure_mapped,	   measure_fragments,
		measure_header, measure_moving, measure_threads,   measure_again,
	};

	measures[result->id - 1](result, evidence);
	for (size_t i = 0; i < result->nr_values; i++)
		if (!result->values[i].is_measured && result->values[i].relation != CLAIM_SHOWN)
			claim__say(result, CLAIM_UNMEASURED,
				   "An experiment did not run to its end.");
	/* Pages of the heap then come by the 2 MiB or 64 KiB, as the kernel likes. */
	if (evidence->huge_always && (result->id == 6 || result->id == 8 || result->id == 12)) {
		for (size_t i = 0; i < result->nr_values; i++)
			result->values[i].relation = CLAIM_SHOWN;
		claim__say(result, CLAIM_UNMEASURED,
			   "Transparent huge pages are on for all memory (always): how many pages "
			   "become resident is the kernel's choice.");
	}
}

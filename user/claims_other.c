/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The claims with other allocators, as far as they are about malloc at all and not about glibc. */
#include <string.h>

#include "claims.h"

#define MIB (1ULL << 20)

/* What an allocator's own rule says. Sizes are of the experiments. */
struct other_rule {
	const char *name;
	__u64 with_a_call; /* of 1,000 small requests, at most */
	enum release frees_64m; /* what the free of 64 MiB does; NR_RELEASES: not said */
	/* A request of that size, or 16 MiB + 1, has a mapping of its own. */
	bool maps_131048, maps_16m, maps_1000;
};

static const struct other_rule rules[] = {
	{ "musl", 40, RELEASE_MUNMAP, false, true, false },
	{ "jemalloc", 20, NR_RELEASES, false, false, false },
	{ "tcmalloc", 20, NR_RELEASES, false, false, false },
	{ "mimalloc", 20, RELEASE_MUNMAP, false, true, false },
	{ "reference hybrid", 2, RELEASE_MUNMAP, false, true, false },
	{ "reference brk", 2, NR_RELEASES, false, false, false },
	{ "reference mmap", 1000, RELEASE_MUNMAP, true, true, true },
};

static const struct other_rule *find_rule(const char *name)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

static void add_mapped(struct claim_result *result, const struct evidence *evidence,
		       const char *experiment, const char *key, const struct other_rule *rule,
		       bool maps)
{
	const struct profile_process *process = evidence__process(evidence, experiment);

	__u64 mapped = process ? process->counters.paths[PATH_MMAP].count : 0;

	/* Of an allocator that is not known a small mapping counts as growth of its pool. */
	if (process && rule && rule->maps_1000)
		mapped += process->counters.paths[PATH_ARENA].count;
	claim__add_measured(result, key, rule ? CLAIM_EQUAL : CLAIM_SHOWN, maps, process, mapped);
}

static void measure_small(struct claim_result *result, const struct evidence *evidence,
			  const struct other_rule *rule)
{
	const struct profile_process *process = evidence__process(evidence, "small");
	__u64 requests = process ? profile_process__requests(process) : 0;
	__u64 calls = process ? requests - process->counters.paths[PATH_POOL].count : 0;

	/* Some libraries allocate for themselves, before the program does. */
	claim__add_measured(result, "requests", CLAIM_AT_LEAST, 1000, process, requests);
	claim__add_measured(result, "with_a_system_call", rule ? CLAIM_AT_MOST : CLAIM_SHOWN,
			    rule ? rule->with_a_call : 0, process, calls);
	claim__say(result, calls * 10 <= requests ? CLAIM_HOLDS : CLAIM_DIFFERS,
		   "1,000 requests of 100 bytes: %llu of %llu made a system call.", calls,
		   requests);
}

static void measure_threshold(struct claim_result *result, const struct evidence *evidence,
			      const struct other_rule *rule)
{
	add_mapped(result, evidence, "one:1000", "mapped_1000", rule, rule && rule->maps_1000);
	add_mapped(result, evidence, "one:131048", "mapped_131048", rule,
		   rule && rule->maps_131048);
	add_mapped(result, evidence, "one:16777217", "mapped_16MiB_and_1", rule,
		   rule && rule->maps_16m);
	claim__say(
		result,
		claim__value(result, "mapped_16MiB_and_1") &&
				!claim__value(result, "mapped_131048") ?
			CLAIM_HOLDS :
			CLAIM_DIFFERS,
		"128 KiB is glibc's number. musl maps from 131,052 bytes on, mimalloc above 16 "
		"MiB; jemalloc and gperftools' tcmalloc cut even large blocks out of extents that "
		"they keep; the reference allocator does as its policy says.");
}

static void measure_virtual(struct claim_result *result, const struct evidence *evidence)
{
	__u64 before = 0;

	evidence__told(evidence, "untouched:67108864", "resident_before", &before);
	claim__add_told(result, evidence, "untouched:67108864", "resident_before",
			"resident_pages_before", CLAIM_AT_MOST, 64);
	claim__add_told(result, evidence, "untouched:67108864", "resident_after",
			"resident_pages_after", CLAIM_AT_LEAST, 16384);
	claim__say(result, before <= 64 ? CLAIM_HOLDS : CLAIM_DIFFERS,
		   "Of 64 MiB that were asked for %llu pages were resident before the first write.",
		   before);
}

static void measure_free(struct claim_result *result, const struct evidence *evidence,
			 const struct other_rule *rule)
{
	const struct profile_process *large = evidence__process(evidence, "free_large:67108864");
	const __u64 *releases = large ? large->counters.releases : NULL;
	bool says = rule && rule->frees_64m != NR_RELEASES;

	claim__add_told(result, evidence, "free_small", "break_moved", "small_moved_the_break",
			CLAIM_SHOWN, 0);
	claim__add_measured(result, "large_unmapped", says ? CLAIM_EQUAL : CLAIM_SHOWN,
			    says && rule->frees_64m == RELEASE_MUNMAP, releases,
			    releases ? releases[RELEASE_MUNMAP] : 0);
	claim__add_measured(result, "large_kept", CLAIM_SHOWN, 0, releases,
			    releases ? releases[RELEASE_KEPT] : 0);
	claim__add_measured(result, "large_given_up_by_madvise", CLAIM_SHOWN, 0, releases,
			    releases ? releases[RELEASE_MADVISE] : 0);
	claim__say(
		result, releases && releases[RELEASE_MUNMAP] ? CLAIM_HOLDS : CLAIM_DIFFERS,
		"A block of 64 MiB was freed: unmapped at once, kept for later, or given up with "
		"its addresses kept.");
}

void claim__measure_other(struct claim_result *result, const struct evidence *evidence)
{
	const struct other_rule *rule = find_rule(evidence->allocator);

	switch (result->id) {
	case 2:
		measure_small(result, evidence, rule);
		break;
	case 3:
		measure_threshold(result, evidence, rule);
		break;
	case 4:
		measure_virtual(result, evidence);
		break;
	default:
		measure_free(result, evidence, rule);
	}
	for (size_t i = 0; i < result->nr_values; i++)
		if (!result->values[i].is_measured && result->values[i].relation != CLAIM_SHOWN)
			claim__say(result, CLAIM_UNMEASURED,
				   "An experiment did not run to its end.");
}

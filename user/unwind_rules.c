/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind_table.h"

#define NR_BUCKETS (2 * MAX_UNWIND_RULES) /* a power of two, never more than half full */

static __u32 hash(const struct unwind_rule *rule)
{
	__u64 words[2], value;

	_Static_assert(sizeof(words) == sizeof(*rule), "all of the rule is hashed");
	memcpy(words, rule, sizeof(words));
	value = (words[0] ^ (words[1] * 0xc6a4a7935bd1e995ULL)) * 0x9e3779b97f4a7c15ULL;
	return (__u32)(value >> 32) & (NR_BUCKETS - 1);
}

int unwind_rules__open(struct unwind_rules *rules)
{
	static const struct unwind_rule none, unsupported = { .kind = UNWIND_UNSUPPORTED };

	*rules = (struct unwind_rules){
		.rules = calloc(MAX_UNWIND_RULES, sizeof(*rules->rules)),
		.buckets = calloc(NR_BUCKETS, sizeof(*rules->buckets)),
	};
	if (!rules->rules || !rules->buckets) {
		unwind_rules__close(rules);
		return -ENOMEM;
	}
	unwind_rules__add(rules, &none);
	unwind_rules__add(rules, &unsupported);
	return 0;
}

void unwind_rules__close(struct unwind_rules *rules)
{
	free(rules->rules);
	free(rules->buckets);
	*rules = (struct unwind_rules){ 0 };
}

int unwind_rules__add(struct unwind_rules *rules, const struct unwind_rule *rule)
{
	__u32 bucket = hash(rule);

	for (; rules->buckets[bucket]; bucket = (bucket + 1) & (NR_BUCKETS - 1)) {
		__u32 place = rules->buckets[bucket] - 1;

		if (memcmp(&rules->rules[place], rule, sizeof(*rule)) == 0)
			return (int)place;
	}
	if (rules->nr_rules == MAX_UNWIND_RULES)
		return -ENOSPC;
	rules->rules[rules->nr_rules] = *rule;
	rules->buckets[bucket] = ++rules->nr_rules;
	return (int)rules->nr_rules - 1;
}

int unwind_rules__merge(struct unwind_rules *rules, struct unwind_table *table)
{
	__u32 *places = calloc(table->nr_rules, sizeof(*places));
	__u32 i, j;

	if (!places)
		return -ENOMEM;
	for (i = 0; i < table->nr_rules; i++) {
		int place = unwind_rules__add(rules, &table->rules[i]);

		places[i] = place < 0 ? UNWIND_UNSUPPORTED_RULE : (__u32)place;
	}
	for (i = 0; i < table->nr_pages; i++) {
		const struct unwind_page *page = &table->pages[i];
		__u32 *rows = table->rows + (size_t)page->chunk * UNWIND_CHUNK_ROWS + page->start;

		for (j = 0; j < page->nr_rows; j++) {
			__u32 rule = UNWIND_ROW_RULE(rows[j]);

			if (places[rule] == UNWIND_UNSUPPORTED_RULE &&
			    table->rules[rule].kind != UNWIND_UNSUPPORTED)
				table->refused[UNWIND_TOO_MANY_RULES]++;
			rows[j] = UNWIND_ROW(UNWIND_ROW_OFFSET(rows[j]), places[rule]);
		}
	}
	free(places);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"

static const struct {
	const char *name, *says;
	const char *experiments[8]; /* with glibc */
	const char *others[4]; /* with another allocator */
} claims[NR_CLAIMS] = {
	{ "layout",
	  "A process is laid out as text, data, bss, heap, mappings and stack, in this order; the "
	  "stack is limited to 8 MB, adjustable.",
	  { "layout" },
	  {} },
	{ "no system call",
	  "malloc is no system call: it serves requests from a pool that it takes from the kernel.",
	  { "small" },
	  { "small" } },
	{ "128 KiB",
	  "Requests below 128 KiB come from the break, those from 128 KiB on are mapped; the "
	  "threshold differs by version.",
	  { "bisect_first", "bisect_second", "bisect_full", "one:131072" },
	  { "one:1000", "one:131048", "one:16777217" } },
	{ "virtual",
	  "malloc gives virtual memory; physical pages come at the first touch.",
	  { "untouched:1048576", "cleared:1048576", "read_into:0", "read_into:1" },
	  { "untouched:67108864" } },
	{ "132 KiB", "malloc(1) makes a heap of 132 KiB.", { "heap" }, {} },
	{ "free",
	  "A freed block of the break stays with the process, a freed mapping goes back at once.",
	  { "free_small", "free_large:200000", "trim", "trim_by_call" },
	  { "free_small", "free_large:67108864" } },
	{ "all by mmap",
	  "If every request were mapped, each would cost system calls and page faults anew.",
	  { "loop:0", "loop:131072" },
	  {} },
	{ "all by the break",
	  "If every request came from the break, small blocks would pin free memory below them, and "
	  "valgrind would not see it.",
	  { "fragments", "pinned_top" },
	  {} },
	{ "header",
	  "A header of 16 bytes before the pointer says how large the block is; so free needs no "
	  "size.",
	  { "header" },
	  {} },
	{ "moving threshold",
	  "(left out:) the threshold moves when a mapping is freed.",
	  { "moving:0", "moving:131072", "pinned_by_environment" },
	  {} },
	{ "threads",
	  "(left out:) threads get arenas of their own, which are mapped and not from the break.",
	  { "threads" },
	  {} },
	{ "first touch again",
	  "(left out:) pages come again after fork, after a trim, and larger with huge pages.",
	  { "forked", "touched_after_trim", "huge" },
	  {} },
};

const char *claim__name(int id)
{
	return claims[id - 1].name;
}

const char *claim__says(int id)
{
	return claims[id - 1].says;
}

const char *const *claim__experiments(int id, bool is_glibc)
{
	return is_glibc ? claims[id - 1].experiments : claims[id - 1].others;
}

const char *claim_verdict__name(enum claim_verdict verdict)
{
	static const char *const names[] = {
		[CLAIM_HOLDS] = "holds",
		[CLAIM_DIFFERS] = "differs",
		[CLAIM_UNMEASURED] = "unmeasured",
	};

	return names[verdict];
}

struct claim_value *claim__add(struct claim_result *result, const char *key,
			       enum claim_relation relation, __u64 expected)
{
	/* A table of this file's kind is never longer; the last one is overwritten else. */
	size_t at = result->nr_values < CLAIM_VALUES ? result->nr_values++ : CLAIM_VALUES - 1;

	result->values[at] = (struct claim_value){
		.key = key,
		.relation = relation,
		.expected = expected,
	};
	return &result->values[at];
}

void claim__add_measured(struct claim_result *result, const char *key, enum claim_relation relation,
			 __u64 expected, bool is_measured, __u64 measured)
{
	struct claim_value *value = claim__add(result, key, relation, expected);

	value->is_measured = is_measured;
	value->measured = is_measured ? measured : 0;
}

void claim__add_told(struct claim_result *result, const struct evidence *evidence,
		     const char *experiment, const char *told, const char *key,
		     enum claim_relation relation, __u64 expected)
{
	__u64 measured = 0;
	bool is_measured = evidence__told(evidence, experiment, told, &measured);

	claim__add_measured(result, key, relation, expected, is_measured, measured);
}

__u64 claim__value(const struct claim_result *result, const char *key)
{
	for (size_t i = 0; i < result->nr_values; i++)
		if (strcmp(result->values[i].key, key) == 0)
			return result->values[i].measured;
	return 0;
}

void claim__say(struct claim_result *result, enum claim_verdict verdict, const char *format, ...)
{
	va_list arguments;

	result->verdict = verdict;
	va_start(arguments, format);
	vsnprintf(result->why, sizeof(result->why), format, arguments);
	va_end(arguments);
}

static bool value__meets(const struct claim_value *value)
{
	switch (value->relation) {
	case CLAIM_EQUAL:
		return value->is_measured && value->measured == value->expected;
	case CLAIM_AT_MOST:
		return value->is_measured && value->measured <= value->expected;
	case CLAIM_AT_LEAST:
		return value->is_measured && value->measured >= value->expected;
	case CLAIM_SHOWN:
		break;
	}
	return true;
}

void claim__judge(struct claim_result *result)
{
	result->as_expected = true;
	for (size_t i = 0; i < result->nr_values; i++)
		if (!value__meets(&result->values[i]))
			result->as_expected = false;
}

bool claim__expect(struct claim_result *result, const char *text)
{
	const char *dot = strchr(text, '.'), *equal = strchr(text, '=');

	if (!dot || !equal || dot > equal || atoi(text) != result->id)
		return false;
	for (size_t i = 0; i < result->nr_values; i++) {
		struct claim_value *value = &result->values[i];

		if (strlen(value->key) != (size_t)(equal - dot - 1) ||
		    strncmp(value->key, dot + 1, (size_t)(equal - dot - 1)))
			continue;
		value->expected = strtoull(equal + 1, NULL, 0);
		if (value->relation == CLAIM_SHOWN)
			value->relation = CLAIM_EQUAL;
		return true;
	}
	return false;
}

void claim__measure(struct claim_result *result, int id, const struct evidence *evidence)
{
	bool is_glibc = strcmp(evidence->allocator, "glibc") == 0;

	memset(result, 0, sizeof(*result));
	result->id = id;
	result->allocator = evidence->allocator;
	if (!claim__experiments(id, is_glibc)[0])
		claim__say(result, CLAIM_UNMEASURED,
			   "The statement is about glibc; here another allocator serves.");
	else if (is_glibc)
		claim__measure_glibc(result, evidence);
	else
		claim__measure_other(result, evidence);
	claim__judge(result);
}

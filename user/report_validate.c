/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/utsname.h>

#include "json.h"
#include "report.h"
#include "report_validate.h"
#include "text.h"

#define SCHEMA 1
#define NAME_WIDTH 20

static const char *value__expectation(const struct claim_value *value, char *text, size_t size)
{
	static const char *const signs[] = {
		[CLAIM_EQUAL] = "",
		[CLAIM_AT_MOST] = "<= ",
		[CLAIM_AT_LEAST] = ">= ",
	};

	if (value->relation == CLAIM_SHOWN)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%s%llu", signs[value->relation], value->expected);
	return text;
}

static void write_result(FILE *out, const struct claim_result *result, unsigned int width)
{
	char expected[TEXT_CELL], measured[TEXT_CELL];

	fprintf(out, "%2d. %s: %s%s\n", result->id, claim__name(result->id),
		claim_verdict__name(result->verdict),
		result->as_expected ? "" : ", NOT AS EXPECTED");
	text__item(out, width, "    says", "%s", claim__says(result->id));
	text__item(out, width, "    because", "%s", result->why);
	for (size_t i = 0; i < result->nr_values; i++) {
		const struct claim_value *value = &result->values[i];

		if (!i)
			fprintf(out, "    %-32s %18s %18s\n", "", "expected", "measured");
		if (value->is_measured)
			snprintf(measured, sizeof(measured), "%llu", value->measured);
		else
			snprintf(measured, sizeof(measured), "not measured");
		fprintf(out, "    %-32s %18s %18s\n", value->key,
			value__expectation(value, expected, sizeof(expected)), measured);
	}
	putc('\n', out);
}

/* Claims down, allocators across. */
static void write_table(FILE *out, const struct claim_result *results, size_t nr)
{
	static const char *const cells[] = { "holds", "differs", "." };

	for (size_t i = 0; i < nr; i++) {
		if (i && strcmp(results[i].allocator, results[i - 1].allocator) == 0)
			continue;
		if (!i) {
			fprintf(out, "%-*s", NAME_WIDTH, "");
			for (size_t j = 0;
			     j < nr && strcmp(results[j].allocator, results[0].allocator) == 0; j++)
				fprintf(out, " %4d", results[j].id);
			putc('\n', out);
		}
		fprintf(out, "%-*.*s", NAME_WIDTH, NAME_WIDTH, results[i].allocator);
		for (size_t j = i;
		     j < nr && strcmp(results[j].allocator, results[i].allocator) == 0; j++)
			fprintf(out, " %3.3s%s", cells[results[j].verdict],
				results[j].as_expected ? " " : "!");
		putc('\n', out);
	}
	fputs("hol: the statement holds; dif: it differs; .: not measured, or about glibc only; "
	      "!: the\nvalues are not those that the allocator's own rule gives\n\n",
	      out);
}

static void write_events(FILE *out, const struct evidence *evidence, unsigned int width)
{
	fprintf(out, "Events, with %s:\n", evidence->allocator);
	for (size_t i = 0; i < evidence->nr_lines; i++) {
		const char *name = evidence->lines[i].experiment;
		const struct profile_process *process;
		const struct process_counters *counters;

		if (strcmp(evidence->lines[i].key, "ran"))
			continue;
		process = evidence__process(evidence, name);
		if (!process)
			continue;
		counters = &process->counters;
		text__item(out, width, "",
			   "%s: %llu requests: %llu pool, %llu brk, %llu mmap, %llu "
			   "arena; %llu releases; calls: %llu brk, %llu mmap, %llu munmap, %llu "
			   "mprotect, %llu madvise; %llu first touches",
			   name, profile_process__requests(process),
			   counters->paths[PATH_POOL].count, counters->paths[PATH_BRK].count,
			   counters->paths[PATH_MMAP].count, counters->paths[PATH_ARENA].count,
			   profile_process__releases(process), counters->brk_calls,
			   counters->mmap_calls, counters->munmap_calls, counters->mprotect_calls,
			   counters->madvise_calls, counters->faults[FAULT_FIRST_TOUCH]);
	}
	putc('\n', out);
}

int report_validate__write_text(FILE *out, const struct claim_result *results, size_t nr,
				const struct evidence *evidence, size_t nr_evidence,
				unsigned int width, bool verbose)
{
	size_t nr_expected = 0;
	bool many = false;

	for (size_t i = 0; i < nr; i++) {
		nr_expected += results[i].as_expected;
		many |= strcmp(results[i].allocator, results[0].allocator) != 0;
	}
	if (many)
		write_table(out, results, nr);
	for (size_t i = 0; i < nr; i++) {
		bool begins = !i || strcmp(results[i].allocator, results[i - 1].allocator) != 0;

		/* Of many allocators in full only what is not as expected. */
		if (many && !verbose && results[i].as_expected)
			continue;
		if (many && (begins || !verbose))
			fprintf(out, "-- %s\n", results[i].allocator);
		write_result(out, &results[i], width);
	}
	for (size_t i = 0; verbose && i < nr_evidence; i++)
		write_events(out, &evidence[i], width);
	fprintf(out, "%zu of %zu as the allocator's own rule gives\n", nr_expected, nr);
	return report__flush(out);
}

static void write_values(struct json *json, const struct claim_result *result)
{
	char text[TEXT_CELL];

	json__begin_object(json, "expected");
	for (size_t i = 0; i < result->nr_values; i++) {
		const struct claim_value *value = &result->values[i];

		if (value->relation == CLAIM_SHOWN)
			continue;
		if (value->relation == CLAIM_EQUAL)
			json__u64(json, value->key, value->expected);
		else
			json__string(json, value->key,
				     value__expectation(value, text, sizeof(text)));
	}
	json__end_object(json);
	json__begin_object(json, "measured");
	for (size_t i = 0; i < result->nr_values; i++) {
		const struct claim_value *value = &result->values[i];

		if (value->is_measured)
			json__u64(json, value->key, value->measured);
		else
			json__null(json, value->key);
	}
	json__end_object(json);
}

int report_validate__write_json(FILE *out, const struct claim_result *results, size_t nr)
{
	struct json json = { .out = out };
	struct utsname kernel = {};

	uname(&kernel);
	json__begin_object(&json, NULL);
	json__u64(&json, "schema", SCHEMA);
	json__begin_object(&json, "host");
	json__string(&json, "kernel", kernel.release);
	json__string(&json, "libc", gnu_get_libc_version());
	json__end_object(&json);
	json__begin_array(&json, "claims");
	for (size_t i = 0; i < nr; i++) {
		const struct claim_result *result = &results[i];

		json__begin_object(&json, NULL);
		json__u64(&json, "id", (__u64)result->id);
		json__string(&json, "name", claim__name(result->id));
		json__string(&json, "allocator", result->allocator);
		json__string(&json, "says", claim__says(result->id));
		write_values(&json, result);
		json__bool(&json, "as_expected", result->as_expected);
		json__string(&json, "verdict", claim_verdict__name(result->verdict));
		json__string(&json, "why", result->why);
		json__end_object(&json);
	}
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	return report__flush(out);
}

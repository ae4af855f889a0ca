/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The twelve statements about malloc that "allocpath validate" puts to the test, what the library's
 * own rule gives for each, and what was measured. Pure functions of the evidence.
 */
#ifndef ALLOCPATH_CLAIMS_H
#define ALLOCPATH_CLAIMS_H

#include "evidence.h"

#define NR_CLAIMS 12
#define CLAIM_VALUES 16
#define CLAIM_WHY 640

enum claim_relation {
	CLAIM_EQUAL,
	CLAIM_AT_MOST,
	CLAIM_AT_LEAST,
	CLAIM_SHOWN, /* nothing is expected of it */
};

struct claim_value {
	const char *key; /* static */
	enum claim_relation relation;
	__u64 expected, measured;
	bool is_measured;
};

enum claim_verdict {
	CLAIM_HOLDS,
	CLAIM_DIFFERS,
	CLAIM_UNMEASURED,
};

/* Verdicts speak of the statement, as_expected of the values. */
struct claim_result {
	int id; /* 1 to NR_CLAIMS */
	const char *allocator; /* the evidence's */
	struct claim_value values[CLAIM_VALUES];
	size_t nr_values;
	bool as_expected;
	enum claim_verdict verdict;
	char why[CLAIM_WHY];
};

const char *claim__name(int id);
const char *claim__says(int id); /* the statement */
const char *claim_verdict__name(enum claim_verdict verdict);

/* The experiments of a claim for an allocator, as words for their runner; ends in NULL. */
const char *const *claim__experiments(int id, bool is_glibc);

/* Fills in what is expected and what was measured, and the verdict; then judge. */
void claim__measure(struct claim_result *result, int id, const struct evidence *evidence);

/* Sets as_expected from the values: each that has an expectation was measured, and meets it. */
void claim__judge(struct claim_result *result);

/* Where "CLAIM.KEY=VALUE" is meant for it, the value is expected. false: it is not. */
bool claim__expect(struct claim_result *result, const char *text);

/* For the files that fill results in. */
struct claim_value *claim__add(struct claim_result *result, const char *key,
			       enum claim_relation relation, __u64 expected);
void claim__add_told(struct claim_result *result, const struct evidence *evidence,
		     const char *experiment, const char *told, const char *key,
		     enum claim_relation relation, __u64 expected);
void claim__add_measured(struct claim_result *result, const char *key, enum claim_relation relation,
			 __u64 expected, bool is_measured, __u64 measured);
__u64 claim__value(const struct claim_result *result, const char *key);
void claim__say(struct claim_result *result, enum claim_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void claim__measure_glibc(struct claim_result *result, const struct evidence *evidence);
void claim__measure_other(struct claim_result *result, const struct evidence *evidence);

#endif

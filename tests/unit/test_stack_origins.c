/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "stack_origins.h"

static struct profile_sample sample(__u8 kind, __u32 stack, __u64 bytes)
{
	return (struct profile_sample){
		.kind = kind, .stack = stack, .size_class = 100, .samples = 1, .bytes = bytes
	};
}

static __u64 bytes_of(const struct stack_row *rows, size_t nr, __u8 kind, __u32 stack)
{
	__u64 sum = 0;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].kind == kind && rows[i].stack == stack)
			sum += rows[i].bytes;
	return sum;
}

/* What was touched goes off the same request's memory alone, and never below nothing. */
static void never_touched_is_what_is_left(void **state)
{
	struct profile_sample samples[] = {
		sample(SAMPLE_FRESH, 1, 10000),	  sample(SAMPLE_ORIGIN, 2, 12288),
		sample(SAMPLE_ORIGIN, 1, 4096),	  sample(SAMPLE_FRESH, 2, 12000),
		sample(SAMPLE_REQUEST, 1, 99999), sample(SAMPLE_FRESH, 3, 500),
	};
	struct profile_process process = { .samples = samples, .nr_samples = 6 };
	struct stack_row *rows;
	size_t nr;

	(void)state;
	process.counters.first_touch_bytes = 20480;
	samples[5].size_class = 101;
	assert_int_equal(stack_origins__make(&process, &rows, &nr), 0);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_FRESH, 1), 5904);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_FRESH, 2), 0);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_FRESH, 3), 500);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_ORIGIN, 1), 4096);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_ORIGIN, 2), 12288);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_ORIGIN, 0), 4096);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_REQUEST, 1), 0);
	assert_string_equal(stack_row__why(&rows[nr - 1]), "[no request known]");
	free(rows);
}

/* Estimates that come to too much are brought to what there was. */
static void touched_adds_up(void **state)
{
	struct profile_sample samples[] = {
		sample(SAMPLE_ORIGIN, 1, 3000000),
		sample(SAMPLE_ORIGIN, 2, 1000000),
		sample(SAMPLE_ORIGIN, 3, 1),
	};
	struct profile_process process = { .samples = samples, .nr_samples = 3 };
	struct stack_row *rows;
	size_t nr;

	(void)state;
	process.counters.first_touch_bytes = 2048000;
	assert_int_equal(stack_origins__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_ORIGIN, 1), 1536000);
	assert_int_equal(bytes_of(rows, nr, SAMPLE_ORIGIN, 1) +
				 bytes_of(rows, nr, SAMPLE_ORIGIN, 2) +
				 bytes_of(rows, nr, SAMPLE_ORIGIN, 3),
			 2048000);
	free(rows);
}

static void nothing_of_it_is_all_unknown(void **state)
{
	struct profile_process process = {};
	struct stack_row *rows;
	size_t nr;

	(void)state;
	assert_int_equal(stack_origins__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 0);
	free(rows);
	process.counters.first_touch_bytes = 4096;
	assert_int_equal(stack_origins__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(rows[0].bytes, 4096);
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_touched_is_what_is_left),
		cmocka_unit_test(touched_adds_up),
		cmocka_unit_test(nothing_of_it_is_all_unknown),
	};

	return cmocka_run_group_tests_name("stack_origins", tests, NULL, NULL);
}

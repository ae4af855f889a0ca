/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "stack_rows.h"

#define NR_RANDOM 200

static __u64 sum_of(const struct stack_row *rows, size_t nr, int kind, int path, bool bytes)
{
	__u64 sum = 0;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].kind == kind && (path < 0 || rows[i].path == path))
			sum += bytes ? rows[i].bytes : rows[i].count;
	return sum;
}

/* Every request was sampled: nothing is changed. */
static void exact_samples_stay(void **state)
{
	struct profile_size size = {
		.size_class = 20,
		.row = { .count = { [PATH_POOL] = 3, [PATH_BRK] = 1 }, .bytes = 410 },
	};
	struct profile_sample samples[] = {
		{ .stack = 1,
		  .size_class = 20,
		  .path = PATH_POOL,
		  .samples = 2,
		  .count = 2,
		  .bytes = 200 },
		{ .stack = 2,
		  .size_class = 20,
		  .path = PATH_POOL,
		  .samples = 1,
		  .count = 1,
		  .bytes = 105 },
		{ .stack = 2,
		  .size_class = 20,
		  .path = PATH_BRK,
		  .samples = 1,
		  .count = 1,
		  .bytes = 105 },
	};
	struct profile_process process = {
		.sizes = &size, .nr_sizes = 1, .samples = samples, .nr_samples = 3
	};
	struct stack_row *rows;
	size_t nr;

	(void)state;
	assert_int_equal(stack_rows__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 3);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(rows[i].stack, samples[i].stack);
		assert_int_equal(rows[i].count, samples[i].count);
		assert_int_equal(rows[i].bytes, samples[i].bytes);
		assert_null(stack_row__why(&rows[i]));
	}
	free(rows);
}

static void what_has_no_sample_says_so(void **state)
{
	struct profile_size size = {
		.size_class = 20,
		.row = { .count = { [PATH_POOL] = 7, [PATH_MMAP] = 2 }, .bytes = 900 },
	};
	struct profile_sample lost = {
		.size_class = 20, .path = PATH_MMAP, .samples = 1, .count = 1, .bytes = 100
	};
	struct profile_process process = {
		.sizes = &size, .nr_sizes = 1, .samples = &lost, .nr_samples = 1
	};
	struct stack_row *rows;
	size_t nr;

	(void)state;
	process.counters.brk_grown_bytes = 4096;
	assert_int_equal(stack_rows__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 3);
	assert_string_equal(stack_row__why(&rows[0]), "[stack not kept]");
	assert_int_equal(rows[0].count, 2);
	assert_string_equal(stack_row__why(&rows[1]), "[not sampled]");
	assert_int_equal(rows[1].count, 7);
	assert_int_equal(rows[0].bytes + rows[1].bytes, 900);
	assert_int_equal(rows[2].kind, SAMPLE_GROWN);
	assert_int_equal(rows[2].bytes, 4096);
	free(rows);
}

static void faults_without_bytes_leave_the_bytes_over(void **state)
{
	struct profile_sample sample = {
		.stack = 1, .kind = SAMPLE_FAULT, .samples = 1, .count = 1
	};
	struct profile_process process = { .samples = &sample, .nr_samples = 1 };
	struct stack_row *rows;
	size_t nr;

	(void)state;
	process.counters.faults[FAULT_FIRST_TOUCH] = 5;
	process.counters.first_touch_bytes = 20480;
	assert_int_equal(stack_rows__make(&process, &rows, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(rows[0].count, 5);
	assert_int_equal(rows[0].bytes, 0);
	assert_int_equal(rows[1].count, 0);
	assert_int_equal(rows[1].bytes, 20480);
	free(rows);
}

static void random__process(struct profile_process *process, unsigned int *seed)
{
	process->nr_sizes = 1 + (size_t)rand_r(seed) % 6;
	process->sizes = calloc(process->nr_sizes, sizeof(*process->sizes));
	process->nr_samples = (size_t)rand_r(seed) % 40;
	process->samples = calloc(process->nr_samples + 1, sizeof(*process->samples));
	for (size_t i = 0; i < process->nr_sizes; i++) {
		process->sizes[i].size_class = (__u32)(10 + 3 * i);
		process->sizes[i].row.bytes = (__u64)rand_r(seed) * 1000;
		for (int path = 0; path < NR_PATHS; path++)
			process->sizes[i].row.count[path] =
				(__u64)(rand_r(seed) % 3) * rand_r(seed);
		process->sizes[i].row.count[0]++;
	}
	for (size_t i = 0; i < process->nr_samples; i++)
		process->samples[i] = (struct profile_sample){
			.stack = (__u32)rand_r(seed) % 9,
			.size_class = (__u16)(10 + rand_r(seed) % 20), /* some of no class */
			.path = (__u8)(rand_r(seed) % NR_PATHS),
			.kind = SAMPLE_REQUEST,
			.samples = 1,
			.count = 1 + (__u64)rand_r(seed),
			.bytes = (__u64)rand_r(seed),
		};
}

static void sums_are_the_totals(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int run = 0; run < NR_RANDOM; run++) {
		struct profile_process process = {};
		struct stack_row *rows;
		__u64 bytes = 0;
		size_t nr;

		random__process(&process, &seed);
		assert_int_equal(stack_rows__make(&process, &rows, &nr), 0);
		for (int path = 0; path < NR_PATHS; path++) {
			__u64 count = 0;

			for (size_t i = 0; i < process.nr_sizes; i++)
				count += process.sizes[i].row.count[path];
			assert_int_equal(sum_of(rows, nr, SAMPLE_REQUEST, path, false), count);
		}
		for (size_t i = 0; i < process.nr_sizes; i++)
			bytes += process.sizes[i].row.bytes;
		assert_int_equal(sum_of(rows, nr, SAMPLE_REQUEST, -1, true), bytes);
		free(rows);
		free(process.sizes);
		free(process.samples);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_samples_stay),
		cmocka_unit_test(what_has_no_sample_says_so),
		cmocka_unit_test(faults_without_bytes_leave_the_bytes_over),
		cmocka_unit_test(sums_are_the_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "code_ranges.h"

/* Names are numbers here; 0 for none. */
static __u32 find(const struct code_ranges *ranges, __u64 at)
{
	const struct code_range *range = code_ranges__find(ranges, at);

	return range ? range->name : 0;
}

static void add(struct code_ranges *ranges, __u64 start, __u32 size, __u32 name)
{
	assert_int_equal(code_ranges__add(ranges, &(struct code_range){ .start = start,
									.size = size,
									.name = name }),
			 0);
}

static void the_innermost_is_found(void **state)
{
	struct code_ranges ranges = { 0 };

	(void)state;
	add(&ranges, 150, 10, 3);
	add(&ranges, 100, 100, 1);
	add(&ranges, 120, 50, 2);
	add(&ranges, 300, 10, 4);
	code_ranges__sort(&ranges);
	assert_int_equal(find(&ranges, 99), 0);
	assert_int_equal(find(&ranges, 100), 1);
	assert_int_equal(find(&ranges, 120), 2);
	assert_int_equal(find(&ranges, 155), 3);
	assert_int_equal(find(&ranges, 160), 2);
	assert_int_equal(find(&ranges, 170), 1);
	assert_int_equal(find(&ranges, 199), 1);
	assert_int_equal(find(&ranges, 200), 0);
	assert_int_equal(find(&ranges, 309), 4);
	assert_int_equal(find(&ranges, 310), 0);
	assert_int_equal(find(&ranges, ~0ULL), 0);
	code_ranges__free(&ranges);
}

static void what_has_no_size_yields_to_what_has(void **state)
{
	const struct code_range *range;
	struct code_ranges ranges = { 0 };

	(void)state;
	add(&ranges, 100, 50, 1);
	add(&ranges, 120, 0, 2); /* a label in a function */
	add(&ranges, 200, 0, 3);
	add(&ranges, 200, 0, 4);
	add(&ranges, 300, 10, 5);
	code_ranges__sort(&ranges);
	assert_int_equal(find(&ranges, 120), 1);
	assert_int_equal(find(&ranges, 149), 1);
	/* Behind the function the label might go on: the caller judges. */
	assert_int_equal(find(&ranges, 160), 2);
	range = code_ranges__find(&ranges, 250);
	assert_int_equal(range->name, 4);
	range = code_ranges__alias(&ranges, range, 250);
	assert_int_equal(range->name, 3);
	assert_null(code_ranges__alias(&ranges, range, 250));
	code_ranges__free(&ranges);
}

static void names_for_one_place_are_aliases(void **state)
{
	const struct code_range *range;
	struct code_ranges ranges = { 0 };

	(void)state;
	add(&ranges, 100, 50, 1);
	add(&ranges, 100, 50, 2);
	add(&ranges, 100, 20, 3);
	add(&ranges, 90, 200, 4);
	code_ranges__sort(&ranges);
	range = code_ranges__find(&ranges, 110);
	assert_int_equal(range->name, 3);
	range = code_ranges__find(&ranges, 130);
	assert_int_equal(range->name, 2);
	range = code_ranges__alias(&ranges, range, 130);
	assert_int_equal(range->name, 1);
	assert_null(code_ranges__alias(&ranges, range, 130));
	assert_int_equal(code_ranges__outer(&ranges, range, 130)->name, 4);
	code_ranges__free(&ranges);
}

/* Against looking at all of them. */
static void random_ranges(void **state)
{
	struct code_ranges ranges = { 0 };
	unsigned int seed = 7;
	int turn, i;

	(void)state;
	for (turn = 0; turn < 200; turn++) {
		int nr = turn % 40;

		for (i = 0; i < nr; i++)
			add(&ranges, (__u64)(rand_r(&seed) % 100), (__u32)(rand_r(&seed) % 40 + 1),
			    (__u32)i + 1);
		code_ranges__sort(&ranges);
		for (__u64 at = 0; at < 150; at++) {
			const struct code_range *found = code_ranges__find(&ranges, at);
			const struct code_range *best = NULL;

			for (i = 0; i < nr; i++) {
				const struct code_range *range = &ranges.ranges[i];

				if (at - range->start < range->size &&
				    (!best || range->start > best->start ||
				     (range->start == best->start && range->size < best->size)))
					best = range;
			}
			assert_int_equal(found ? found->start : 999, best ? best->start : 999);
			assert_int_equal(found ? found->size : 0, best ? best->size : 0);
		}
		code_ranges__free(&ranges);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_innermost_is_found),
		cmocka_unit_test(what_has_no_size_yields_to_what_has),
		cmocka_unit_test(names_for_one_place_are_aliases),
		cmocka_unit_test(random_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/types.h>

#include "size_class.h"

static void test_bounds_round_trip(void **state)
{
	(void)state;
	for (__u32 i = 0; i < NR_SIZE_CLASSES; i++) {
		assert_true(size_class__min(i) <= size_class__max(i));
		assert_int_equal(size_class__of(size_class__min(i)), i);
		assert_int_equal(size_class__of(size_class__max(i)), i);
	}
}

/* No size lies between two classes, and none in both. */
static void test_classes_meet(void **state)
{
	(void)state;
	assert_true(size_class__min(0) == 0);
	for (__u32 i = 1; i < NR_SIZE_CLASSES; i++)
		assert_true(size_class__min(i) == size_class__max(i - 1) + 1);
	assert_true(size_class__max(NR_SIZE_CLASSES - 1) == ~0ULL);
}

/* At least 8 classes a power of two: none is wider than an eighth of its smallest size. */
static void test_width(void **state)
{
	(void)state;
	for (__u32 i = SIZE_CLASS_STEPS; i < NR_SIZE_CLASSES; i++)
		assert_true(size_class__max(i) - size_class__min(i) < size_class__min(i) / 8 + 1);
}

/* The text report adds classes up to powers of two, so none may cross one. */
static void test_powers_of_two_begin_a_class(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_true(size_class__min(size_class__of(1ULL << bit)) == 1ULL << bit);
}

static void test_boundaries(void **state)
{
	static const struct {
		__u64 size, min, max;
	} rows[] = {
		{ 0, 0, 0 },
		{ 1, 1, 1 },
		{ 7, 7, 7 },
		{ 8, 8, 8 },
		{ 15, 15, 15 },
		{ 16, 16, 17 },
		{ 17, 16, 17 },
		{ 18, 18, 19 },
		{ 131048, 122880, 131071 },
		{ 131071, 122880, 131071 },
		{ 131072, 131072, 147455 },
		{ 1ULL << 63, 1ULL << 63, (9ULL << 60) - 1 },
		{ ~0ULL, 15ULL << 60, ~0ULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__u32 size_class = size_class__of(rows[i].size);

		assert_true(size_class__min(size_class) == rows[i].min);
		assert_true(size_class__max(size_class) == rows[i].max);
	}
	assert_int_equal(size_class__of(~0ULL), NR_SIZE_CLASSES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_round_trip),
		cmocka_unit_test(test_classes_meet),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_powers_of_two_begin_a_class),
		cmocka_unit_test(test_boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

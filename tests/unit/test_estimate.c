/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic of the estimator; whether it holds what it promises is test_estimate_coverage's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "estimate.h"

static void test_student(void **state)
{
	/* From tables. */
	static const double known[][2] = { { 1, 12.706 }, { 2, 4.303 },	 { 3, 3.182 },
					   { 4, 2.776 },  { 5, 2.571 },	 { 10, 2.228 },
					   { 19, 2.093 }, { 30, 2.042 }, { 120, 1.980 } };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(fabs(student__t95(known[i][0]) / known[i][1] - 1) < 0.01);
	assert_true(student__t95(0) > 12);
}

/* 100 windows of 10 ms for 1 s each; x requests in each, own time 5 ms. */
static struct estimate_input alternate(double even, double odd, int nr)
{
	struct estimate_input input = { .whole_d = 0.5 * nr };

	for (int i = 0; i < nr; i++) {
		double x = i % 2 ? odd : even;

		estimate_sums__add(&input.sums, x, 0.005, 100);
		input.counted += x;
	}
	return input;
}

static void test_interval(void **state)
{
	struct estimate_input input = alternate(10, 30, 100);
	struct estimate estimate = estimate__total(&input);
	/* mean 20, deviation 10 * sqrt(100 / 99); total 100 windows * 20 * 100 */
	double error = 100 * 100 * 10.0504 / 10;

	(void)state;
	assert_int_equal(estimate.kind, ESTIMATE_INTERVAL);
	assert_true(fabs(estimate.value / 200000 - 1) < 1e-9);
	assert_true(fabs((estimate.high - estimate.value) / error - 1.99) < 0.02);
	assert_true(fabs(estimate.high + estimate.low - 2 * estimate.value) < 1e-3);
}

static void test_gates(void **state)
{
	struct estimate_input input = alternate(20, 20, 59);

	(void)state;
	assert_int_equal(estimate__total(&input).kind, ESTIMATE_FEW);
	input = alternate(20, 20, 60);
	assert_int_equal(estimate__total(&input).kind, ESTIMATE_INTERVAL);
	/* Windows that hold 10 % more of it than there was are not alike. */
	input.whole_d *= 0.9;
	assert_int_equal(estimate__total(&input).kind, ESTIMATE_FEW);
	input = alternate(0, 0, 100);
	input.sums.x = 50;
	input.sums.xx = 50 * 50.0 / 19;
	assert_int_equal(estimate__total(&input).kind, ESTIMATE_FEW);
	input.sums = (struct estimate_sums){};
	assert_int_equal(estimate__total(&input).kind, ESTIMATE_FEW);
	assert_true(estimate__total(&input).value == 0);
}

/* A program that spends most of a window in traps would have asked for more. */
static void test_dilation(void **state)
{
	struct estimate_input input = alternate(1000, 1000, 100);
	struct estimate exact = estimate__total(&input), estimate;

	(void)state;
	input.dilation = 0.2;
	estimate = estimate__total(&input);
	assert_int_equal(estimate.kind, ESTIMATE_INTERVAL);
	assert_true(estimate.high - estimate.value > exact.high - exact.value + 0.06 * exact.value);
	input.dilation = 0.6;
	estimate = estimate__total(&input);
	assert_int_equal(estimate.kind, ESTIMATE_AT_LEAST);
	assert_true(estimate.value <= 100 * 1000 * 100.0 && estimate.value > 99 * 1000 * 100.0);
	/* What was seen was there, however few the windows. */
	input = alternate(0, 1000, 2);
	input.dilation = 1;
	assert_true(estimate__total(&input).value == 1000);
}

static void test_empty_windows(void **state)
{
	struct estimate_sums one = {}, other = {};

	(void)state;
	for (int i = 0; i < 10; i++)
		estimate_sums__add(&one, 0, 0.5, 2);
	estimate_sums__add_empty(&other, 10, 5, 2);
	assert_true(one.nr == other.nr && fabs(one.d - other.d) < 1e-9);
	assert_true(fabs(one.dd - other.dd) < 1e-9);
	assert_true(estimate_sums__effective(&one) == 0);
}

static void test_share(void **state)
{
	struct estimate_share share = { .is_alike = true };
	struct estimate estimate;

	(void)state;
	for (int i = 0; i < 100; i++)
		estimate_sums__add(&share.sums, i % 2 ? 20 : 40, 100, 1);
	share.effective = 100;
	estimate = estimate__share(&share);
	assert_int_equal(estimate.kind, ESTIMATE_INTERVAL);
	assert_true(fabs(estimate.value - 0.3) < 1e-9);
	assert_true(estimate.high - estimate.low > 0.03 && estimate.high - estimate.low < 0.05);
	/* Undilated otherwise it would be more. */
	share.most_x = 35;
	share.most_d = 100;
	assert_true(estimate__share(&share).high > 0.36 && estimate__share(&share).low > 0.27);
	share.is_alike = false;
	assert_int_equal(estimate__share(&share).kind, ESTIMATE_FEW);
}

static void test_sum(void **state)
{
	struct estimate a = { ESTIMATE_INTERVAL, 100, 90, 110 }, b = { ESTIMATE_FEW, 50, 5, 50 };
	struct estimate c = { ESTIMATE_AT_LEAST, 30, 30, 30 }, sum = estimate__sum(a, a);

	(void)state;
	assert_int_equal(sum.kind, ESTIMATE_INTERVAL);
	assert_true(sum.low == 180 && sum.high == 220);
	sum = estimate__sum(a, b);
	assert_true(sum.kind == ESTIMATE_FEW && sum.value == 150 && sum.low == 95);
	sum = estimate__sum(sum, c);
	assert_true(sum.kind == ESTIMATE_AT_LEAST && sum.value == 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_student),	      cmocka_unit_test(test_interval),
		cmocka_unit_test(test_gates),	      cmocka_unit_test(test_dilation),
		cmocka_unit_test(test_empty_windows), cmocka_unit_test(test_share),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}

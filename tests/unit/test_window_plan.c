/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "window_plan.h"

static void test_costs(void **state)
{
	struct window_costs costs = {
		.attach_s = 0.019, .tail_s = 0.006, .cpu_s = 0.032, .nr_cpus = 2
	};
	struct window_plan plan;

	(void)state;
	window_plan__init(&plan, 0.01, 1);
	window_plan__set_costs(&plan, &costs);
	assert_true(fabs(plan.window_s - 0.032) < 1e-9);
	assert_true(fabs(plan.exposure_s - 0.057) < 1e-9);
	assert_true(fabs(plan.period_s - (0.057 + 0.016) / 0.01) < 1e-9);
	costs.cpu_s = 0.001;
	window_plan__set_costs(&plan, &costs);
	assert_true(fabs(plan.window_s - 0.010) < 1e-9);
	costs.cpu_s = 3;
	window_plan__set_costs(&plan, &costs);
	assert_true(fabs(plan.window_s - 0.050) < 1e-9);
}

/* One in each period, anywhere in it, and never two at once. */
static void test_starts(void **state)
{
	struct window_costs costs = {
		.attach_s = 0.001, .tail_s = 0.001, .cpu_s = 0.001, .nr_cpus = 2
	};
	struct window_plan plan;
	double now_s = 100, before_s = 0, low = 0, high = 0, period_s, first_s;

	(void)state;
	window_plan__init(&plan, 0.01, 7);
	window_plan__set_costs(&plan, &costs);
	first_s = now_s;
	for (int i = 0; i < 1000; i++) {
		double start_s = window_plan__next(&plan, now_s, &period_s);
		double in_period = (start_s - first_s) / period_s - i;

		assert_true(fabs(period_s - plan.period_s) < 1e-9);
		assert_true(start_s >= before_s + plan.exposure_s);
		assert_true(in_period >= -1e-6 && in_period < 1);
		low += in_period < 0.25;
		high += in_period > 0.74;
		before_s = start_s;
		now_s = start_s + plan.window_s;
	}
	assert_true(low > 200 && low < 300);
	assert_true(high > 200 && high < 300);
	/* Slept through: the next period begins now. */
	now_s += 1000;
	assert_true(window_plan__next(&plan, now_s, &period_s) >= now_s);
}

/* Detaching lasts into the next period: what is left of it is drawn from, not its first moment. */
static void test_late(void **state)
{
	struct window_costs costs = {
		.attach_s = 0.001, .tail_s = 0.001, .cpu_s = 0.001, .nr_cpus = 2
	};
	struct window_plan plan;
	double now_s = 100, period_s, late = 0;

	(void)state;
	window_plan__init(&plan, 0.2, 7);
	window_plan__set_costs(&plan, &costs);
	for (int i = 0; i < 1000; i++) {
		double start_s = window_plan__next(&plan, now_s, &period_s);

		assert_true(start_s >= now_s);
		late += start_s - now_s < 0.001;
		now_s = start_s + 0.07;
	}
	assert_true(late < 150);
}

/* Over m periods a thread meets at most m + 1 windows. */
static void test_budget_holds(void **state)
{
	struct window_costs costs = {
		.attach_s = 0.02, .tail_s = 0.01, .cpu_s = 0.03, .nr_cpus = 64
	};
	struct window_plan plan;
	double starts[1000], now_s = 0, period_s;

	(void)state;
	window_plan__init(&plan, 0.01, 3);
	window_plan__set_costs(&plan, &costs);
	for (int i = 0; i < 1000; i++)
		now_s = starts[i] = window_plan__next(&plan, now_s, &period_s);
	for (int i = 0; i + 10 < 1000; i++)
		assert_true(starts[i + 10] - starts[i] > 9 * plan.period_s);
	assert_true(1000 * plan.exposure_s <= 0.0101 * (starts[999] - starts[0]));
}

static void test_adapts(void **state)
{
	/* As of 1,000 processes: 9.8 s, of which edges take 0.43 % of a CPU. */
	struct window_costs costs = {
		.attach_s = 0.03, .tail_s = 0.005, .cpu_s = 0.042, .nr_cpus = 2
	};
	struct window_plan plan;
	double period_s;

	(void)state;
	window_plan__init(&plan, 0.01, 1);
	window_plan__set_costs(&plan, &costs);
	window_plan__adapt(&plan, 0.001);
	assert_true(plan.stretch == 2);
	for (int i = 0; i < 10; i++)
		window_plan__adapt(&plan, i % 2 ? 0 : 0.001);
	window_plan__next(&plan, 0, &period_s);
	assert_true(fabs(period_s - 8 * plan.period_s) < 1e-9);
	for (int i = 0; i < 10; i++)
		window_plan__adapt(&plan, 0.03);
	assert_true(plan.stretch > 6 && plan.edges / plan.stretch < 0.001);
	window_plan__adapt(&plan, 0.5);
	assert_true(plan.stretch == 1);
	assert_false(window_plan__is_spent(&plan, 0.9 * plan.window_s, 2));
	assert_true(window_plan__is_spent(&plan, 1.1 * plan.window_s, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs),  cmocka_unit_test(test_starts),
		cmocka_unit_test(test_late),   cmocka_unit_test(test_budget_holds),
		cmocka_unit_test(test_adapts),
	};

	return cmocka_run_group_tests_name("window_plan", tests, NULL, NULL);
}

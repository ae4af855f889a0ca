/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do intervals hold the truth 95 times of 100? The shipped plan and estimator on programs that are
 * simulated with every request: inside a window each costs a trap, which delays the program, and the
 * true cost of a trap is not the calibrated one. LONG=1 makes 2000 runs of each row, else 400.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "estimate.h"
#include "window_plan.h"

#define TRAP_S 5.3e-6
#define MOST_SEGMENTS 40000

/* A stretch of the program's own time: so many requests a second, of which a share is of one size. */
struct segment {
	double length_s;
	double rate;
	double share;
	double busy; /* of its thread's time that it computes */
};

struct program {
	struct segment segments[MOST_SEGMENTS];
	size_t nr, at;
	double done_s; /* of segment at */
	double trap_s;
	double own_s; /* time that it computed, without traps */
	double count, of_size;
};

struct run {
	struct estimate_sums total;
	struct estimate_share share;
	double counted, dilated, whole_d;
};

static struct window_plan dice;

static double draw(void)
{
	return window_plan__random(&dice);
}

static double draw_normal(void)
{
	return sqrt(-2 * log(1 - draw())) * cos(2 * M_PI * draw());
}

static double draw_poisson(double mean)
{
	double limit = exp(-mean), product = 1;
	int count = -1;

	if (mean > 50)
		return fmax(0, round(mean + sqrt(mean) * draw_normal()));
	do {
		product *= draw();
		count++;
	} while (product > limit);
	return count;
}

static void program__append(struct program *program, double length_s, double rate, double share,
			    double busy)
{
	assert_true(program->nr < MOST_SEGMENTS);
	program->segments[program->nr++] = (struct segment){ length_s, rate, share, busy };
}

/* Lets wall time pass; probed: each request takes a trap. Sums of what happened in it. */
static void program__pass(struct program *program, double wall_s, bool probed, double *count,
			  double *of_size, double *own_s)
{
	double count_before = program->count, of_size_before = program->of_size;
	double own_before = program->own_s;

	while (wall_s > 1e-12 && program->at < program->nr) {
		const struct segment *segment = &program->segments[program->at];
		double slower = 1 + (probed ? segment->rate * program->trap_s : 0);
		double left_s = segment->length_s - program->done_s;
		double own_s = fmin(left_s, wall_s / slower);
		double requests = draw_poisson(segment->rate * own_s), chosen;

		chosen = draw_poisson(requests * segment->share);
		program->count += requests;
		program->of_size += fmin(chosen, requests);
		program->own_s += own_s * segment->busy;
		program->done_s += own_s;
		wall_s -= own_s * slower;
		if (left_s - own_s > 1e-12)
			continue;
		program->at++;
		program->done_s = 0;
	}
	*count = program->count - count_before;
	*of_size = program->of_size - of_size_before;
	*own_s = program->own_s - own_before;
}

static void run__window(struct run *run, struct program *program, double window_s, double weight)
{
	double count, of_size, own_s, trap_s, cpu_s, d, dilation;

	program__pass(program, window_s, true, &count, &of_size, &own_s);
	trap_s = count * TRAP_S;
	cpu_s = own_s + count * program->trap_s;
	d = fmax(cpu_s - trap_s, 0);
	run->whole_d += d; /* what the clocks show, with the calibrated traps taken off */
	run->counted += count;
	estimate_sums__add(&run->total, count, d, weight);
	run->dilated += count * (cpu_s > 0 ? fmin(1, trap_s / cpu_s) : 0);
	dilation = fmin(1, trap_s / fmax(cpu_s, window_s));
	estimate_sums__add(&run->share.sums, of_size, count,
			   weight * window__undilated(dilation, 0));
	run->share.plain_x += of_size * weight;
	run->share.plain_d += count * weight;
	weight *= window__undilated(dilation, ESTIMATE_TRAP_ERROR);
	run->share.most_x += of_size * weight;
	run->share.most_d += count * weight;
}

static void run__do(struct run *run, struct program *program, double run_s, double window_s)
{
	struct window_costs costs = { .attach_s = 1e-3, .tail_s = 3e-4, .cpu_s = window_s };
	double now_s = 0, count, of_size, own_s;
	struct window_plan plan;

	costs.nr_cpus = 1000;
	window_plan__init(&plan, 0.01, (__u64)(draw() * 1e15));
	window_plan__set_costs(&plan, &costs);
	for (;;) {
		double period_s, start_s = window_plan__next(&plan, now_s, &period_s);

		if (start_s + plan.window_s > run_s)
			break;
		program__pass(program, start_s - now_s, false, &count, &of_size, &own_s);
		run->whole_d += own_s;
		run__window(run, program, plan.window_s, period_s / plan.window_s);
		now_s = start_s + plan.window_s;
	}
	program__pass(program, run_s - now_s, false, &count, &of_size, &own_s);
	run->whole_d += own_s;
}

/* The kinds of programs: rate is that of a request while it works. */

static void make_steady(struct program *program, double rate, double run_s, double period_s)
{
	(void)period_s;
	program__append(program, run_s, rate, 0.3, 1);
}

static void make_waiting(struct program *program, double rate, double run_s, double period_s)
{
	(void)period_s;
	program__append(program, run_s, rate / 5, 0.3, 0.2);
}

static void make_bursty(struct program *program, double rate, double run_s, double period_s)
{
	double at = 0;

	(void)period_s;
	while (at < run_s) {
		double work = -0.03 * log(1 - draw()), rest = -0.27 * log(1 - draw());

		program__append(program, work, rate, 0.3 + 0.4 * draw(), 1);
		program__append(program, rest, rate / 1000, 0.1, 0.02);
		at += work + rest;
	}
}

static void make_phased(struct program *program, double rate, double run_s, double period_s)
{
	(void)period_s;
	for (int i = 0; i < 8; i++)
		program__append(program, run_s / 8, rate * (0.1 + 0.9 * draw()), draw(), 1);
}

static void make_periodic(struct program *program, double rate, double run_s, double length_s)
{
	int nr = (int)(run_s / length_s) + 1;

	program__append(program, length_s * draw(), rate / 100, 0.1, 0.01);
	for (int i = 0; i < nr; i++) {
		program__append(program, length_s / 5, rate, 0.6, 1);
		program__append(program, length_s * 4 / 5, rate / 100, 0.1, 0.01);
	}
}

static void make_second(struct program *program, double rate, double run_s, double period_s)
{
	(void)period_s;
	make_periodic(program, rate, run_s, 1);
}

static void make_heavy(struct program *program, double rate, double run_s, double period_s)
{
	double at = 0;

	(void)period_s;
	while (at < run_s) {
		double work = fmin(0.005 * pow(1 - draw(), -1 / 1.3), run_s);
		double rest = -0.3 * log(1 - draw());

		program__append(program, work, rate, 0.5, 1);
		program__append(program, rest, 0, 0, 0.02);
		at += work + rest;
	}
}

static void make_start(struct program *program, double rate, double run_s, double period_s)
{
	(void)period_s;
	program__append(program, 2, rate, 0.5, 1);
	program__append(program, run_s, rate / 1e5, 0.1, 0.05);
}

struct kind {
	const char *name;
	void (*make)(struct program *program, double rate, double run_s, double period_s);
	bool never; /* no interval may be printed but by rare chance */
};

static const struct kind kinds[] = {
	{ "steady", make_steady, false },      { "waiting", make_waiting, false },
	{ "bursty", make_bursty, false },      { "phased", make_phased, false },
	{ "of_a_second", make_second, false }, { "of_the_period", make_periodic, false },
	{ "heavy", make_heavy, false },	       { "at_start", make_start, true },
};

/* Requests a second while it works: f is 0.05, 0.21, 0.35 and 0.84. */
static const double rates[] = { 1e4, 5e4, 1e5, 1e6 };
static const double lengths[] = { 30, 90, 360 };

struct score {
	int runs, intervals, held, shares, shares_held, bounds, bounds_held;
	double error;
};

static void score__run(struct score *score, const struct kind *kind, double rate, double run_s,
		       struct program *program)
{
	double window_s = draw() < 0.5 ? 0.010 : 0.020, period_s = (window_s + 1.3e-3) * 100;
	struct run run = {};
	struct estimate_input input;
	struct estimate total, share;
	double truth;

	program->nr = program->at = 0;
	program->done_s = program->own_s = program->count = program->of_size = 0;
	program->trap_s = TRAP_S * (1 + ESTIMATE_TRAP_ERROR * draw());
	kind->make(program, rate, run_s, period_s);
	run__do(&run, program, run_s, window_s);
	input = (struct estimate_input){
		.sums = run.total,
		.counted = run.counted,
		.whole_d = run.whole_d,
		.dilation = run.counted > 0 ? run.dilated / run.counted : 0,
	};
	total = estimate__total(&input);
	run.share.effective = estimate_sums__effective(&run.total);
	run.share.dilation = input.dilation;
	run.share.is_alike = estimate__is_alike(&input);
	share = estimate__share(&run.share);
	truth = program->count;
	score->runs++;
	if (total.kind == ESTIMATE_INTERVAL) {
		score->intervals++;
		score->held += total.low <= truth && truth <= total.high;
		score->error += pow(total.value / truth - 1, 2);
	} else if (total.kind == ESTIMATE_AT_LEAST) {
		score->bounds++;
		score->bounds_held += truth >= total.value;
	}
	if (share.kind == ESTIMATE_INTERVAL) {
		truth = program->of_size / program->count;
		score->shares++;
		score->shares_held += share.low <= truth && truth <= share.high;
	}
}

/* Below 93 of 100, and not by chance: four standard deviations. */
static bool is_too_few(int held, int of)
{
	return held < 0.93 * of - 4 * sqrt(of * 0.93 * 0.07);
}

static void test_kind(const struct kind *kind)
{
	int runs = getenv("LONG") ? 2000 : 400;
	struct program *program = calloc(1, sizeof(*program));
	bool is_bad = false;

	assert_non_null(program);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++) {
			struct score score = {};

			for (int run = 0; run < runs; run++)
				score__run(&score, kind, rates[i], lengths[j], program);
			if (getenv("LONG"))
				print_message(
					"%-14s %8.0f/s %4.0f s: %d runs, intervals %d held %d (rms "
					"%.3f), shares %d held %d, bounds %d held %d\n",
					kind->name, rates[i], lengths[j], score.runs,
					score.intervals, score.held,
					sqrt(score.error / fmax(1, score.intervals)), score.shares,
					score.shares_held, score.bounds, score.bounds_held);
			is_bad |= is_too_few(score.held, score.intervals);
			is_bad |= is_too_few(score.shares_held, score.shares);
			is_bad |= is_too_few(score.bounds_held, score.bounds);
			is_bad |= kind->never && score.intervals > runs / 50;
		}
	}
	free(program);
	assert_false(is_bad);
}

#define KIND_TEST(name, index)                                                                     \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		test_kind(&kinds[index]);                                                          \
	}

KIND_TEST(steady, 0)
KIND_TEST(waiting, 1)
KIND_TEST(bursty, 2)
KIND_TEST(phased, 3)
KIND_TEST(of_a_second, 4)
KIND_TEST(of_the_period, 5)
KIND_TEST(heavy, 6)
KIND_TEST(at_start, 7)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady),	    cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_bursty),	    cmocka_unit_test(test_phased),
		cmocka_unit_test(test_of_a_second), cmocka_unit_test(test_of_the_period),
		cmocka_unit_test(test_heavy),	    cmocka_unit_test(test_at_start),
	};

	window_plan__init(&dice, 1, 42);
	return cmocka_run_group_tests_name("estimate_coverage", tests, NULL, NULL);
}

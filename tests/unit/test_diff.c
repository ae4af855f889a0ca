/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two recordings of a simulated program, whose requests are sampled by bytes as bpf/sample.bpf.h
 * does it: the same program differs in nothing significant 95 times of 100, a call path that asks
 * for more is found, and with it nothing that did not change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff_build.h"
#include "size_class.h"

#define NR_STACKS 120
#define SIZES_OF_STACK 3
#define NR_RUNS 400
#define CHANGED 1 /* the stack that asks for more in B, where one does */

static __u64 state_of_random;

/* In (0, 1]. */
static double draw(void)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return ((double)(state_of_random >> 11) + 1) / 9007199254740992.0;
}

/* So many of nr, each with the probability, by the gaps between those. */
static __u64 draw_of(__u64 nr, double probability)
{
	__u64 taken = 0;
	double at = 0;

	if (probability >= 1)
		return nr;
	for (;;) {
		at += 1 + floor(log(draw()) / log1p(-probability));
		if (at > (double)nr)
			return taken;
		taken++;
	}
}

/* Of independent requests as many as come by chance: Poisson, of many the normal distribution. */
static __u64 draw_by_chance(__u64 mean)
{
	double deviation = sqrt(-2 * log(draw())) * cos(2 * M_PI * draw());

	if (mean < 1000)
		return draw_of(mean * 100, 0.01);
	return (__u64)((double)mean + sqrt((double)mean) * deviation);
}

struct program {
	__u64 sizes[NR_STACKS][SIZES_OF_STACK];
	__u64 counts[NR_STACKS][SIZES_OF_STACK];
};

/* Most is asked for by few: the nth stack has bytes in proportion to 1 / n. */
static void make_program(struct program *program, double bytes)
{
	static const __u64 sizes[] = { 24, 112, 1000, 5000, 70000, 600000 };

	for (int stack = 0; stack < NR_STACKS; stack++) {
		for (int i = 0; i < SIZES_OF_STACK; i++) {
			__u64 size = sizes[(stack + i * 2) % 6];

			program->sizes[stack][i] = size;
			program->counts[stack][i] = (__u64)(bytes / (stack + 1) / (double)size);
		}
	}
}

struct recording {
	struct profile profile;
	struct profile_process process;
	struct profile_object object;
	struct profile_stack stacks[NR_STACKS];
	struct profile_frame frames[NR_STACKS * 2];
	struct profile_sample samples[NR_STACKS * SIZES_OF_STACK];
	struct profile_size sizes[NR_SIZE_CLASSES];
};

static void sample(struct recording *recording, int stack, __u64 size, __u64 count)
{
	struct profile_process *process = &recording->process;
	struct profile_sample *into = &process->samples[process->nr_samples];
	double interval = (double)recording->profile.sample_bytes;
	double probability = interval > 0 ? -expm1(-(double)size / interval) : 1;
	struct size_row *row = &recording->sizes[size_class__of(size)].row;

	row->count[PATH_POOL] += count;
	row->bytes += count * size;
	process->counters.paths[PATH_POOL].count += count;
	process->counters.paths[PATH_POOL].bytes += count * size;
	*into = (struct profile_sample){
		.stack = (__u32)stack + 1,
		.size_class = (__u16)size_class__of(size),
		.path = PATH_POOL,
		.samples = draw_of(count, probability),
	};
	into->count = (__u64)((double)into->samples / probability + 0.5);
	into->bytes = (__u64)((double)(into->samples * size) / probability + 0.5);
	if (into->samples)
		process->nr_samples++;
}

/* chance: what a run asks for differs from the next one's as independent requests do. */
static struct recording *record(const struct program *program, __u64 sample_bytes, bool chance,
				double more)
{
	struct recording *recording = calloc(1, sizeof(*recording));

	assert_non_null(recording);
	recording->object.path = "/nonexistent/simulated";
	recording->process = (struct profile_process){
		.comm = "simulated",
		.members = 1,
		.samples = recording->samples,
		.sizes = recording->sizes,
		.nr_sizes = NR_SIZE_CLASSES,
	};
	recording->profile = (struct profile){
		.depth = DEPTH_ENTRY,
		.duration_s = 10,
		.has_stacks = true,
		.sample_bytes = sample_bytes,
		.processes = &recording->process,
		.nr_processes = 1,
		.objects = &recording->object,
		.nr_objects = 1,
		.frames = recording->frames,
		.nr_frames = NR_STACKS * 2,
		.stacks = recording->stacks,
		.nr_stacks = NR_STACKS,
	};
	for (__u32 i = 0; i < NR_SIZE_CLASSES; i++)
		recording->sizes[i].size_class = i;
	for (int stack = 0; stack < NR_STACKS; stack++) {
		recording->frames[stack * 2] = (struct profile_frame){ 1, 0x1000 + (__u64)stack };
		recording->frames[stack * 2 + 1] =
			(struct profile_frame){ 1, 0x100 + (__u64)stack / 10 };
		recording->stacks[stack] = (struct profile_stack){
			.first_frame = (__u32)stack * 2,
			.nr_frames = 2,
			.status = STACK_COMPLETE,
		};
		for (int i = 0; i < SIZES_OF_STACK; i++) {
			double count = (double)program->counts[stack][i];

			if (chance)
				count = (double)draw_by_chance((__u64)count);
			if (stack == CHANGED)
				count *= more;
			sample(recording, stack, program->sizes[stack][i], (__u64)count);
		}
	}
	return recording;
}

struct tally {
	unsigned int runs; /* with anything significant that did not change */
	unsigned int runs_of_nodes; /* in the tree */
	unsigned int found; /* the stack that did change */
	double samples; /* of it in B, on average */
};

static bool node__is_changed(const struct diff *diff, __u32 node)
{
	return strstr(flame_tree__frame_of(&diff->tree, node)->name, "+0x1001") != NULL;
}

static bool row__has_changed(const struct diff *diff, const struct diff_row *row, double more)
{
	if (more == 1)
		return false;
	if (row->kind != DIFF_STACK) /* the whole is more by it, and so are its classes */
		return true;
	return node__is_changed(diff, row->number);
}

static void compare(const struct program *program, struct symbols *symbols, __u64 interval_a,
		    __u64 interval_b, bool chance, double more, struct tally *tally)
{
	struct recording *a = record(program, interval_a, chance, 1);
	struct recording *b = record(program, interval_b, chance, more);
	struct diff diff = {
		.profiles = { &a->profile, &b->profile },
		.symbols = symbols,
		.settings = { .by = FLAME_BYTES },
		.units = { 1, 1 },
	};
	bool any = false, any_node = false;

	assert_int_equal(diff__build(&diff), 0);
	for (size_t i = 0; i < diff.nr_rows; i++) {
		const struct diff_row *row = &diff.rows[i];
		bool significant = row->difference.verdict == VERDICT_SIGNIFICANT;

		any |= significant && !row__has_changed(&diff, row, more);
		if (row->kind != DIFF_STACK || !node__is_changed(&diff, row->number))
			continue;
		tally->found += significant;
		tally->samples += row->difference.sides[SIDE_B].events / NR_RUNS;
	}
	for (__u32 node = 1; node < diff.tree.nr_nodes; node++)
		any_node |= diff.nodes[node].verdict == VERDICT_SIGNIFICANT;
	tally->runs += any;
	tally->runs_of_nodes += any_node;
	diff__free(&diff);
	free(a);
	free(b);
}

static struct tally simulate(double bytes, __u64 interval_a, __u64 interval_b, bool chance,
			     double more)
{
	struct program *program = calloc(1, sizeof(*program));
	struct symbols *symbols = symbols__open(NULL);
	struct tally tally = {};

	assert_non_null(program);
	assert_non_null(symbols);
	make_program(program, bytes);
	for (__u64 run = 1; run <= NR_RUNS; run++) {
		state_of_random = run * 0x9e3779b97f4a7c15ULL;
		compare(program, symbols, interval_a, interval_b, chance, more, &tally);
	}
	symbols__close(symbols);
	free(program);
	print_message("%.2g bytes, every %llu and %llu, times %.2f%s: of %d runs %u (tree: %u) "
		      "with an unchanged one, %u found it by %.0f samples\n",
		      bytes, interval_a, interval_b, more, chance ? ", by chance" : "", NR_RUNS,
		      tally.runs, tally.runs_of_nodes, tally.found, tally.samples);
	return tally;
}

#define INTERVAL (512ULL << 10)

static void the_same_differs_in_nothing(void **state)
{
	static const double bytes[] = { 2e7, 2e8 };

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		for (int chance = 0; chance < 2; chance++) {
			struct tally tally = simulate(bytes[i], INTERVAL, INTERVAL, chance, 1);

			assert_true(tally.runs <= NR_RUNS / 20);
			assert_true(tally.runs_of_nodes <= NR_RUNS / 20);
		}
	}
}

static void so_does_one_that_is_sampled_otherwise(void **state)
{
	struct tally tally = simulate(2e8, INTERVAL, INTERVAL / 8, false, 1);

	(void)state;
	assert_true(tally.runs <= NR_RUNS / 20);
	assert_true(tally.runs_of_nodes <= NR_RUNS / 20);
	tally = simulate(2e8, INTERVAL / 8, INTERVAL, true, 1);
	assert_true(tally.runs <= NR_RUNS / 20);
	assert_true(tally.runs_of_nodes <= NR_RUNS / 20);
}

/* 5,400 samples in B, 2.6 GiB asked for at the default interval: four times of five, and more. */
static void ten_percent_more_is_found(void **state)
{
	struct tally tally = simulate(2e9, INTERVAL, INTERVAL, false, 1.1);

	(void)state;
	assert_true(tally.samples < 5500);
	assert_true(tally.found >= NR_RUNS * 80 / 100);
	assert_true(tally.runs <= NR_RUNS / 20);
	tally = simulate(4e9, INTERVAL, INTERVAL, true, 1.1);
	assert_true(tally.found >= NR_RUNS * 99 / 100);
	assert_true(tally.runs <= NR_RUNS / 20);
}

static void half_as_much_again_is_found(void **state)
{
	struct tally tally = simulate(1e8, INTERVAL, INTERVAL, true, 1.5);

	(void)state;
	assert_true(tally.samples < 400);
	assert_true(tally.found >= NR_RUNS * 80 / 100);
	assert_true(tally.runs <= NR_RUNS / 20);
}

static struct difference difference_of(double a, double events_a, double b, double events_b)
{
	struct difference difference = {};

	difference_side__add(&difference.sides[SIDE_A], a, events_a, 1, 1);
	difference_side__add(&difference.sides[SIDE_B], b, events_b, 1, 1);
	return difference;
}

static void few_samples_show_nothing(void **state)
{
	struct difference rows[3] = {
		difference_of(0, 0, 4e6, 4), /* by a normal tail: 0.046 */
		difference_of(0, 0, 4e7, 40),
		difference_of(1e6, 1, 1e6, 1),
	};
	struct difference *list[] = { &rows[0], &rows[1], &rows[2] };
	double deviations;

	(void)state;
	for (int i = 0; i < 3; i++)
		rows[i].is_sampled = true;
	assert_int_equal(differences__settle(list, 3, &deviations), 0);
	assert_int_equal(rows[0].verdict, VERDICT_NOISE);
	assert_int_equal(rows[1].verdict, VERDICT_SIGNIFICANT);
	assert_int_equal(rows[2].verdict, VERDICT_NONE);
	assert_true(rows[0].change < rows[0].margin);
	assert_true(rows[1].change > rows[1].margin);
	/* Only one of three could be significant at all: nothing is taken off for the others. */
	assert_true(deviations > 2.4 && deviations < 2.5);
	rows[0].is_sampled = false;
	assert_int_equal(differences__settle(list, 1, &deviations), 0);
	assert_int_equal(rows[0].verdict, VERDICT_COUNTED);
}

static void what_was_not_sampled_or_seen_proves_nothing(void **state)
{
	struct difference rest = difference_of(1e9, 1e6, 2e9, 2e6);
	struct difference window = difference_of(1e9, 1e6, 2e9, 2e6), *list[] = { &rest, &window };
	double deviations;

	(void)state;
	rest.is_rest = true;
	window.is_sampled = true;
	window.sides[SIDE_A].drift = HUGE_VAL;
	assert_int_equal(differences__settle(list, 2, &deviations), 0);
	assert_int_equal(rest.verdict, VERDICT_NOISE);
	assert_int_equal(window.verdict, VERDICT_NOISE);
	assert_true(isinf(rest.margin) && isinf(window.margin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_differs_in_nothing),
		cmocka_unit_test(so_does_one_that_is_sampled_otherwise),
		cmocka_unit_test(ten_percent_more_is_found),
		cmocka_unit_test(half_as_much_again_is_found),
		cmocka_unit_test(few_samples_show_nothing),
		cmocka_unit_test(what_was_not_sampled_or_seen_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

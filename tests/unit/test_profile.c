/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile.h"
#include "sample_profile.h"
#include "sort.h"

/* The JSON's names are built from these, so a value without one must not get by. */
static void test_every_value_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < NR_PATHS; i++)
		assert_string_not_equal(path__name(i), "?");
	for (int i = 0; i < NR_RELEASES; i++)
		assert_string_not_equal(release__name(i), "?");
	for (int i = 0; i < NR_HOMES; i++)
		assert_string_not_equal(home__name(i), "?");
	for (int i = 0; i < NR_REGIONS; i++)
		assert_string_not_equal(region__name(i), "?");
	for (int i = 0; i < NR_FAULT_CLASSES; i++)
		assert_string_not_equal(fault_class__name(i), "?");
	for (int i = 0; i < NR_LOSSES; i++)
		assert_string_not_equal(loss__name(i), "?");
	for (int i = 0; i < NR_EVENT_KINDS; i++)
		assert_string_not_equal(event_kind__name(i), "?");
	for (int i = 0; i < NR_OUTCOMES; i++)
		assert_string_not_equal(outcome__name(i), "?");
	for (int i = 0; i < NR_SORT_KEYS; i++)
		assert_string_not_equal(sort_key__name(i), "?");
	assert_string_equal(loss__name(LOSS_NO_TASK_STORAGE), "no_task_storage");
	assert_string_equal(loss__name(LOSS_RING_FULL), "ring_full");
	assert_string_equal(probe_depth__name(DEPTH_FULL), "full");
}

static void test_out_of_range_is_named_so(void **state)
{
	(void)state;
	assert_string_equal(path__name(NR_PATHS), "?");
	assert_string_equal(path__name((enum alloc_path) - 1), "?");
	assert_string_equal(loss__name(NR_LOSSES), "?");
	assert_string_equal(event_kind__name(NR_EVENT_KINDS), "?");
	assert_string_equal(probe_depth__name((enum probe_depth)3), "?");
	assert_string_equal(sort_key__name(NR_SORT_KEYS), "?");
}

static void test_free_takes_anything(void **state)
{
	struct profile profile = { 0 };

	(void)state;
	profile__free(NULL);
	profile__free(&profile);
	sample__make(&profile, DEPTH_FULL);
	profile.detached_why = strdup("too costly");
	profile__free(&profile);
	assert_null(profile.processes);
	profile__free(&profile);
}

static void test_sums(void **state)
{
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	assert_true(profile_process__requests(&profile.processes[0]) == 1702910);
	assert_true(profile_process__request_bytes(&profile.processes[1]) == 500);
	assert_true(profile_process__faults(&profile.processes[0]) == 3694);
	assert_true(profile_process__releases(&profile.processes[0]) == 1650054);
	profile__free(&profile);
}

static void test_limits(void **state)
{
	struct profile profile;
	__u64 min = 1, max = 1;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	assert_true(profile_process__limits(&profile.processes[0], PATH_POOL, &min, &max));
	assert_true(min == 0 && max == 131048);
	assert_true(profile_process__limits(&profile.processes[0], PATH_MMAP, &min, &max));
	assert_true(min == 131049 && max == 32 << 20);
	assert_false(profile_process__limits(&profile.processes[0], PATH_ARENA, &min, &max));
	/* Of an epoch in which nothing was asked for: the limits may be older than the count. */
	profile.processes[0].counters.paths[PATH_MMAP].count = 0;
	assert_false(profile_process__limits(&profile.processes[0], PATH_MMAP, &min, &max));
	profile__free(&profile);
}

/* Every counter, by its place in the struct: one that were left out would show. */
static void fill_counters(struct process_counters *counters, __u64 factor)
{
	__u64 *fields = (__u64 *)counters;

	for (size_t i = 0; i < sizeof(*counters) / sizeof(__u64); i++)
		fields[i] = factor * (i + 1);
}

static void assert_counters(const struct process_counters *counters, __u64 factor)
{
	const __u64 *fields = (const __u64 *)counters;

	for (size_t i = 0; i < sizeof(*counters) / sizeof(__u64); i++)
		assert_true(fields[i] == factor * (i + 1));
}

static void test_add_counters(void **state)
{
	struct profile_process into = { .members = 1, .start_ns = 9, .exited = true };
	struct profile_process from = { .members = 2, .start_ns = 5 };

	(void)state;
	fill_counters(&into.counters, 3);
	fill_counters(&from.counters, 4);
	into.live_bytes = 10;
	from.live_bytes = 5;
	assert_int_equal(profile_process__add(&into, &from), 0);
	assert_counters(&into.counters, 7);
	assert_true(into.live_bytes == 15);
	assert_int_equal(into.members, 3);
	assert_true(into.start_ns == 5);
	assert_false(into.exited);
	assert_null(into.sizes);
}

static void test_add_sizes(void **state)
{
	static const __u64 into_sizes[] = { 1, 5, 4096 }, from_sizes[] = { 0, 5, 100, 1 << 20 };
	static const __u64 merged[] = { 0, 1, 5, 100, 4096, 1 << 20 };
	struct profile_process into = { 0 }, from = { 0 };
	__u64 min, max;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		sample__add_requests(&into, PATH_POOL, into_sizes[i], 1);
	for (size_t i = 0; i < 4; i++)
		sample__add_requests(&from, PATH_POOL, from_sizes[i], 10);
	assert_int_equal(profile_process__add(&into, &from), 0);
	assert_int_equal(into.nr_sizes, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(into.sizes[i].size_class, size_class__of(merged[i]));
	assert_true(into.sizes[2].row.count[PATH_POOL] == 11);
	assert_true(into.sizes[2].row.bytes == 55);
	assert_true(profile_process__limits(&into, PATH_POOL, &min, &max));
	assert_true(min == 0 && max == 1 << 20);
	free(into.sizes);
	free(from.sizes);
}

static void assert_sample(const struct profile_process *process, size_t index, __u32 stack,
			  __u64 samples, __u64 count, __u64 bytes)
{
	const struct profile_sample *sample = &process->samples[index];

	assert_true(index < process->nr_samples);
	assert_int_equal(sample->stack, stack);
	assert_true(sample->samples == samples);
	assert_true(sample->count == count);
	assert_true(sample->bytes == bytes);
}

/* What agrees in all but its figures is one row, whoever asked. */
static void test_add_samples(void **state)
{
	struct profile_process into = { 0 }, from = { 0 };

	(void)state;
	sample__add_stack(&into, 0, SAMPLE_FAULT, 1, 0);
	sample__add_stack(&into, 2, SAMPLE_REQUEST, 3, 300);
	sample__add_stack(&into, 5, SAMPLE_GROWN, 1, 4096);
	sample__add_stack(&from, 1, SAMPLE_MAPPED, 1, 8192);
	sample__add_stack(&from, 2, SAMPLE_REQUEST, 4, 400);
	sample__add_stack(&from, 2, SAMPLE_REQUEST, 1, 5000);
	sample__add_stack(&from, 5, SAMPLE_FAULT, 1, 4096);
	assert_int_equal(profile_process__add(&into, &from), 0);
	assert_int_equal(into.nr_samples, 6);
	assert_sample(&into, 0, 0, 1, 1, 0);
	assert_sample(&into, 1, 1, 1, 1, 8192);
	assert_sample(&into, 2, 2, 2, 7, 700);
	assert_sample(&into, 3, 2, 1, 1, 5000);
	assert_sample(&into, 4, 5, 1, 1, 4096);
	assert_int_equal(into.samples[4].kind, SAMPLE_GROWN);
	assert_sample(&into, 5, 5, 1, 1, 4096);
	assert_int_equal(into.samples[5].kind, SAMPLE_FAULT);
	/* One that has none takes a copy, as folds are copied. */
	free(from.samples);
	from = (struct profile_process){ 0 };
	assert_int_equal(profile_process__add(&from, &into), 0);
	assert_int_equal(from.nr_samples, 6);
	assert_memory_equal(from.samples, into.samples, 6 * sizeof(*into.samples));
	assert_int_equal(profile_process__add(&from, &into), 0);
	assert_sample(&from, 2, 2, 4, 14, 1400);
	free(into.samples);
	free(from.samples);
}

static struct profile_process *add_process(struct profile *profile, const char *comm,
					   const char *exe)
{
	size_t nr = profile->nr_processes;
	struct profile_process *process;

	profile->processes = realloc(profile->processes, (nr + 1) * sizeof(*process));
	assert_non_null(profile->processes);
	process = &profile->processes[nr];
	*process = (struct profile_process){
		.id = (__u32)nr + 1,
		.pid = 100 + (__u32)nr,
		.members = 1,
		.comm = strdup(comm),
		.exe = exe ? strdup(exe) : NULL,
	};
	profile->nr_processes++;
	sample__add_requests(process, PATH_POOL, 8 * (nr + 1), 10);
	return process;
}

static void make_group(struct profile *profile)
{
	*profile = (struct profile){ .depth = DEPTH_ENTRY };
	add_process(profile, "sh", "/bin/dash");
	add_process(profile, "cat", NULL);
	add_process(profile, "sh", "/bin/bash");
	add_process(profile, "dash", "/bin/dash");
	add_process(profile, "dog", NULL);
}

static void test_group_by_pid_changes_nothing(void **state)
{
	struct profile profile;

	(void)state;
	make_group(&profile);
	assert_int_equal(profile__group(&profile, GROUP_PID), 0);
	assert_int_equal(profile.nr_processes, 5);
	profile__free(&profile);
}

static void test_group_by_comm(void **state)
{
	struct profile profile;

	(void)state;
	make_group(&profile);
	assert_int_equal(profile__group(&profile, GROUP_COMM), 0);
	assert_int_equal(profile.nr_processes, 4);
	assert_string_equal(profile.processes[0].comm, "sh");
	assert_int_equal(profile.processes[0].members, 2);
	assert_true(profile_process__requests(&profile.processes[0]) == 20);
	assert_int_equal(profile.processes[0].nr_sizes, 2);
	assert_string_equal(profile.processes[3].comm, "dog");
	profile__free(&profile);
}

static void test_group_keeps_samples(void **state)
{
	static const __u32 numbers[] = { 11, 12 };
	struct profile profile;

	(void)state;
	make_group(&profile);
	sample__make_stacks(&profile, numbers, 2);
	for (size_t i = 0; i < profile.nr_processes; i++)
		sample__add_stack(&profile.processes[i], 1 + i % 2, SAMPLE_REQUEST, 10,
				  80 * (i + 1));
	assert_int_equal(profile__group(&profile, GROUP_CGROUP), 0);
	assert_int_equal(profile.processes[0].nr_samples, 5);
	assert_sample(&profile.processes[0], 0, 1, 1, 10, 80);
	assert_sample(&profile.processes[0], 1, 1, 1, 10, 240);
	assert_sample(&profile.processes[0], 3, 2, 1, 10, 160);
	profile__free(&profile);
}

/* What could not be had is one group. */
static void test_group_by_exe(void **state)
{
	struct profile profile;

	(void)state;
	make_group(&profile);
	assert_int_equal(profile__group(&profile, GROUP_EXE), 0);
	assert_int_equal(profile.nr_processes, 3);
	assert_string_equal(profile.processes[0].exe, "/bin/dash");
	assert_int_equal(profile.processes[0].members, 2);
	assert_int_equal(profile.processes[0].id, 1);
	assert_null(profile.processes[1].exe);
	assert_int_equal(profile.processes[1].members, 2);
	assert_string_equal(profile.processes[2].exe, "/bin/bash");
	assert_int_equal(profile__group(&profile, GROUP_CGROUP), 0);
	assert_int_equal(profile.nr_processes, 1);
	assert_int_equal(profile.processes[0].members, 5);
	profile__free(&profile);
}

static void test_subtract(void **state)
{
	struct profile before, now;

	(void)state;
	make_group(&before);
	make_group(&now);
	add_process(&now, "new", "/bin/new");
	fill_counters(&before.processes[0].counters, 2);
	fill_counters(&now.processes[0].counters, 5);
	now.processes[0].live_bytes = 77;
	sample__add_requests(&now.processes[0], PATH_BRK, 4096, 1);
	now.processes[0].sizes[0].row.count[PATH_POOL] += 3;
	now.processes[0].counters.paths[PATH_BRK] = (struct path_counters){ 5 * 5, 5 * 6 };
	now.events[KIND_FAULT][OUTCOME_SEEN] = 10;
	before.events[KIND_FAULT][OUTCOME_SEEN] = 4;
	now.losses[LOSS_RING_FULL] = 3;
	before.losses[LOSS_RING_FULL] = 1;
	now.duration_s = 3;
	before.duration_s = 1;
	now.coverage = 0.5;
	before.coverage = 1;
	now.cost.traps = 50;
	before.cost.traps = 20;
	now.cost.own_bytes = 1000;
	before.cost.own_bytes = 900;

	assert_int_equal(profile__subtract(&now, &before), 0);
	assert_int_equal(now.nr_processes, 6);
	assert_counters(&now.processes[0].counters, 3);
	assert_true(now.processes[0].live_bytes == 77);
	assert_int_equal(now.processes[0].nr_sizes, 2);
	assert_true(now.processes[0].sizes[0].row.count[PATH_POOL] == 3);
	/* Nothing happened: still there, with nothing. */
	assert_true(profile_process__requests(&now.processes[1]) == 0);
	assert_int_equal(now.processes[1].nr_sizes, 0);
	/* New since. */
	assert_true(profile_process__requests(&now.processes[5]) == 10);
	assert_true(now.events[KIND_FAULT][OUTCOME_SEEN] == 6);
	assert_true(now.losses[LOSS_RING_FULL] == 2);
	assert_true(now.duration_s > 1.99 && now.duration_s < 2.01);
	assert_true(now.coverage > 0.24 && now.coverage < 0.26);
	assert_true(now.cost.traps == 30);
	assert_true(now.cost.own_bytes == 1000);
	profile__free(&now);
	profile__free(&before);
}

/* Two exited processes were folded into one row since: their old counts are not counted again. */
/* Two profiles number the stacks as they meet them; what they are numbered by in the run is one. */
static void test_subtract_samples(void **state)
{
	static const __u32 before_numbers[] = { 7, 3 }, now_numbers[] = { 9, 3, 7 };
	struct profile before, now;

	(void)state;
	make_group(&before);
	make_group(&now);
	sample__make_stacks(&before, before_numbers, 2);
	sample__make_stacks(&now, now_numbers, 3);
	sample__add_stack(&before.processes[0], 0, SAMPLE_FAULT, 2, 8192);
	sample__add_stack(&before.processes[0], 1, SAMPLE_REQUEST, 10, 1000);
	sample__add_stack(&before.processes[0], 2, SAMPLE_REQUEST, 1, 100);
	sample__add_stack(&now.processes[0], 0, SAMPLE_FAULT, 2, 8192);
	sample__add_stack(&now.processes[0], 1, SAMPLE_REQUEST, 5, 500);
	sample__add_stack(&now.processes[0], 2, SAMPLE_REQUEST, 1, 100);
	sample__add_stack(&now.processes[0], 3, SAMPLE_REQUEST, 25, 2500);
	now.processes[0].samples[3].samples = 4;
	assert_int_equal(profile__subtract(&now, &before), 0);
	assert_int_equal(now.processes[0].nr_samples, 2);
	assert_sample(&now.processes[0], 0, 1, 1, 5, 500);
	assert_sample(&now.processes[0], 1, 3, 3, 15, 1500);
	profile__free(&now);
	profile__free(&before);
}

static void test_subtract_folded(void **state)
{
	struct profile before, now = { 0 };
	struct profile_process *fold;

	(void)state;
	make_group(&before);
	fold = add_process(&now, "sh", "/bin/dash");
	sample__add_requests(fold, PATH_POOL, 32, 15);
	fold->members = 2;
	assert_int_equal(profile__subtract(&now, &before), 0);
	assert_true(profile_process__requests(&now.processes[0]) == 5);
	profile__free(&now);
	profile__free(&before);
}

static void test_sort(void **state)
{
	enum sort_key key = SORT_PID;
	struct sorted_process *sorted;
	struct profile profile;

	(void)state;
	assert_true(sort_key__parse("touched", &key));
	assert_int_equal(key, SORT_TOUCHED);
	assert_false(sort_key__parse("default", &key));
	assert_false(sort_key__parse("", &key));
	assert_int_equal(key, SORT_TOUCHED);
	assert_int_equal(sort_key__resolve(SORT_DEFAULT, DEPTH_KERNEL), SORT_TOUCHED);
	assert_int_equal(sort_key__resolve(SORT_DEFAULT, DEPTH_ENTRY), SORT_BYTES);

	make_group(&profile);
	sorted = profile__sorted(&profile, SORT_DEFAULT);
	assert_non_null(sorted);
	assert_int_equal(sorted[0].process->id, 5);
	assert_int_equal(sorted[4].process->id, 1);
	free(sorted);
	sorted = profile__sorted(&profile, SORT_PID);
	assert_int_equal(sorted[0].process->id, 1);
	free(sorted);
	sorted = profile__sorted(&profile, SORT_COMM);
	assert_string_equal(sorted[0].process->comm, "cat");
	assert_int_equal(sorted[3].process->id, 1);
	assert_int_equal(sorted[4].process->id, 3);
	free(sorted);
	profile__free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_value_has_a_name),
		cmocka_unit_test(test_out_of_range_is_named_so),
		cmocka_unit_test(test_free_takes_anything),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_add_counters),
		cmocka_unit_test(test_add_sizes),
		cmocka_unit_test(test_add_samples),
		cmocka_unit_test(test_group_by_pid_changes_nothing),
		cmocka_unit_test(test_group_by_comm),
		cmocka_unit_test(test_group_by_exe),
		cmocka_unit_test(test_group_keeps_samples),
		cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_subtract_samples),
		cmocka_unit_test(test_subtract_folded),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

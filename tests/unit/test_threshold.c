/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of a followed threshold: settings, verdicts, advice, and all of it from a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profile.h"
#include "recording.h"
#include "report_threshold.h"
#include "rule_settings.h"
#include "sample_profile.h"
#include "threshold.h"

#define KIB 1024ULL
#define MIB (1024ULL * KIB)

static struct rule_state state_of(const char *environment, size_t length)
{
	struct rule_state state;

	rule_state__from_environment(&state, environment, length);
	return state;
}

/* With the 0 of its last variable. */
#define STATE_OF(environment) state_of(environment, sizeof(environment))

static void assert_state(struct rule_state state, __u64 threshold, __u32 pins)
{
	assert_int_equal(state.low, threshold);
	assert_int_equal(state.high, threshold);
	assert_int_equal(state.pins, pins);
	assert_int_equal(state.origin, pins ? RULE_ENVIRONMENT : RULE_EXEC);
}

static void an_environment_sets_what_it_names(void **state)
{
	struct rule_state made;

	(void)state;
	assert_state(STATE_OF("HOME=/\0MALLOC_ARENA_MAX=1\0XMALLOC_MMAP_THRESHOLD_=1"), 131072, 0);
	assert_state(STATE_OF("MALLOC_MMAP_THRESHOLD_=65536"), 65536, RULE_PIN_THRESHOLD);
	assert_state(STATE_OF("A=b\0MALLOC_MMAP_THRESHOLD_=0x30000\0C=d"), 196608,
		     RULE_PIN_THRESHOLD);
	assert_state(STATE_OF("MALLOC_MMAP_THRESHOLD_=0200000"), 65536, RULE_PIN_THRESHOLD);
	made = STATE_OF("MALLOC_TRIM_THRESHOLD_=5\0MALLOC_TOP_PAD_=6\0MALLOC_MMAP_MAX_=0");
	assert_state(made, 131072, RULE_PIN_TRIM | RULE_PIN_TOP_PAD | RULE_PIN_MAPS_MAX);
	assert_int_equal(made.trim_threshold, 5);
	assert_int_equal(made.top_pad, 6);
	assert_int_equal(made.maps_max, 0);
	/* Out of its bounds: glibc leaves it alone. */
	made = STATE_OF("MALLOC_MMAP_MAX_=-1\0GLIBC_TUNABLES=glibc.malloc.mmap_max=99999999999");
	assert_state(made, 131072, 0);
	assert_int_equal(made.maps_max, 65536);
}

static void tunables_override_variables(void **state)
{
	const __u32 tuned = RULE_PIN_THRESHOLD << RULE_PIN_TUNED;

	(void)state;
	assert_state(
		STATE_OF("GLIBC_TUNABLES=glibc.malloc.check=3:glibc.malloc.mmap_threshold=7:x"), 7,
		tuned);
	assert_state(STATE_OF("GLIBC_TUNABLES=glibc.malloc.mmap_threshold=7\0"
			      "MALLOC_MMAP_THRESHOLD_=8"),
		     7, tuned);
	assert_state(STATE_OF("MALLOC_MMAP_THRESHOLD_=8\0"
			      "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=7"),
		     7, tuned | RULE_PIN_THRESHOLD);
	assert_state(STATE_OF("GLIBC_TUNABLES=glibc.malloc.mmap_threshold:glibc.malloc.=4"), 131072,
		     0);
	assert_state(STATE_OF("GLIBC_TUNABLES=xglibc.malloc.mmap_threshold=7"), 131072, 0);
}

/* glibc 2.36 ends each tunable in the environment itself, where others can read it. */
static void tunables_that_were_cut_apart_are_read(void **state)
{
	const __u32 tuned = RULE_PIN_THRESHOLD << RULE_PIN_TUNED;

	(void)state;
	assert_state(STATE_OF("A=b\0GLIBC_TUNABLES=glibc.malloc.check=0\0"
			      "glibc.malloc.mmap_threshold=300000\0C=d"),
		     300000, tuned);
	assert_state(STATE_OF("GLIBC_TUNABLES=glibc.malloc.check=0\0C=d\0"
			      "glibc.malloc.mmap_threshold=300000"),
		     131072, 0);
}

static void an_environment_may_be_cut_short(void **state)
{
	static const char text[] = "MALLOC_TOP_PAD_=77\0MALLOC_MMAP_THRESHOLD_=65536";

	(void)state;
	for (size_t length = 0; length <= sizeof(text); length++) {
		char *copy = malloc(length + 1); /* no byte behind it is read */
		struct rule_state made;

		assert_non_null(copy);
		memcpy(copy, text, length);
		made = state_of(copy, length);
		assert_int_equal(made.low, length == sizeof(text) ? 65536 : 131072);
		assert_int_equal(made.top_pad, length >= 19 ? 77 : 131072);
		free(copy);
	}
}

/* A process that was followed at depth full, and had nothing to tell. */
struct fixture {
	struct profile profile;
	struct profile_process process;
	struct profile_size size;
	struct profile_rule rule;
};

static struct fixture *quiet(void)
{
	struct fixture *made = calloc(1, sizeof(*made));

	assert_non_null(made);
	made->profile.depth = DEPTH_FULL;
	made->profile.duration_s = 2;
	made->process.members = 1;
	made->process.pid = 4711;
	made->process.comm = (char *)"quiet";
	made->process.allocator = (char *)"glibc 2.36";
	made->process.rule = &made->rule;
	made->process.sizes = &made->size;
	made->process.nr_sizes = 1;
	made->rule.is_glibc = true;
	made->rule.followed.state.low = made->rule.followed.state.high = 131072;
	made->rule.followed.state.trim_threshold = 131072;
	made->rule.followed.state.maps_max = 65536;
	made->profile.processes = &made->process;
	made->profile.nr_processes = 1;
	return made;
}

/* 1,000 mappings of 256 KiB made, written and given back, one at a time. */
static struct fixture *thrashing(void)
{
	struct fixture *made = quiet();
	struct rule *followed = &made->rule.followed;

	followed->mapped = followed->mapped_released = 1000;
	followed->mapped_largest = followed->mapped_peak = 266240;
	made->rule.heap_peak = 132 * KIB;
	made->size.row.own_touched_bytes = 1000 * 266240ULL;
	made->process.counters.first_touch_bytes = made->size.row.own_touched_bytes;
	made->process.counters.faults[FAULT_FIRST_TOUCH] = 65000;
	return made;
}

static struct threshold *of(struct fixture *fixture)
{
	static struct threshold made;

	threshold__of(&made, &fixture->process, &fixture->profile);
	return &made;
}

static void assert_verdict(struct fixture *fixture, const char *verdict)
{
	assert_string_equal(of(fixture)->verdict, verdict);
	free(fixture);
}

static void a_verdict_says_what_holds_the_threshold(void **state)
{
	struct fixture *fixture = quiet();

	(void)state;
	assert_verdict(fixture, "default");
	fixture = quiet();
	fixture->rule.followed.moves = 2;
	fixture->rule.followed.state.low = fixture->rule.followed.state.high = 200704;
	assert_verdict(fixture, "raised to 200704 by the free of a mapping of that size");
	fixture = quiet();
	fixture->rule.followed.state.pins = RULE_PIN_THRESHOLD << RULE_PIN_TUNED |
					    RULE_PIN_TOP_PAD << RULE_PIN_CALLED;
	assert_verdict(fixture, "pinned at 131072 by mallopt(M_TOP_PAD), "
				"glibc.malloc.mmap_threshold");
	fixture = quiet();
	fixture->rule.followed.state.pins = RULE_PIN_MAPS_MAX;
	fixture->rule.followed.state.maps_max = 0;
	assert_verdict(fixture, "never mapped: M_MMAP_MAX is 0, by MALLOC_MMAP_MAX_");
	fixture = quiet();
	fixture->process.allocator = (char *)"jemalloc 5";
	assert_verdict(fixture, "not glibc: jemalloc 5");
	fixture = quiet();
	fixture->rule.followed.state.low = 40000;
	fixture->rule.followed.state.high = 500000;
	fixture->rule.followed.state.origin = RULE_LATE;
	assert_verdict(fixture, "unknown: attached after start; by what was seen from 40000 to "
				"500000");
}

static void a_quiet_process_gets_no_advice(void **state)
{
	struct fixture *fixture = quiet();

	(void)state;
	assert_false(of(fixture)->advice.given);
	/* It grew, and gave nothing back. */
	fixture->rule.followed.brk_growths = 100000;
	fixture->rule.heap_peak = 100000 * 132 * KIB;
	fixture->process.counters.growth_touched_bytes = fixture->rule.heap_peak;
	assert_false(of(fixture)->advice.given);
	free(fixture);
	fixture = thrashing();
	fixture->process.members = 2;
	assert_false(of(fixture)->advice.given);
	fixture->process.members = 1;
	fixture->process.allocator = (char *)"musl 1.2";
	fixture->rule.is_glibc = false;
	assert_false(of(fixture)->advice.given);
	free(fixture);
}

/* Whose mappings were zeroed anew is not known there. */
static void at_depth_kernel_an_advice_is_not_denied(void **state)
{
	struct fixture *fixture = thrashing();

	(void)state;
	fixture->profile.depth = DEPTH_KERNEL;
	fixture->rule.resident_anon = MIB;
	fixture->process.counters.first_touch_bytes = 5 * MIB - 1;
	assert_false(of(fixture)->advice.given);
	assert_false(of(fixture)->advice.needs_full);
	fixture->process.counters.first_touch_bytes = 5 * MIB;
	assert_false(of(fixture)->advice.given);
	assert_true(of(fixture)->advice.needs_full);
	/* The heap's share is known. */
	fixture->rule.heap_peak = 132 * KIB;
	fixture->process.counters.growth_touched_bytes = 132 * KIB + 1;
	assert_false(of(fixture)->advice.needs_full);
	fixture->profile.depth = DEPTH_FULL;
	assert_false(of(fixture)->advice.needs_full);
	free(fixture);
}

static void mappings_made_again_and_again_get_a_threshold(void **state)
{
	struct fixture *fixture = thrashing();
	const struct threshold_advice *advice = &of(fixture)->advice;

	(void)state;
	assert_true(advice->given);
	assert_int_equal(advice->calls, 2000 - 2);
	assert_int_equal(advice->bytes, 999 * 266240ULL);
	assert_int_equal(advice->faults, 999 * 65);
	assert_int_equal(advice->holds, 132 * KIB + 266240);
	assert_string_equal(advice->setting,
			    "MALLOC_MMAP_THRESHOLD_=524288 MALLOC_TRIM_THRESHOLD_=1048576");
	/* The words that are in force already. */
	fixture->rule.followed.state.pins = RULE_PIN_TRIM << RULE_PIN_TUNED | RULE_PIN_THRESHOLD;
	assert_string_equal(of(fixture)->advice.setting,
			    "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=524288:"
			    "glibc.malloc.trim_threshold=1048576");
	fixture->rule.followed.state.pins |= RULE_PIN_TRIM << RULE_PIN_CALLED;
	assert_string_equal(of(fixture)->advice.setting, "mallopt(M_MMAP_THRESHOLD, 524288), "
							 "mallopt(M_TRIM_THRESHOLD, 1048576)");
	/* A huge page is one fault. */
	fixture->process.counters.faults[FAULT_FIRST_TOUCH] = 130;
	assert_in_range(of(fixture)->advice.faults, 129, 130);
	free(fixture);
}

static void a_break_to_and_fro_gets_a_trim_threshold(void **state)
{
	struct fixture *fixture = quiet();
	struct rule *followed = &fixture->rule.followed;

	(void)state;
	followed->brk_growths = 150;
	followed->brk_trims = 4900;
	fixture->rule.heap_peak = 150 * 132 * KIB;
	fixture->process.counters.growth_touched_bytes = fixture->rule.heap_peak;
	assert_int_equal(of(fixture)->advice.calls, 5050 - 151);
	assert_int_equal(of(fixture)->advice.bytes, 0);
	assert_string_equal(of(fixture)->advice.setting, "MALLOC_TRIM_THRESHOLD_=33554432");
	/* It keeps the threshold from moving, which stays where it has come to. */
	followed->state.low = followed->state.high = 3 * MIB;
	assert_string_equal(of(fixture)->advice.setting,
			    "MALLOC_MMAP_THRESHOLD_=3145728 MALLOC_TRIM_THRESHOLD_=33554432");
	/* Read, where it was not followed. */
	followed->state.high = ~0ULL;
	fixture->rule.is_read = true;
	fixture->rule.read_threshold = 2 * MIB;
	assert_string_equal(of(fixture)->advice.setting,
			    "MALLOC_MMAP_THRESHOLD_=2097152 MALLOC_TRIM_THRESHOLD_=33554432");
	/* Neither: above all that was asked for. */
	fixture->rule.is_read = false;
	followed->largest_not_mapped = 5 * MIB + 1;
	assert_string_equal(of(fixture)->advice.setting,
			    "MALLOC_MMAP_THRESHOLD_=8388608 MALLOC_TRIM_THRESHOLD_=33554432");
	free(fixture);
}

static void what_saves_most_comes_first(void **state)
{
	struct fixture *made[] = { quiet(), thrashing(), thrashing() };
	struct profile_process processes[3];
	struct profile profile = made[0]->profile;
	struct threshold *all;

	(void)state;
	made[2]->rule.followed.mapped = made[2]->rule.followed.mapped_released = 5000;
	for (__u32 i = 0; i < 3; i++) {
		processes[i] = made[i]->process;
		processes[i].id = i + 1;
	}
	profile.processes = processes;
	profile.nr_processes = 3;
	all = threshold__all(&profile);
	assert_non_null(all);
	for (__u32 i = 0; i < 3; i++) {
		assert_int_equal(all[i].process->id, 3 - i);
		free(made[i]);
	}
	free(all);
}

static char *json_of(const struct profile *profile)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_threshold__write_json(out, profile, NULL), 0);
	fclose(out);
	return text;
}

static char *text_of(const struct profile *profile, bool verbose)
{
	const struct text_style style = { .width = 80, .verbose = verbose };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_threshold__write_text(out, profile, &style), 0);
	fclose(out);
	return text;
}

/* Gives the first process of a sample profile a threshold that was followed, and moved. */
static void add_rule(struct profile *profile)
{
	static const struct profile_move moves[] = {
		{ .t_ns = 5000,
		  .done_ns = 5500,
		  .low = 200704,
		  .high = 200704,
		  .from = 131072,
		  .to = 200704,
		  .caller = 77,
		  .stack = 1 },
		{ .t_ns = 9000, .from = 200704, .to = 401408, .caller = 78 },
		{ .t_ns = 9100,
		  .done_ns = 9900,
		  .low = 401408,
		  .high = 500000,
		  .to = 500000,
		  .by = RULE_PIN_THRESHOLD },
		{ .t_ns = 9950, .by = RULE_PIN_TOP_PAD },
	};
	static const struct profile_point point = { 4000, 200000, 131072, 4, PATH_MMAP };
	struct profile_rule *rule = calloc(1, sizeof(*rule));

	assert_non_null(rule);
	profile->processes[0].rule = rule;
	rule->is_glibc = rule->is_read = true;
	rule->read_threshold = rule->followed.state.low = rule->followed.state.high = 401408;
	rule->read_trim_threshold = rule->followed.state.trim_threshold = 802816;
	rule->followed.judged = 20;
	rule->followed.agree = 15;
	for (int i = 0; i < NR_RULE_REASONS; i++)
		rule->followed.disagree[i] = (__u64)i;
	rule->followed.unexplained = 5;
	rule->followed.crossings = 2;
	rule->followed.largest_not_mapped = 131048 + 1;
	rule->followed.smallest_mapped = ~131049ULL;
	rule->followed.mapped = rule->followed.mapped_released = 1000;
	rule->followed.mapped_largest = rule->followed.mapped_peak = 266240;
	rule->followed.brk_growths = 300;
	rule->followed.brk_trims = 299;
	rule->followed.moves = rule->nr_moves = 4;
	rule->heap_peak = 1 << 20;
	rule->moves = calloc(4, sizeof(*rule->moves));
	rule->points = calloc(1, sizeof(*rule->points));
	assert_non_null(rule->moves);
	assert_non_null(rule->points);
	memcpy(rule->moves, moves, sizeof(moves));
	rule->moves[1].place = strdup("/bin/x+0x4e");
	rule->points[0] = point;
	rule->nr_points = 1;
}

/* free, from code of a file without symbols. */
static void add_stack(struct profile *profile)
{
	profile->has_stacks = true;
	profile->objects = calloc(1, sizeof(*profile->objects));
	profile->frames = calloc(2, sizeof(*profile->frames));
	profile->stacks = calloc(1, sizeof(*profile->stacks));
	assert_non_null(profile->objects);
	assert_non_null(profile->frames);
	assert_non_null(profile->stacks);
	profile->objects[0].path = strdup("/bin/nameless");
	profile->nr_objects = 1;
	profile->frames[0] = (struct profile_frame){ 1, 0x100 };
	profile->frames[1] = (struct profile_frame){ 1, 0x234 };
	profile->nr_frames = 2;
	profile->stacks[0].nr_frames = 2;
	profile->nr_stacks = 1;
}

static void a_recording_says_the_same(void **state)
{
	struct profile profile, read;
	int fd = memfd_create("recording", MFD_CLOEXEC);
	FILE *out = fdopen(dup(fd), "w");
	char *before, *after;

	(void)state;
	assert_non_null(out);
	sample__make(&profile, DEPTH_FULL);
	add_rule(&profile);
	add_stack(&profile);
	assert_int_equal(recording__write(out, &profile, NULL), 0);
	fclose(out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(recording__read(fd, "test", &read), 0);
	before = json_of(&profile);
	after = json_of(&read);
	assert_string_equal(before, after);
	assert_non_null(strstr(after, "\"predicted\":401408,\"read\":401408"));
	assert_non_null(strstr(after,
			       "\"t_ns\":5000,\"done_ns\":5500,\"by\":\"free\",\"parameter\":null,"
			       "\"from\":131072,\"to\":200704,\"low\":200704,\"high\":200704"));
	assert_non_null(strstr(after,
			       "\"t_ns\":9000,\"done_ns\":null,\"by\":\"free\",\"parameter\":null,"
			       "\"from\":200704,\"to\":401408,\"low\":null,\"high\":null"));
	assert_non_null(
		strstr(after, "\"by\":\"mallopt\",\"parameter\":\"M_MMAP_THRESHOLD\",\"from\":null,"
			      "\"to\":500000,\"low\":401408,\"high\":500000"));
	assert_non_null(strstr(after, "\"parameter\":\"M_TOP_PAD\",\"from\":null,\"to\":null"));
	assert_non_null(strstr(after, "\"offset\":564")); /* of the free's caller */
	free(before);
	free(after);
	before = text_of(&profile, true);
	after = text_of(&read, true);
	assert_string_equal(before, after);
	free(before);
	free(after);
	profile__free(&profile);
	profile__free(&read);
}

static void every_line_fits(void **state)
{
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	add_rule(&profile);
	add_stack(&profile);
	for (int verbose = 0; verbose < 2; verbose++) {
		char *text = text_of(&profile, verbose), *rest = text, *line;

		assert_non_null(strstr(text, "4711"));
		assert_non_null(strstr(text, "from nameless+0x234"));
		assert_non_null(strstr(text, "at 0.000009 s to 500000, by mallopt"));
		while ((line = strsep(&rest, "\n")))
			assert_in_range(strlen(line), 0, 80);
		free(text);
	}
	profile__free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_environment_sets_what_it_names),
		cmocka_unit_test(tunables_override_variables),
		cmocka_unit_test(tunables_that_were_cut_apart_are_read),
		cmocka_unit_test(an_environment_may_be_cut_short),
		cmocka_unit_test(a_verdict_says_what_holds_the_threshold),
		cmocka_unit_test(a_quiet_process_gets_no_advice),
		cmocka_unit_test(at_depth_kernel_an_advice_is_not_denied),
		cmocka_unit_test(mappings_made_again_and_again_get_a_threshold),
		cmocka_unit_test(a_break_to_and_fro_gets_a_trim_threshold),
		cmocka_unit_test(what_saves_most_comes_first),
		cmocka_unit_test(a_recording_says_the_same),
		cmocka_unit_test(every_line_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

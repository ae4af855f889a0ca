/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "histogram.h"
#include "report.h"
#include "sample_profile.h"
#include "text.h"

/* Writes the report, and checks what holds of every one: its width, and nothing but printable. */
static char *write_report(const struct profile *profile, const struct text_style *style)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_text__write(out, profile, style), 0);
	fclose(out);
	assert_int_equal(strlen(text), size);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t length = strcspn(line, "\n");

		assert_true(line[length] == '\n');
		if (length > style->width && length > 80)
			fail_msg("%zu columns of %u: %.*s", length, style->width, (int)length,
				 line);
		assert_true(!length || line[length - 1] != ' ');
		for (size_t i = 0; i < length; i++)
			assert_true(line[i] >= ' ' && line[i] <= '~');
	}
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' in:\n%s", part, text);
}

/* Only the first of the two processes, and nothing lost. */
static void make_single(struct profile *profile, enum probe_depth depth)
{
	struct profile_process *second;

	sample__make(profile, depth);
	second = &profile->processes[--profile->nr_processes];
	profile_process__free(second);
	profile->losses[LOSS_SIZE_ROWS_FULL] = 0;
	profile->events[KIND_ALLOC][OUTCOME_RECORDED] += profile->events[KIND_ALLOC][OUTCOME_LOST];
	profile->events[KIND_ALLOC][OUTCOME_LOST] = 0;
}

static void test_one_process(void **state)
{
	const struct text_style style = { .width = 80, .top = 5 };
	struct profile profile;
	char *text;

	(void)state;
	make_single(&profile, DEPTH_FULL);
	text = write_report(&profile, &style);
	assert_has(text, "1 process in 10.0 s, probes full");
	assert_has(text, "4711 (12 in its namespace), parent 4000, uid 1000");
	assert_has(text, "glibc 2.36 (mapped)");
	assert_has(text, "[128K, 256K)");
	assert_has(text, "131048\n");
	assert_has(text, "131049");
	assert_has(text, "1702837 blocks in the heap");
	assert_has(text, "50 munmap");
	assert_has(text, "52839 blocks, 39.3 MiB at the end");
	assert_has(text, "50 calls, 0 failed; 6.32 MiB grown, 132 KiB shrunk");
	assert_has(text, "madvise      none");
	assert_has(text, "3694; of them 7 major, 88 in kernel mode");
	assert_has(text, "heap growth             6.32 MiB  6.21 MiB  98.3 %");
	assert_has(text, "nothing lost; 1703000 events seen");
	assert_has(text, "1703000 traps of 5.20 us: 8.86 s, 44.2 % of the host's CPU time");
	assert_has(text, "/opt/old/lib32/libc.so.6: 32-bit");
	free(text);
	profile__free(&profile);
}

/* What a depth cannot see is not there, and not 0. */
static void test_depths(void **state)
{
	const struct text_style style = { .width = 80, .top = 5 };
	struct profile profile;
	char *text;

	(void)state;
	make_single(&profile, DEPTH_ENTRY);
	text = write_report(&profile, &style);
	assert_has(text, "request size");
	assert_has_not(text, "releases");
	assert_has_not(text, "live ");
	free(text);
	profile.depth = DEPTH_KERNEL;
	text = write_report(&profile, &style);
	assert_has_not(text, "request size");
	assert_has_not(text, "own mapping");
	assert_has(text, "heap growth");
	assert_has(text, "the kernel side only");
	free(text);
	profile__free(&profile);
}

static void test_system(void **state)
{
	struct text_style style = { .width = 80, .top = 5 };
	struct profile profile;
	char *text;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	text = write_report(&profile, &style);
	assert_has(text, "2 processes in 10.0 s, probes entry, sorted by bytes");
	assert_has(text, "ev?[2J\"\\??\?(");
	assert_has(text, "-- 4711 python3 ---");
	assert_has(text, "lost: 2 size_rows_full");
	assert_has_not(text, "nothing lost");
	assert_has_not(text, "grown ");
	assert_true(strstr(text, "4711") < strstr(text, "4712"));
	free(text);

	style.sort = SORT_ARENA;
	style.top = 0;
	text = write_report(&profile, &style);
	assert_true(strstr(text, "4712") < strstr(text, "4711"));
	assert_has_not(text, "-- 4711");
	free(text);

	style.sort = SORT_DEFAULT;
	style.width = 160;
	text = write_report(&profile, &style);
	assert_has(text, "grown");
	assert_has(text, "/usr/bin/python3.11");
	free(text);

	style.sort = SORT_GROWN;
	style.width = 80;
	text = write_report(&profile, &style);
	assert_has(text, "grown");
	free(text);
	profile__free(&profile);
}

static void test_grouped(void **state)
{
	struct text_style style = { .width = 80, .top = 5, .group_by = GROUP_EXE };
	struct profile profile;
	char *text;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	profile.processes[0].members = 4;
	text = write_report(&profile, &style);
	assert_has(text, "2 groups in");
	assert_has(text, "procs");
	assert_has(text, "-- /usr/bin/python3.11 ---");
	free(text);
	style.group_by = GROUP_CGROUP;
	text = write_report(&profile, &style);
	assert_has(text, "...er-1000.slice/session-2.scope");
	assert_has(text, "(not known)");
	free(text);
	profile__free(&profile);
}

static void test_detached(void **state)
{
	const struct text_style style = { .width = 80 };
	struct profile profile;
	char *text;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	profile.coverage = 0.34;
	profile.detached_why = strdup("traps took more than 5 % of the host's CPU");
	text = write_report(&profile, &style);
	assert_has(text, "allocation probes were attached for 34.0 % of this time");
	assert_has(text, "detached     traps took more than 5 % of the host's CPU");
	free(text);
	profile__free(&profile);
}

static void test_verbose(void **state)
{
	const struct text_style style = { .width = 80, .top = 1, .verbose = true };
	struct profile profile;
	char *text;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	text = write_report(&profile, &style);
	assert_has(text, "realloc at 0x97200, probed at 0x97200, stepped");
	assert_has(text, "build id 93ac64b9");
	assert_has(text, "sampled out");
	assert_has(text, "of what was asked for");
	free(text);
	profile__free(&profile);
}

static void test_books_that_do_not_balance(void **state)
{
	const struct text_style style = { .width = 80 };
	struct profile profile;
	char *text;

	(void)state;
	make_single(&profile, DEPTH_ENTRY);
	profile.events[KIND_ALLOC][OUTCOME_SEEN]++;
	text = write_report(&profile, &style);
	assert_has(text, "of 1703001 alloc events 1703000 are accounted");
	free(text);
	profile__free(&profile);
}

/* Every counter as large as it gets, at every depth, width and grouping. */
static void test_largest_numbers(void **state)
{
	static const unsigned int widths[] = { 0, 80, 81, 100, 200, 5000 };

	(void)state;
	for (int depth = DEPTH_KERNEL; depth <= DEPTH_FULL; depth++) {
		struct profile profile;

		sample__make(&profile, depth);
		for (size_t i = 0; i < 2; i++) {
			struct profile_process *process = &profile.processes[i];

			memset(&process->counters, 0xff, sizeof(process->counters));
			process->live_bytes = ~0ULL;
			process->pid = ~0U;
			process->members = ~0U;
			for (size_t j = 0; j < process->nr_sizes; j++)
				memset(&process->sizes[j].row, 0xff, sizeof(process->sizes[j].row));
			memset(process->limits, 0xff, sizeof(process->limits));
		}
		memset(profile.events, 0xff, sizeof(profile.events));
		memset(profile.losses, 0xff, sizeof(profile.losses));
		memset(&profile.cost, 0xff, sizeof(profile.cost));
		profile.cost.own_cpu_s = 1e300;
		profile.cost.has_bpf_run = true;
		for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
			struct text_style style = { .width = widths[i], .top = 2, .verbose = true };

			for (style.group_by = GROUP_PID; style.group_by <= GROUP_CGROUP;
			     style.group_by++)
				free(write_report(&profile, &style));
		}
		profile__free(&profile);
	}
}

/* Names as long as the kernel lets them be. */
static void test_long_names(void **state)
{
	const struct text_style style = { .width = 80, .top = 2, .verbose = true };
	struct profile profile;
	char *text, *path = malloc(4097);

	(void)state;
	assert_non_null(path);
	memset(path, 'x', 4096);
	path[0] = '/';
	path[4096] = '\0';
	sample__make(&profile, DEPTH_ENTRY);
	free(profile.processes[0].exe);
	profile.processes[0].exe = strdup(path);
	free(profile.files[0].path);
	profile.files[0].path = strdup(path);
	free(profile.refusals[0].why);
	profile.refusals[0].why = path;
	text = write_report(&profile, &style);
	free(text);
	profile__free(&profile);
}

static void test_nothing_measured(void **state)
{
	const struct text_style style = { .width = 80, .top = 5 };
	const struct profile profile = { .depth = DEPTH_ENTRY, .coverage = 1, .nr_cpus = 2 };
	char *text;

	(void)state;
	text = write_report(&profile, &style);
	assert_has(text, "0 processes");
	assert_has(text, "nothing lost");
	free(text);
}

static void test_full_disk(void **state)
{
	const struct text_style style = { .width = 80, .top = 5 };
	FILE *out = fopen("/dev/full", "w");
	struct profile profile;

	(void)state;
	assert_non_null(out);
	sample__make(&profile, DEPTH_FULL);
	assert_int_equal(report_text__write(out, &profile, &style), -ENOSPC);
	fclose(out);
	profile__free(&profile);
}

static void test_units(void **state)
{
	static const struct {
		__u64 bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1025, "1.00 KiB" },
		{ 131049, "128 KiB" },
		{ 10 << 20, "10 MiB" },
		{ 1048575, "1.00 MiB" },
		{ 1ULL << 60, "1 EiB" },
		{ ~0ULL, "16.0 EiB" },
		{ 3ULL << 29, "1.50 GiB" },
	};
	char text[TEXT_CELL];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(text__bytes(text, sizeof(text), rows[i].bytes), rows[i].text);
	assert_string_equal(text__range(text, sizeof(text), 1 << 17, 1 << 18), "[128K, 256K)");
	assert_string_equal(text__range(text, sizeof(text), 0, 1), "[0, 1)");
	assert_string_equal(text__range(text, sizeof(text), 512, 1024), "[512, 1K)");
	assert_string_equal(text__range(text, sizeof(text), 1ULL << 63, 0), "[8E, 16E)");
	assert_string_equal(text__count(text, sizeof(text), 123456, false), "123456");
	assert_string_equal(text__count(text, sizeof(text), 99999, true), "99999");
	assert_string_equal(text__count(text, sizeof(text), 123456, true), "123k");
	assert_string_equal(text__count(text, sizeof(text), 999999, true), "1.00M");
	assert_string_equal(text__count(text, sizeof(text), ~0ULL, true), "18.4E");
	assert_string_equal(text__percent(text, sizeof(text), 1, 100000), "<0.1 %");
	assert_string_equal(text__percent(text, sizeof(text), 99999, 100000), ">99.9 %");
	assert_string_equal(text__percent(text, sizeof(text), 3, 2), "150.0 %");
	assert_string_equal(text__percent(text, sizeof(text), 1, 0), "");
	assert_string_equal(text__seconds(text, sizeof(text), 5.2e-6), "5.20 us");
	text__bar(text, 11, 1, 1000);
	assert_string_equal(text, "#");
	text__bar(text, 11, 7, 5);
	assert_string_equal(text, "##########");
	text__tail(text, 8, "/usr/bin/python3");
	assert_string_equal(text, "...hon3");
}

/* Sums of the powers of two are those of the classes; runs of empty rows are one gap. */
static void test_histogram(void **state)
{
	struct histogram histogram;
	struct profile profile;
	__u64 count = 0, bytes = 0;
	size_t gaps = 0;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	histogram__requests(&histogram, &profile.processes[0]);
	assert_true(histogram.rows[0].low == 0 && histogram.rows[0].high == 1);
	assert_true(histogram.rows[histogram.nr_rows - 1].low == 32 << 20);
	for (size_t i = 0; i < histogram.nr_rows; i++) {
		count += histogram.rows[i].count;
		bytes += histogram.rows[i].bytes;
		gaps += histogram.rows[i].gap;
		assert_true(!histogram.rows[i].gap || !histogram.rows[i].count);
	}
	assert_true(count == profile_process__requests(&profile.processes[0]));
	assert_true(bytes == profile_process__request_bytes(&profile.processes[0]));
	assert_int_equal(gaps, 3);
	histogram__first_touches(&histogram, &profile.processes[0]);
	assert_int_equal(histogram.nr_rows, 5);
	assert_true(histogram.rows[4].low == 2 << 20 && histogram.rows[4].bytes == 4 << 20);
	profile__free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_depths),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_grouped),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_books_that_do_not_balance),
		cmocka_unit_test(test_largest_numbers),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_nothing_measured),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

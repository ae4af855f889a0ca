/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "quantity.h"

#define MAX_WORDS 32

/* A command line, split at spaces; its words live as long as the options. */
struct line {
	char text[256];
	char *argv[MAX_WORDS];
	struct options options;
	char output[8192]; /* of stdout and stderr */
};

/* What a stream's descriptor is written to meanwhile goes to a file. */
static int redirect(int descriptor, FILE *file)
{
	int saved = dup(descriptor);

	assert_true(saved >= 0);
	assert_true(dup2(fileno(file), descriptor) >= 0);
	return saved;
}

static void restore(int descriptor, int saved)
{
	dup2(saved, descriptor);
	close(saved);
}

static int parse(struct line *line, const char *text)
{
	int argc = 0, result, saved_out, saved_err;
	FILE *file = tmpfile();
	size_t length;

	assert_non_null(file);
	snprintf(line->text, sizeof(line->text), "hist %s", text);
	for (char *word = strtok(line->text, " "); word; word = strtok(NULL, " "))
		line->argv[argc++] = word;
	line->argv[argc] = NULL;

	fflush(NULL);
	saved_out = redirect(STDOUT_FILENO, file);
	saved_err = redirect(STDERR_FILENO, file);
	result = options__parse(argc, line->argv, &line->options);
	fflush(NULL);
	restore(STDOUT_FILENO, saved_out);
	restore(STDERR_FILENO, saved_err);

	rewind(file);
	length = fread(line->output, 1, sizeof(line->output) - 1, file);
	line->output[length] = '\0';
	fclose(file);
	return result;
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		__u64 ns;
	} good[] = {
		{ "500ms", 500000000 },
		{ "10s", 10000000000 },
		{ "2m", 120000000000 },
		{ "1h", 3600000000000 },
		{ "1.5s", 1500000000 },
		{ "0.25ms", 250000 },
		{ "0.000001s", 1000 },
		{ "1.999999999s", 1999999000 },
		{ "007s", 7000000000 },
		{ "2562047h", 9223369200000000000 },
		{ "1.000000000000s", 1000000000 },
	};
	static const char *const bad[] = { "",	  "10",	 "s",	"-1s",	"+1s",	" 1s",	"1 s", "1x",
					   "1sx", "1.s", ".5s", "1e3s", "0x1s", "1s1s", "1,5s" };
	static const char *const out_of_range[] = {
		"0s",
		"0.0s",
		"0.0000001s",
		"2562048h",
		"99999999999999999999s",
		"18446744073709551615m",
	};
	__u64 ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(quantity__parse_duration(good[i].text, &ns), 0);
		assert_true(ns == good[i].ns);
	}
	ns = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(quantity__parse_duration(bad[i], &ns), -EINVAL);
	for (size_t i = 0; i < sizeof(out_of_range) / sizeof(out_of_range[0]); i++)
		assert_int_equal(quantity__parse_duration(out_of_range[i], &ns), -ERANGE);
	assert_true(ns == 42);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		__u64 bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "128K", 131072 },
		{ "128k", 131072 },
		{ "1M", 1 << 20 },
		{ "3MiB", 3 << 20 },
		{ "2G", 2ULL << 30 },
		{ "17179869183G", 17179869183ULL << 30 },
		{ "18446744073709551615", ~0ULL },
	};
	static const char *const bad[] = {
		"", "K", "-1", "1KB", "1.5K", "1T", "1 K", "1KK", "0x10"
	};
	__u64 bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(quantity__parse_size(bad[i], &bytes), -EINVAL);
	assert_int_equal(quantity__parse_size("17179869184G", &bytes), -ERANGE);
	assert_int_equal(quantity__parse_size("18446744073709551616", &bytes), -ERANGE);
	assert_true(bytes == 42);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(quantity__parse_size(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
}

static void test_defaults(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(parse(&line, ""), 0);
	assert_int_equal(line.options.target, TARGET_ALL);
	assert_int_equal(line.options.depth, DEPTH_ENTRY);
	assert_true(line.options.duration_ns == 0);
	assert_true(line.options.interval_ns == 0);
	assert_int_equal(line.options.top, 5);
	assert_int_equal(line.options.sort, SORT_DEFAULT);
	assert_int_equal(line.options.group_by, GROUP_PID);
	assert_true(line.options.min_size == 0 && line.options.max_size == ~0ULL);
	assert_null(line.options.command);
	assert_null(line.options.output);
	assert_false(line.options.json || line.options.verbose || line.options.children);
	assert_string_equal(line.output, "");
	options__free(&line.options);
}

static void test_everything(void **state)
{
	struct line line;
	struct options *options = &line.options;

	(void)state;
	assert_int_equal(parse(&line, "-p 7,8 -p 8,9 --children -d 10s --interval 1s --count 3 "
				      "--probes full --group-by cgroup --sort touched --top 0 "
				      "--min-size 1K --max-size 1M --json -o out.json -v"),
			 0);
	assert_int_equal(options->target, TARGET_PIDS);
	assert_int_equal(options->nr_pids, 3);
	assert_int_equal(options->pids[0], 7);
	assert_int_equal(options->pids[2], 9);
	assert_true(options->children && options->json && options->verbose);
	assert_true(options->duration_ns == 10000000000 && options->interval_ns == 1000000000);
	assert_int_equal(options->count, 3);
	assert_int_equal(options->depth, DEPTH_FULL);
	assert_int_equal(options->group_by, GROUP_CGROUP);
	assert_int_equal(options->sort, SORT_TOUCHED);
	assert_int_equal(options->top, 0);
	assert_true(options->min_size == 1024 && options->max_size == 1 << 20);
	assert_string_equal(options->output, "out.json");
	options__free(options);
}

static void test_targets(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(parse(&line, "-n abcdefghijklmno"), 0);
	assert_int_equal(line.options.target, TARGET_COMM);
	assert_string_equal(line.options.comm, "abcdefghijklmno");
	assert_int_equal(parse(&line, "--cgroup=/system.slice"), 0);
	assert_int_equal(line.options.target, TARGET_CGROUP);
	assert_string_equal(line.options.cgroup, "/system.slice");
	assert_int_equal(parse(&line, "-a -o -"), 0);
	assert_int_equal(line.options.target, TARGET_ALL);
	assert_null(line.options.output);
	options__free(&line.options);
}

/* What follows "--" is the command's, also what looks like our options. */
static void test_command(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(parse(&line, "-d 1s --probes full -- ls -l --json -- x"), 0);
	assert_int_equal(line.options.target, TARGET_COMMAND);
	assert_string_equal(line.options.command[0], "ls");
	assert_string_equal(line.options.command[2], "--json");
	assert_string_equal(line.options.command[4], "x");
	assert_null(line.options.command[5]);
	assert_false(line.options.json);
	options__free(&line.options);
}

/* Each is refused in one line that begins with our name and has the thing in it. */
static void test_refused(void **state)
{
	static const struct {
		const char *text, *named;
	} rows[] = {
		{ "--frobnicate", "'--frobnicate'" },
		{ "-x", "'-x'" },
		{ "-vx", "'-x'" },
		{ "--c 1", "'--c'" },
		{ "-d", "-d needs a value" },
		{ "-v --interval", "--interval needs a value" },
		{ "--json=1", "--json takes no value" },
		{ "ls", "'ls'" },
		{ "--", "no command" },
		{ "-p 1 -n sh", "-p and -n" },
		{ "-n sh --cgroup /a", "-n and --cgroup" },
		{ "-a -p 1", "-a and -p" },
		{ "-p 1 -- ls", "-p and CMD" },
		{ "-a -- ls", "-a and CMD" },
		{ "-n sh -n bash", "bash" },
		{ "--cgroup /a --cgroup /b", "/b" },
		{ "-p 0", "-p 0" },
		{ "-p -3", "-p -3" },
		{ "-p 1,,2", "1,,2" },
		{ "-p 12x", "12x" },
		{ "-p 1,", "1," },
		{ "-p 99999999999", "99999999999" },
		{ "-n abcdefghijklmnop", "15 characters" },
		{ "-d 10", "-d 10" },
		{ "-d 0s", "-d 0s" },
		{ "-d -1s", "-1s" },
		{ "--interval 0ms", "--interval 0ms" },
		{ "--interval 1s --count 0", "--count 0" },
		{ "--interval 1s --count many", "many" },
		{ "--count 3", "--interval" },
		{ "--probes all", "kernel, entry and full" },
		{ "--group-by user", "pid, comm, exe and cgroup" },
		{ "--sort size", "requests" },
		{ "--top -1", "--top -1" },
		{ "--min-size 1KB", "1KB" },
		{ "--max-size 99999999999G", "too large" },
		{ "--min-size 2K --max-size 1K", "--min-size 2048" },
		{ "--probes kernel --min-size 2K", "--probes kernel" },
		{ "--probes full", "refused system-wide without sampling" },
		{ "--probes full -a", "refused system-wide without sampling" },
		{ "--children", "-p" },
		{ "--children -a", "-p" },
		{ "--children --cgroup /a", "sub-groups" },
		{ "--children -- ls", "always followed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct line line;
		char *newline;

		assert_int_equal(parse(&line, rows[i].text), -1);
		assert_int_equal(line.options.exit_status, EXIT_USAGE);
		assert_ptr_equal(strstr(line.output, "allocpath: "), line.output);
		newline = strchr(line.output, '\n');
		assert_non_null(newline);
		assert_string_equal(newline, "\n");
		if (!strstr(line.output, rows[i].named))
			fail_msg("hist %s: %s", rows[i].text, line.output);
		options__free(&line.options);
	}
}

static void test_help_and_version(void **state)
{
	struct line line;

	(void)state;
	assert_int_equal(parse(&line, "--version"), -1);
	assert_int_equal(line.options.exit_status, 0);
	assert_string_equal(line.output, "allocpath " ALLOCPATH_VERSION "\n");

	assert_int_equal(parse(&line, "--help"), -1);
	assert_int_equal(line.options.exit_status, 0);
	assert_non_null(strstr(line.output, "--group-by KEY"));
	assert_non_null(strstr(line.output, "-p PID[,PID...]"));
	for (char *at = strtok(line.output, "\n"); at; at = strtok(NULL, "\n"))
		assert_true(strlen(at) <= 80);
}

/* The help of --sort is written by hand: it has every key. */
static void test_help_has_every_sort_key(void **state)
{
	struct line line;

	(void)state;
	parse(&line, "--help");
	for (int key = SORT_DEFAULT + 1; key < NR_SORT_KEYS; key++)
		assert_non_null(strstr(line.output, sort_key__name(key)));
	parse(&line, "--sort nothing");
	for (int key = SORT_DEFAULT + 1; key < NR_SORT_KEYS; key++)
		assert_non_null(strstr(line.output, sort_key__name(key)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_help_has_every_sort_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

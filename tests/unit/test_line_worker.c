/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line_worker.h"

static struct line_answer answer;

/* A function whose lines are asked for: what is at its address in the file. */
__attribute__((noinline)) static int known_function(int value)
{
	return value * 5 + (int)getpid();
}

static const int known_line = __LINE__ - 5;

/* Where the linker has put the program's start, which is address 0 of its file. */
extern const char __executable_start[];

static uint64_t address_of_known(void)
{
	return (uintptr_t)known_function - (uintptr_t)__executable_start;
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int ask(struct line_worker *worker, const void *owner, int fd)
{
	return line_worker__ask(worker, owner, fd, -1, address_of_known(), &answer);
}

static void assert_known(void)
{
	assert_int_equal(answer.nr_frames, 1);
	assert_string_equal(answer.text + answer.frames[0].function, "known_function");
	assert_non_null(strstr(answer.text + answer.frames[0].file, "test_line_worker.c"));
	assert_in_range(answer.frames[0].line, known_line, known_line + 3);
}

static void lines_are_told(void **state)
{
	struct line_worker worker;
	int fd = open_self();

	(void)state;
	assert_int_not_equal(known_function(1), 0);
	line_worker__open(&worker, NULL);
	assert_int_equal(worker.pid, 0);
	assert_int_equal(ask(&worker, "a", fd), 0);
	assert_known();
	/* Once it is open there, the descriptor is not looked at. */
	assert_int_equal(ask(&worker, "a", -1), 0);
	assert_known();
	assert_int_equal(line_worker__ask(&worker, "a", fd, -1, 1, &answer), 0);
	assert_int_equal(answer.nr_frames, 0);
	line_worker__close(&worker);
	close(fd);
}

static void more_files_than_slots(void **state)
{
	static const char owners[3 * LINE_MAX_FILES];
	struct line_worker worker;
	int fd = open_self();

	(void)state;
	line_worker__open(&worker, NULL);
	for (size_t i = 0; i < sizeof(owners); i++) {
		assert_int_equal(ask(&worker, &owners[i], fd), 0);
		assert_known();
	}
	assert_int_equal(ask(&worker, &owners[0], fd), 0);
	assert_known();
	line_worker__close(&worker);
	close(fd);
}

static void what_is_no_file_has_no_lines(void **state)
{
	struct line_worker worker;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)state;
	line_worker__open(&worker, NULL);
	assert_int_equal(ask(&worker, "a", fd), 0);
	assert_int_equal(answer.nr_frames, 0);
	line_worker__close(&worker);
	close(fd);
}

static void a_process_that_ends_is_started_again_a_few_times(void **state)
{
	struct line_worker worker;
	int fd = open_self(), lives;

	(void)state;
	line_worker__open(&worker, NULL);
	for (lives = 0; lives < LINE_WORKER_LIVES; lives++) {
		assert_int_equal(ask(&worker, "a", fd), 0);
		assert_known();
		kill(worker.pid, SIGKILL);
		assert_int_equal(ask(&worker, "a", fd), -EIO);
		assert_int_equal(worker.pid, 0);
	}
	assert_int_equal(ask(&worker, "a", fd), -EPIPE);
	line_worker__close(&worker);
	close(fd);
}

static void a_process_that_hangs_is_ended(void **state)
{
	volatile sig_atomic_t cancel = 0;
	struct line_worker worker;
	int fd = open_self();

	(void)state;
	line_worker__open(&worker, &cancel);
	assert_int_equal(ask(&worker, "a", fd), 0);
	worker.timeout_ms = 100;
	kill(worker.pid, SIGSTOP);
	assert_int_equal(ask(&worker, "a", fd), -ETIMEDOUT);
	assert_int_equal(worker.lost, 1);
	worker.timeout_ms = LINE_WORKER_MS;
	assert_int_equal(ask(&worker, "a", fd), 0);
	assert_known();
	kill(worker.pid, SIGSTOP);
	cancel = 1;
	assert_int_equal(ask(&worker, "a", fd), -ECANCELED);
	assert_int_equal(worker.lost, 1);
	line_worker__close(&worker);
	close(fd);
}

static size_t count_descriptors(pid_t pid)
{
	struct dirent *entry;
	size_t nr = 0;
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		nr += entry->d_name[0] != '.';
	closedir(directory);
	return nr;
}

static void the_process_has_no_privileges(void **state)
{
	char path[64], line[256];
	struct line_worker worker;
	unsigned int uid = 0, bare = 0;
	int fd = open_self();
	FILE *status;

	(void)state;
	if (geteuid())
		skip();
	line_worker__open(&worker, NULL);
	assert_int_equal(ask(&worker, "a", fd), 0);
	/* Standard error, the socket, and the file. */
	assert_int_equal(count_descriptors(worker.pid), 3);
	snprintf(path, sizeof(path), "/proc/%d/status", worker.pid);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status)) {
		unsigned long long set;

		if (sscanf(line, "Uid: %*u %u", &uid) == 1)
			bare |= uid == 65534;
		if (sscanf(line, "CapEff: %llx", &set) == 1 && !set)
			bare |= 2;
		if (!strcmp(line, "NoNewPrivs:\t1\n"))
			bare |= 4;
	}
	fclose(status);
	assert_int_equal(bare, 7);
	line_worker__close(&worker);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_told),
		cmocka_unit_test(more_files_than_slots),
		cmocka_unit_test(what_is_no_file_has_no_lines),
		cmocka_unit_test(a_process_that_ends_is_started_again_a_few_times),
		cmocka_unit_test(a_process_that_hangs_is_ended),
		cmocka_unit_test(the_process_has_no_privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

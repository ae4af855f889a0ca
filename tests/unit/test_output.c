/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each test has an empty directory of its own, and what is left in it is what counts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"

struct fixture {
	char directory[64];
	char path[96]; /* a file in it, that is not there yet */
	struct output output;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	*state = fixture;
	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/allocpath-output.XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof(fixture->path), "%s/report", fixture->directory);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	assert_int_equal(rmdir(fixture->directory), 0);
	free(fixture);
	return 0;
}

static size_t count_entries(const struct fixture *fixture)
{
	DIR *directory = opendir(fixture->directory);
	struct dirent *entry;
	size_t nr = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		nr += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(directory);
	return nr;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char read[256] = "";
	size_t length;

	assert_non_null(file);
	length = fread(read, 1, sizeof(read) - 1, file);
	fclose(file);
	read[length] = 0;
	assert_string_equal(read, text);
}

static void without_a_path_it_is_stdout(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(output__open(&fixture->output, NULL, false), 0);
	assert_ptr_equal(fixture->output.stream, stdout);
	assert_int_equal(output__close(&fixture->output, 0), 0);
	assert_int_equal(output__close(&fixture->output, -EIO), -EIO);
	assert_true(fcntl(1, F_GETFD) >= 0);
}

static void a_file_appears_at_the_end(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;

	assert_int_equal(output__open(&fixture->output, fixture->path, false), 0);
	assert_true(fputs("whole", fixture->output.stream) >= 0);
	assert_int_equal(fflush(fixture->output.stream), 0);
	assert_int_equal(access(fixture->path, F_OK), -1);
	assert_int_equal(output__close(&fixture->output, 0), 0);
	assert_holds(fixture->path, "whole");
	assert_int_equal(count_entries(fixture), 1);
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0644);
}

static void an_existing_file_is_replaced_at_the_end(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture->path, "a longer old one");
	assert_int_equal(output__open(&fixture->output, fixture->path, false), 0);
	assert_true(fputs("new", fixture->output.stream) >= 0);
	assert_int_equal(fflush(fixture->output.stream), 0);
	assert_holds(fixture->path, "a longer old one");
	assert_int_equal(output__close(&fixture->output, 0), 0);
	assert_holds(fixture->path, "new");
	assert_int_equal(count_entries(fixture), 1);
}

static void nothing_is_left_on_an_error(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(output__open(&fixture->output, fixture->path, false), 0);
	assert_true(fputs("half", fixture->output.stream) >= 0);
	assert_int_equal(output__close(&fixture->output, -EINTR), -EINTR);
	assert_int_equal(count_entries(fixture), 0);
	/* Nothing is open any more: closing again changes nothing. */
	assert_int_equal(output__close(&fixture->output, -EINTR), -EINTR);
}

static void an_existing_file_is_kept_on_an_error(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture->path, "old");
	assert_int_equal(output__open(&fixture->output, fixture->path, false), 0);
	assert_true(fputs("half", fixture->output.stream) >= 0);
	assert_int_equal(output__close(&fixture->output, -EINTR), -EINTR);
	assert_holds(fixture->path, "old");
	assert_int_equal(count_entries(fixture), 1);
}

/* A death in the middle of the report, which no code of ours can answer. */
static void nothing_is_left_by_a_kill(void **state)
{
	struct fixture *fixture = *state;
	int status, fd;
	pid_t pid;

	fd = open(fixture->directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		skip(); /* this file system has no unnamed files */
	close(fd);
	pid = fork();
	if (!pid) {
		if (output__open(&fixture->output, fixture->path, false) ||
		    fputs("half", fixture->output.stream) < 0 || fflush(fixture->output.stream))
			_exit(1);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(count_entries(fixture), 0);
}

static void a_directory_that_is_not_there_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/none/report", fixture->directory);
	assert_int_equal(output__open(&fixture->output, path, false), -ENOENT);
	assert_null(fixture->output.stream);
	assert_int_equal(output__close(&fixture->output, -ENOENT), -ENOENT);
	snprintf(path, sizeof(path), "%s/none/report", fixture->directory);
	assert_int_equal(output__open(&fixture->output, path, true), -ENOENT);
	assert_int_equal(output__open(&fixture->output, fixture->directory, false), -EISDIR);
	assert_int_equal(output__open(&fixture->output, "", false), -ENOENT);
	assert_int_equal(count_entries(fixture), 0);
}

/* As another user, since root may write anywhere. */
static int open_as_nobody(struct fixture *fixture)
{
	int status;
	pid_t pid;

	if (chmod(fixture->directory, 0755))
		return -errno;
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(0);
		_exit(-output__open(&fixture->output, fixture->path, false));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void what_may_not_be_written_is_refused_at_once(void **state)
{
	struct fixture *fixture = *state;

	if (geteuid())
		skip();
	assert_int_equal(open_as_nobody(fixture), -EACCES);
	assert_int_equal(count_entries(fixture), 0);
	/* A file that is not ours, where a new one could be made beside it. */
	write_file(fixture->path, "old");
	assert_int_equal(chmod(fixture->path, 0444), 0);
	assert_int_equal(chown(fixture->directory, 65534, 65534), 0);
	assert_int_equal(open_as_nobody(fixture), -EACCES);
	assert_holds(fixture->path, "old");
	assert_int_equal(count_entries(fixture), 1);
}

static void a_full_device_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(output__open(&fixture->output, "/dev/full", false), 0);
	assert_true(fputs("lost", fixture->output.stream) >= 0);
	assert_int_equal(output__close(&fixture->output, 0), -ENOSPC);
	assert_int_equal(access("/dev/full", F_OK), 0);
}

/* The write that fails is one in the middle; the last one may well succeed. */
static void a_full_device_is_an_error_for_a_long_report(void **state)
{
	struct fixture *fixture = *state;
	FILE *stream;

	assert_int_equal(output__open(&fixture->output, "/dev/full", false), 0);
	stream = fixture->output.stream;
	for (int i = 0; i < 100000; i++)
		fputs("0123456789", stream);
	while (fflush(stream))
		;
	assert_true(output__close(&fixture->output, 0) < 0);
}

static void a_stream_of_reports_is_written_in_place(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture->path, "a longer old one");
	assert_int_equal(output__open(&fixture->output, fixture->path, true), 0);
	assert_true(fputs("one\n", fixture->output.stream) >= 0);
	assert_int_equal(fflush(fixture->output.stream), 0);
	assert_holds(fixture->path, "one\n");
	/* What came before the error was whole, and stays. */
	assert_int_equal(output__close(&fixture->output, -EINTR), -EINTR);
	assert_holds(fixture->path, "one\n");
	assert_int_equal(count_entries(fixture), 1);
}

static void a_pipe_is_written_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	char read_back[16] = "";
	int fd;

	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	fd = open(fixture->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(output__open(&fixture->output, fixture->path, false), 0);
	assert_true(fputs("through", fixture->output.stream) >= 0);
	assert_int_equal(output__close(&fixture->output, 0), 0);
	assert_int_equal(read(fd, read_back, sizeof(read_back) - 1), 7);
	assert_string_equal(read_back, "through");
	close(fd);
	assert_int_equal(count_entries(fixture), 1);
}

#define output_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		output_test(without_a_path_it_is_stdout),
		output_test(a_file_appears_at_the_end),
		output_test(an_existing_file_is_replaced_at_the_end),
		output_test(nothing_is_left_on_an_error),
		output_test(an_existing_file_is_kept_on_an_error),
		output_test(nothing_is_left_by_a_kill),
		output_test(a_directory_that_is_not_there_is_refused),
		output_test(what_may_not_be_written_is_refused_at_once),
		output_test(a_full_device_is_an_error),
		output_test(a_full_device_is_an_error_for_a_long_report),
		output_test(a_stream_of_reports_is_written_in_place),
		output_test(a_pipe_is_written_as_it_is),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define TEST_SECONDS 30 /* a test that hangs dies by SIGALRM */

/* A command, the two ends of its stdin and stdout, and what it printed. */
struct fixture {
	struct command command;
	int to_command;
	int from_command;
	char output[4096];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->to_command = fixture->from_command = -1;
	*state = fixture;
	alarm(TEST_SECONDS);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	alarm(0);
	close(fixture->to_command);
	close(fixture->from_command);
	free(fixture);
	return 0;
}

/* Forks a command that has pipes for stdin and stdout, as a shell would give them. */
static void fork_command(struct fixture *fixture, char *const *argv)
{
	int in[2], out[2], stdin_copy, stdout_copy, error;

	fflush(stdout);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	stdin_copy = fcntl(0, F_DUPFD_CLOEXEC, 3);
	stdout_copy = fcntl(1, F_DUPFD_CLOEXEC, 3);
	assert_true(stdin_copy >= 0 && stdout_copy >= 0);
	dup2(in[0], 0);
	dup2(out[1], 1);
	error = command__fork(&fixture->command, argv);
	dup2(stdin_copy, 0);
	dup2(stdout_copy, 1);
	close(stdin_copy);
	close(stdout_copy);
	close(in[0]);
	close(out[1]);
	fixture->to_command = in[1];
	fixture->from_command = out[0];
	assert_int_equal(error, 0);
	assert_true(fixture->command.pid > 0);
}

/* Until nobody holds the other end. */
static const char *read_output(struct fixture *fixture)
{
	size_t nr = 0;
	ssize_t length;

	while ((length = read(fixture->from_command, fixture->output + nr,
			      sizeof(fixture->output) - 1 - nr)) > 0)
		nr += (size_t)length;
	assert_int_equal(length, 0);
	fixture->output[nr] = 0;
	return fixture->output;
}

static void wait_for_end(struct fixture *fixture)
{
	while (!fixture->command.ended) {
		command__poll(&fixture->command);
		poll(NULL, 0, 1);
	}
}

/* Runs "sh -c script" and returns what it prints. */
static const char *run_script(struct fixture *fixture, char *script)
{
	char *argv[] = { "sh", "-c", script, NULL };

	fork_command(fixture, argv);
	assert_int_equal(command__start(&fixture->command), 0);
	read_output(fixture);
	wait_for_end(fixture);
	return fixture->output;
}

static void it_waits_until_it_is_started(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "echo", "started", NULL };
	struct pollfd output;

	fork_command(fixture, argv);
	output = (struct pollfd){ .fd = fixture->from_command, .events = POLLIN };
	assert_int_equal(poll(&output, 1, 200), 0);
	command__poll(&fixture->command);
	assert_false(fixture->command.ended);
	assert_int_equal(command__exit_status(&fixture->command), 0);
	assert_int_equal(command__start(&fixture->command), 0);
	assert_string_equal(read_output(fixture), "started\n");
	wait_for_end(fixture);
	assert_int_equal(command__exit_status(&fixture->command), 0);
	command__close(&fixture->command);
}

static void streams_and_arguments_are_its_own(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "sh",	   "-c", "echo \"$#:$0:$1:$2:$3\"; cat", "zero", "", "two words",
			 "\xff*$", NULL };
	const char line[] = "through stdin\n";

	fork_command(fixture, argv);
	assert_int_equal(command__start(&fixture->command), 0);
	assert_int_equal(write(fixture->to_command, line, strlen(line)), strlen(line));
	close(fixture->to_command);
	fixture->to_command = -1;
	assert_string_equal(read_output(fixture), "3:zero::two words:\xff*$\nthrough stdin\n");
	wait_for_end(fixture);
	command__close(&fixture->command);
}

static void the_exit_status_is_passed_on(void **state)
{
	struct fixture *fixture = *state;

	run_script(fixture, "exit 37");
	assert_int_equal(command__exit_status(&fixture->command), 37);
	command__close(&fixture->command);
}

static void a_death_by_a_signal_is_128_more(void **state)
{
	struct fixture *fixture = *state;

	run_script(fixture, "kill -KILL $$");
	assert_int_equal(command__exit_status(&fixture->command), 128 + SIGKILL);
	command__close(&fixture->command);
}

static void assert_cannot_run(struct fixture *fixture, char *path, int error, int status)
{
	char *argv[] = { path, NULL };

	assert_int_equal(command__fork(&fixture->command, argv), 0);
	assert_int_equal(command__start(&fixture->command), error);
	wait_for_end(fixture);
	assert_int_equal(command__exit_status(&fixture->command), status);
	command__close(&fixture->command);
}

static void what_cannot_run_says_why(void **state)
{
	char path[] = "/tmp/allocpath-command.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_cannot_run(*state, "/nonexistent/program", -ENOENT, 127);
	assert_cannot_run(*state, "no-such-program-in-PATH", -ENOENT, 127);
	assert_cannot_run(*state, "", -ENOENT, 127);
	assert_cannot_run(*state, "/", -EACCES, 126);
	assert_cannot_run(*state, path, -EACCES, 126);
	assert_cannot_run(*state, "/etc/passwd/program", -ENOTDIR, 126);
	unlink(path);
	close(fd);
}

static void closed_without_a_start_it_never_ran(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "echo", "ran", NULL };
	pid_t pid;

	fork_command(fixture, argv);
	pid = fixture->command.pid;
	command__close(&fixture->command);
	assert_string_equal(read_output(fixture), "");
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	command__close(&fixture->command);
}

/* The parent dies without a word, as by kill -9: its child's stdout must close with nothing in it. */
static void it_dies_with_a_parent_that_did_not_start_it(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "echo", "ran", NULL };
	int out[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fixture->from_command = out[0];
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		if (command__fork(&fixture->command, argv))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	close(out[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_string_equal(read_output(fixture), "");
}

static void a_running_one_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "cat", NULL };
	int status;
	pid_t pid;

	fork_command(fixture, argv);
	assert_int_equal(command__start(&fixture->command), 0);
	pid = fixture->command.pid;
	command__poll(&fixture->command);
	command__close(&fixture->command);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(command__exit_status(&fixture->command), 0);
	close(fixture->to_command);
	fixture->to_command = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* One killed while it waits is an exec that failed, not a death of ours by SIGPIPE. */
static void a_start_of_a_dead_one_fails(void **state)
{
	struct fixture *fixture = *state;
	char *argv[] = { "true", NULL };
	siginfo_t info;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(command__fork(&fixture->command, argv), 0);
	assert_int_equal(kill(fixture->command.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)fixture->command.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(command__start(&fixture->command), -EPIPE);
	command__poll(&fixture->command);
	assert_int_equal(command__exit_status(&fixture->command), 128 + SIGKILL);
	command__close(&fixture->command);
	signal(SIGPIPE, SIG_DFL);
}

/* The lines of /proc/self/status that tell what is blocked and ignored. */
static void read_own_signals(char *text, size_t size)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];

	assert_non_null(status);
	text[0] = 0;
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6))
			snprintf(text + strlen(text), size - strlen(text), "%s", line);
	fclose(status);
}

/*
 * What is ignored or blocked at the fork is so in the command: hist sets its own signals after it.
 * The test may itself have been started with some ignored.
 */
static void signals_are_inherited(void **state)
{
	struct fixture *fixture = *state;
	char own[512];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	read_own_signals(own, sizeof(own));
	run_script(fixture, "exec sed -n '/^Sig[BI]/p' /proc/self/status");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	command__close(&fixture->command);
	assert_non_null(strstr(own, "SigBlk:\t0000000000000200\n"));
	assert_string_equal(fixture->output, own);
}

/* What the test itself was started with stays open, as it should. */
static void no_descriptor_is_left_in_it(void **state)
{
	struct fixture *fixture = *state;
	int ours = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char expected[4096] = "";

	assert_true(ours >= 0);
	for (int fd = 0; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			snprintf(expected + strlen(expected), 16, "%d ", fd);
	}
	run_script(fixture, "fd=0; while [ $fd -lt 256 ]; do "
			    "[ ! -e /proc/$$/fd/$fd ] || echo -n \"$fd \"; fd=$((fd + 1)); done");
	close(ours);
	command__close(&fixture->command);
	assert_string_equal(fixture->output, expected);
}

static void it_runs_as_the_user_of_sudo(void **state)
{
	struct fixture *fixture = *state;

	if (geteuid())
		skip();
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65533", 1);
	setenv("SUDO_USER", "nobody", 1);
	run_script(fixture, "id -u; id -g; id -G");
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	unsetenv("SUDO_USER");
	command__close(&fixture->command);
	assert_string_equal(fixture->output, "65534\n65533\n65533\n");
}

static void without_sudo_the_user_stays(void **state)
{
	struct fixture *fixture = *state;
	char expected[64];

	snprintf(expected, sizeof(expected), "%u\n%u\n", geteuid(), getegid());
	run_script(fixture, "id -u; id -g");
	command__close(&fixture->command);
	assert_string_equal(fixture->output, expected);
}

#define command_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		command_test(it_waits_until_it_is_started),
		command_test(streams_and_arguments_are_its_own),
		command_test(the_exit_status_is_passed_on),
		command_test(a_death_by_a_signal_is_128_more),
		command_test(what_cannot_run_says_why),
		command_test(closed_without_a_start_it_never_ran),
		command_test(it_dies_with_a_parent_that_did_not_start_it),
		command_test(a_running_one_is_left_alone),
		command_test(a_start_of_a_dead_one_fails),
		command_test(signals_are_inherited),
		command_test(no_descriptor_is_left_in_it),
		command_test(it_runs_as_the_user_of_sudo),
		command_test(without_sudo_the_user_stays),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}

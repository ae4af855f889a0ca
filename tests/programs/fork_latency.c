/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork_latency N: leaves N idle children, says "ready", then forks a child that ends at once, in
 * each millisecond, until its stdin is closed. Each line that it is given asks for the figures since
 * the last one: number, median, 99th percentile and maximum of what fork() took, in microseconds.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_FORKS 1000000

static double forks_us[MAX_FORKS];

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void say(size_t nr)
{
	qsort(forks_us, nr, sizeof(forks_us[0]), compare);
	if (nr)
		printf("%zu %.1f %.1f %.1f\n", nr, forks_us[nr / 2], forks_us[nr * 99 / 100],
		       forks_us[nr - 1]);
	else
		printf("0 0 0 0\n");
	fflush(stdout);
}

static _Noreturn void idle(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int nr_idle = argc > 1 ? atoi(argv[1]) : 0;
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t nr = 0;
	char line[64];

	setvbuf(stdin, NULL, _IONBF, 0);
	for (int i = 0; i < nr_idle; i++) {
		pid_t child = fork();

		if (child < 0) {
			perror("fork_latency: fork");
			return 1;
		}
		if (!child)
			idle();
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		double began;
		pid_t child;

		if (poll(&input, 1, 1) > 0) {
			if (!fgets(line, sizeof(line), stdin))
				break;
			say(nr);
			nr = 0;
			continue;
		}
		began = now_us();
		child = fork();
		if (!child)
			_exit(0);
		if (child > 0 && nr < MAX_FORKS)
			forks_us[nr++] = now_us() - began;
		waitpid(child, NULL, 0);
	}
	return 0;
}

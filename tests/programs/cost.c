/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -static */
/*
 * cost FILE PROGRAM [ARGUMENT...]: runs the program, and writes what it took into the file: wall
 * nanoseconds, processor nanoseconds, peak resident KiB, minor faults, major faults. Small and
 * static, because a peak begins with that of whoever called exec. Ends with the program's status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long time_ns(struct timeval time)
{
	return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long began;
	FILE *file;
	int status;
	pid_t pid;

	if (argc < 3)
		return 2;
	began = now_ns();
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
		perror("cost");
		return 1;
	}
	began = now_ns() - began;
	file = fopen(argv[1], "w");
	if (!file) {
		perror(argv[1]);
		return 1;
	}
	fprintf(file, "%lld %lld %ld %ld %ld\n", began,
		time_ns(usage.ru_utime) + time_ns(usage.ru_stime), usage.ru_maxrss, usage.ru_minflt,
		usage.ru_majflt);
	if (fclose(file)) {
		perror(argv[1]);
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

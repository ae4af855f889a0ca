/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "process_clock.h"

static double timespec__seconds(const struct timespec *time)
{
	return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

int process_clock__read(pid_t pid, double *cpu_s)
{
	struct timespec time;
	clockid_t clock;
	int error;

	error = clock_getcpuclockid(pid, &clock);
	if (error)
		return -error;
	if (clock_gettime(clock, &time))
		return -errno;
	*cpu_s = timespec__seconds(&time);
	return 0;
}

static int process_clock__compare(const void *left, const void *right)
{
	const struct process_clock *a = left, *b = right;

	return (a->pid > b->pid) - (a->pid < b->pid);
}

int process_clock__read_all(struct process_clock **clocks, size_t *nr)
{
	struct process_clock *all = NULL;
	struct dirent *entry;
	size_t room = 0, used = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while ((entry = readdir(proc))) {
		struct process_clock clock = {};

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		clock.pid = atoi(entry->d_name);
		if (process_clock__read(clock.pid, &clock.cpu_s))
			continue;
		if (used == room) {
			struct process_clock *larger;

			room = room ? 2 * room : 256;
			larger = realloc(all, room * sizeof(*larger));
			if (!larger) {
				free(all);
				closedir(proc);
				return -ENOMEM;
			}
			all = larger;
		}
		all[used++] = clock;
	}
	closedir(proc);
	if (used)
		qsort(all, used, sizeof(*all), process_clock__compare);
	*clocks = all;
	*nr = used;
	return 0;
}

double process_clock__find(const struct process_clock *clocks, size_t nr, pid_t pid)
{
	struct process_clock key = { .pid = pid }, *found = NULL;

	if (nr)
		found = bsearch(&key, clocks, nr, sizeof(key), process_clock__compare);
	return found ? found->cpu_s : 0;
}

double process_clock__started_s(__u64 start_ns)
{
	struct timespec boot, monotonic;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	return (double)start_ns / 1e9 - timespec__seconds(&boot) + timespec__seconds(&monotonic);
}

/* The first line of /proc/stat: jiffies of user, nice, system, idle, iowait, irq, softirq, steal. */
double process_clock__host_busy(double *busy_s, double *at_s)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	double busy = 1, now_busy_s, now_at_s;
	struct timespec now;
	FILE *file = fopen("/proc/stat", "re");

	if (!file)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_at_s = timespec__seconds(&now);
	if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
		   &iowait, &irq, &softirq) == 7) {
		now_busy_s = (double)(user + nice + system + irq + softirq) /
			     (double)sysconf(_SC_CLK_TCK);
		if (*at_s > 0 && now_at_s > *at_s)
			busy = (now_busy_s - *busy_s) / (now_at_s - *at_s);
		*busy_s = now_busy_s;
		*at_s = now_at_s;
	}
	fclose(file);
	return busy;
}

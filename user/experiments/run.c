/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts experiments, each as a fresh program, and looks for boundaries by halving. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiment.h"

#define LARGEST (1UL << 20) /* a boundary lies below */

static const char *preload, *setting;

/* What would change the allocator's behaviour, but for what an experiment itself sets. */
static void set_environment(const char *name)
{
	static const char *const cleared[] = {
		"LD_PRELOAD",
		"GLIBC_TUNABLES",
		"MALLOC_MMAP_THRESHOLD_",
		"MALLOC_TRIM_THRESHOLD_",
		"MALLOC_TOP_PAD_",
		"MALLOC_MMAP_MAX_",
		"MALLOC_PERTURB_",
		"MALLOC_ARENA_MAX",
	};

	for (size_t i = 0; i < sizeof(cleared) / sizeof(cleared[0]); i++)
		unsetenv(cleared[i]);
	if (preload)
		setenv("LD_PRELOAD", preload, 1);
	if (setting)
		putenv((char *)setting);
	if (strcmp(name, "pinned_by_environment") == 0)
		setenv("MALLOC_MMAP_THRESHOLD_", "131072", 1);
}

/* Its exit status; label names its lines. */
static int start(const char *name, size_t argument, const char *label)
{
	char number[32];
	char *const words[] = { "experiment", (char *)name, number, (char *)label, NULL };
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%zu", argument);
	pid = fork();
	if (!pid) {
		set_environment(label);
		execv("/proc/self/exe", words);
		_exit(EXPERIMENT_BAD);
	}
	if (pid < 0)
		return EXPERIMENT_BAD;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXPERIMENT_BAD;
	experiment__tell_of(label, pid, "ran",
			    !WIFEXITED(status) || WEXITSTATUS(status) == EXPERIMENT_BAD);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXPERIMENT_BAD;
}

/* The smallest request that gets a mapping of its own; 0: none does, up to LARGEST. */
static size_t find_boundary(const char *name)
{
	size_t low = 1, high = LARGEST; /* low is not mapped, high is */

	if (start(name, high, name) != EXPERIMENT_MAPPED)
		return 0;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (start(name, middle, name) == EXPERIMENT_MAPPED)
			high = middle;
		else
			low = middle;
	}
	return high;
}

static void run_bisection(const char *name, const char *label)
{
	char below[64], from[64];
	size_t boundary = find_boundary(name);

	experiment__begin(label);
	experiment__tell("boundary", boundary);
	if (!boundary)
		return;
	/* Once more, for the probes to say the same. */
	snprintf(below, sizeof(below), "%s_below", label);
	snprintf(from, sizeof(from), "%s_from", label);
	start(name, boundary - 1, below);
	start(name, boundary, from);
}

int experiments__run(int argc, char **argv)
{
	int failed = 0;

	experiment__begin("run");
	for (int i = 0; i < argc; i++) {
		char *colon = strchr(argv[i], ':');

		if (strncmp(argv[i], "preload=", 8) == 0)
			preload = argv[i] + 8;
		else if (strncmp(argv[i], "setting=", 8) == 0)
			setting = argv[i] + 8;
		else if (strcmp(argv[i], "bisect_first") == 0)
			run_bisection("first_request", argv[i]);
		else if (strcmp(argv[i], "bisect_second") == 0)
			run_bisection("second_request", argv[i]);
		else if (strcmp(argv[i], "bisect_full") == 0)
			run_bisection("request_of_full_heap", argv[i]);
		else if (colon) { /* "one:131072" */
			char name[64];

			snprintf(name, sizeof(name), "%.*s", (int)(colon - argv[i]), argv[i]);
			failed |= start(name, strtoul(colon + 1, NULL, 10), argv[i]) ==
				  EXPERIMENT_BAD;
		} else {
			failed |=
				start(strcmp(argv[i], "pinned_by_environment") ? argv[i] : "moving",
				      0, argv[i]) == EXPERIMENT_BAD;
		}
	}
	return failed;
}

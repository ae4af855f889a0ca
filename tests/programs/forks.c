/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forks [NUMBER]: a program that must not be harmed. It calls every allocation function, forks
 * children that do the same, in a thread too, and have a child each. Exit 0 if all of them lived.
 * With LD_PRELOAD=libnop5.so its functions begin with a five-byte nop.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth_calls.h"

static void *allocate(void *unused)
{
	for (int i = 0; i < 50; i++) {
		void *block = libc_malloc(100), *aligned = NULL;

		block = libc_realloc(block, 200000);
		libc_free(block);
		libc_free(libc_calloc(10, 30));
		libc_free(libc_memalign(64, 100));
		libc_free(libc_aligned_alloc(64, 128));
		libc_free(libc_valloc(100));
		libc_free(libc_pvalloc(100));
		if (!libc_posix_memalign(&aligned, 64, 100))
			libc_free(aligned);
	}
	return unused;
}

/* 0: the child, and its children, ended well. */
static int fork_one(int generations)
{
	pthread_t thread;
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return 1;
	if (pid)
		return waitpid(pid, &status, 0) != pid || status;
	allocate(NULL);
	if (pthread_create(&thread, NULL, allocate, NULL) || pthread_join(thread, NULL))
		_exit(1);
	_exit(generations > 1 ? fork_one(generations - 1) : 0);
}

int main(int argc, char **argv)
{
	int number = argc > 1 ? atoi(argv[1]) : 20;

	allocate(NULL);
	for (int i = 0; i < number; i++)
		if (fork_one(2))
			return 1;
	allocate(NULL);
	return 0;
}

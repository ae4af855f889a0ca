/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stacks [LIBRARY]: asks for memory from places whose callers are known by name: chains, recursion,
 * frames that are large, aligned or of changing size, threads, signal handlers, a forked child, and
 * with LIBRARY what dlopen() brings. Frame pointers are left out, as everywhere in Debian.
 */
/* build: -O2 -fomit-frame-pointer */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTION __attribute__((noinline, used)) static
/* Keeps a call from becoming a jump. */
#define STAY __asm__ volatile("" ::: "memory")

FUNCTION void ask(size_t size)
{
	void *block = malloc(size);

	__asm__ volatile("" : : "r"(block) : "memory");
	free(block);
}

FUNCTION void chain_c(void)
{
	ask(1001);
	STAY;
}
FUNCTION void chain_b(void)
{
	chain_c();
	STAY;
}
FUNCTION void chain_a(void)
{
	chain_b();
	STAY;
}

FUNCTION void recursion(int depth)
{
	if (depth)
		recursion(depth - 1);
	else
		ask(1002);
	STAY;
}

FUNCTION void large_frame(void)
{
	char bytes[100000];

	__asm__ volatile("" : : "r"(bytes) : "memory");
	ask(1003);
	STAY;
}

FUNCTION void aligned_frame(void)
{
	char bytes[64] __attribute__((aligned(64)));

	__asm__ volatile("" : : "r"(bytes) : "memory");
	ask(1004);
	STAY;
}

FUNCTION void changing_frame(int size)
{
	char bytes[size];

	__asm__ volatile("" : : "r"(bytes) : "memory");
	ask(1005);
	STAY;
}

FUNCTION void *thread_begin(void *unused)
{
	(void)unused;
	ask(1006);
	STAY;
	return NULL;
}

FUNCTION void handle_inner(int number)
{
	(void)number;
	ask(1007);
	STAY;
}

FUNCTION void handle_outer(int number)
{
	(void)number;
	ask(1008);
	raise(SIGUSR2);
	STAY;
}

FUNCTION void with_signals(void)
{
	raise(SIGUSR1);
	STAY;
}

FUNCTION void in_child(void)
{
	ask(1009);
	STAY;
}

FUNCTION void in_library(const char *path)
{
	void (*call)(void (*)(size_t)), *library = dlopen(path, RTLD_NOW);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&call = dlsym(library, "stacks_call");
	usleep(300000); /* until its unwind table stands */
	call(ask);
	STAY;
	dlclose(library);
}

int main(int argc, char **argv)
{
	static char alternate[1 << 16];
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction outer = { .sa_handler = handle_outer, .sa_flags = SA_ONSTACK };
	struct sigaction inner = { .sa_handler = handle_inner };
	pthread_t thread;
	pid_t child;

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &outer, NULL);
	sigaction(SIGUSR2, &inner, NULL);
	chain_a();
	recursion(10);
	large_frame();
	aligned_frame();
	changing_frame(argc * 1000);
	pthread_create(&thread, NULL, thread_begin, NULL);
	pthread_join(thread, NULL);
	with_signals();
	if (argc > 1)
		in_library(argv[1]);
	child = fork();
	if (!child) {
		in_child();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	return 0;
}

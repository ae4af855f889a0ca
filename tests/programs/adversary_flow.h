/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cases of adversary.c where the flow of control is the trick: coroutines, jumps inside libc,
 * processes and signal handlers.
 */
#ifndef ADVERSARY_FLOW_H
#define ADVERSARY_FLOW_H

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "adversary_cases.h"

static ucontext_t main_context, contexts[2];
static char context_stacks[2][128 << 10] __attribute__((aligned(16)));

/* Turn about: each finds the slots of the others standing, above or below its own stack. */
static void context_work(int which)
{
	for (;;) {
		if (which)
			deep_malloc(SMALL);
		use_mapping();
		deep_mapping();
		if (nr_threads < rounds)
			deep_pthread();
		swapcontext(&contexts[which], &main_context);
	}
}

static NOINLINE void coroutine(void)
{
	pthread_barrier_init(&barrier, NULL, (unsigned int)rounds + 1);
	for (int i = 0; i < 2; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = context_stacks[i];
		contexts[i].uc_stack.ss_size = sizeof(context_stacks[i]);
		makecontext(&contexts[i], (void (*)(void))(uintptr_t)context_work, 1, i);
	}
	for (unsigned long i = 0; i < rounds; i++) {
		uintptr_t block = deep_malloc(SMALL);

		swapcontext(&main_context, &contexts[i % 2]);
		t_free(block);
		t_malloc(SMALL);
		swapcontext(&main_context, &contexts[1 - i % 2]);
	}
	join_threads();
}

/* Calls that go on by a jump to malloc: one request each, not two. */
static NOINLINE void tails(void)
{
	for (unsigned long i = 0; i < rounds; i++) {
		size_t size = i % 2 ? 100 : LARGE;

		t_free(t_realloc(0, size));
		t_free(t_posix_memalign(8, size));
		t_free(t_memalign(16, size));
		t_free(t_aligned_alloc(16, size));
	}
}

static NOINLINE void child_round(void)
{
	uintptr_t mapped = t_malloc(LARGE), block = deep_malloc(SMALL);

	deep_mapping();
	t_free(block);
	t_free(mapped);
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(4);
}

static NOINLINE void forked_child(void)
{
	pid_t pid;

	deep_malloc(SMALL);
	pid = fork();
	if (!pid) {
		stale = 0;
		truth_forget();
		deep_mapping();
		child_round();
		print("children", false, true);
		_exit(0);
	}
	wait_for(pid);
}

static NOINLINE void vforked_child(void)
{
	pid_t pid;

	deep_malloc(SMALL);
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is the case */
	if (!pid) {
		deep_mapping();
		child_round();
		_exit(0);
	}
	wait_for(pid);
}

static NOINLINE void children(void)
{
	for (unsigned long i = 0; i < rounds; i += 20) {
		forked_child();
		vforked_child();
	}
}

static char signal_stack[64 << 10];

static void map_in_handler(int signal)
{
	char *area =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)signal;
	munmap(area, 16 * PAGE);
	handled++;
}

/* Judged by the header alone: the handler's mappings come and go in between. */
static NOINLINE void interrupted(uintptr_t block, size_t size)
{
	bool mapped = chunk_mapped(block);

	if (mapped != (size == LARGE))
		_exit(3);
	truth_book_request(block, size, mapped ? PATH_MMAP : PATH_POOL,
			   mapped ? HOME_MAPPING : HOME_HEAP);
	libc_free((void *)block);
	truth_book_release(block, mapped ? RELEASE_MUNMAP : RELEASE_KEPT);
}

static void interrupt(int flags)
{
	struct sigaction action = { .sa_handler = map_in_handler, .sa_flags = SA_RESTART | flags };
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	struct itimerval timer = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };
	uintptr_t before;

	/* what is small comes from the pool from here on: the heap is there */
	t_free(t_malloc(SMALL));
	t_free(t_calloc(1, 3000));
	before = truth_break();
	if (sigaltstack(&stack, NULL) || sigaction(SIGALRM, &action, NULL) ||
	    setitimer(ITIMER_REAL, &timer, NULL))
		_exit(3);
	for (unsigned long i = 0; i < 20 * rounds; i++) {
		interrupted((uintptr_t)libc_malloc(LARGE), LARGE);
		interrupted((uintptr_t)libc_malloc(SMALL), SMALL);
		interrupted((uintptr_t)libc_calloc(1, 3000), 3000);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	if (truth_break() != before)
		_exit(3);
}

static void handler(void)
{
	interrupt(0);
}

static void handler_altstack(void)
{
	interrupt(SA_ONSTACK);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places from which a stack is hard to find: signals in signals and on a stack of their own,
 * threads, frames of 100 KB, frames of unknown size, frames that are aligned, coroutines, vfork,
 * libraries that come and go, callbacks out of libc, and the ends of threads and of the program.
 * REQUEST(size) asks for memory; main's arguments name what is to be done, all without any.
 */
#ifndef ALLOCPATH_TESTS_CORNERS_H
#define ALLOCPATH_TESTS_CORNERS_H

#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <immintrin.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define ROUNDS 20

static volatile unsigned char sink;

static NOINLINE void leaf(size_t size)
{
	unsigned char *block = REQUEST(size);

	sink = block[0] = (unsigned char)size;
	free(block);
}

/* A frame that is still there when the leaf runs. */
static NOINLINE void through(size_t size)
{
	leaf(size);
	sink++;
}

static NOINLINE void recurse(int depth, size_t size)
{
	if (depth)
		recurse(depth - 1, size);
	else
		leaf(size);
	sink++;
}

static void corner_deep(void)
{
	for (int depth = 1; depth <= 450; depth += 30)
		recurse(depth, 30);
}

static NOINLINE void big_frame(size_t size)
{
	volatile unsigned char bytes[100000];

	bytes[size] = 1;
	through(size + bytes[size]);
	sink = bytes[size];
}

static NOINLINE void unknown_frame(size_t size)
{
	volatile unsigned char bytes[size];

	bytes[0] = 1;
	through(size);
	sink = bytes[0];
}

static NOINLINE void alloca_frame(size_t size)
{
	volatile unsigned char *bytes = alloca(size);

	bytes[0] = 1;
	big_frame(size);
	sink = bytes[0];
}

static NOINLINE void aligned_frame(size_t size)
{
	volatile unsigned char bytes[64] __attribute__((aligned(64)));

	bytes[0] = 1;
	unknown_frame(size);
	sink = bytes[0];
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static NOINLINE void vector_frame(size_t size)
{
	volatile __m256i vector = _mm256_set1_epi8((char)size);
	volatile unsigned char bytes[size];

	bytes[0] = 1;
	aligned_frame(size);
	sink = (unsigned char)_mm256_extract_epi8(vector, 3) + bytes[0];
}
#endif

static void corner_frames(void)
{
	for (size_t size = 1; size < ROUNDS; size++) {
		big_frame(size);
		unknown_frame(size);
		alloca_frame(size);
		aligned_frame(size);
#ifdef __x86_64__
		if (__builtin_cpu_supports("avx2"))
			vector_frame(size);
#endif
	}
}

static void on_signal(int number)
{
	leaf(40);
	if (number == SIGUSR1)
		raise(SIGUSR2);
	through(41);
}

static void take_signal(int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(number, &action, NULL);
}

/* The handler's frame lies above an instruction that is not behind a call. */
static NOINLINE void interrupted(volatile int *address)
{
	*address = 1;
	sink++;
}

static sigjmp_buf behind_fault;

static void on_fault(int number)
{
	through(42);
	siglongjmp(behind_fault, number);
}

static NOINLINE void provoke_fault(void)
{
	if (!sigsetjmp(behind_fault, 1))
		interrupted(NULL);
}

static void corner_signals(void)
{
	struct sigaction fault = { .sa_handler = on_fault };
	stack_t own = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };

	take_signal(SIGUSR1, 0);
	take_signal(SIGUSR2, 0);
	for (int i = 0; i < ROUNDS; i++)
		raise(SIGUSR1);
	sigaltstack(&own, NULL);
	take_signal(SIGUSR1, SA_ONSTACK);
	take_signal(SIGUSR2, SA_ONSTACK);
	for (int i = 0; i < ROUNDS; i++)
		raise(SIGUSR1);
	sigaction(SIGSEGV, &fault, NULL);
	for (int i = 0; i < ROUNDS; i++)
		provoke_fault();
}

static pthread_key_t key;

static void on_thread_end(void *value)
{
	through((size_t)value);
}

static void *thread(void *argument)
{
	pthread_setspecific(key, argument);
	for (int i = 0; i < ROUNDS; i++)
		big_frame(50);
	if ((size_t)argument & 1)
		pthread_exit(NULL);
	return NULL;
}

static void corner_threads(void)
{
	pthread_t threads[8];

	pthread_key_create(&key, on_thread_end);
	for (size_t i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(60 + i));
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

static ucontext_t outside, coroutine;

static void run_coroutine(void)
{
	through(70);
	swapcontext(&coroutine, &outside);
	aligned_frame(71);
}

static void corner_coroutines(void)
{
	char *stack = malloc(1 << 18);

	for (int i = 0; i < ROUNDS; i++) {
		getcontext(&coroutine);
		coroutine.uc_stack.ss_sp = stack;
		coroutine.uc_stack.ss_size = 1 << 18;
		coroutine.uc_link = &outside;
		makecontext(&coroutine, run_coroutine, 0);
		swapcontext(&outside, &coroutine);
		swapcontext(&outside, &coroutine);
	}
	free(stack);
}

static int compare(const void *left, const void *right)
{
	through(80);
	return *(const char *)left - *(const char *)right;
}

static void corner_callbacks(void)
{
	char letters[] = "stacks", wanted = 'k';

	qsort(letters, sizeof(letters) - 1, 1, compare);
	bsearch(&wanted, letters, sizeof(letters) - 1, 1, compare);
}

static void corner_vfork(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t child = vfork();

		if (!child) {
			through(90);
			_exit(0);
		}
		through(91);
		waitpid(child, NULL, 0);
		child = fork();
		if (!child) {
			through(92);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

static void at_end(void)
{
	big_frame(100);
}

static __attribute__((constructor)) void before_main(void)
{
	through(101);
}

static __attribute__((destructor)) void behind_main(void)
{
	through(102);
}

static void corner_ends(void)
{
	atexit(at_end);
}

struct corner {
	const char *name;
	void (*run)(void);
};

static const struct corner corners[] = { { "deep", corner_deep },
					 { "frames", corner_frames },
					 { "signals", corner_signals },
					 { "threads", corner_threads },
					 { "coroutines", corner_coroutines },
					 { "callbacks", corner_callbacks },
					 { "vfork", corner_vfork },
					 { "ends", corner_ends },
#ifdef MORE_CORNERS
					 MORE_CORNERS
#endif
};

static void run_corners(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
		bool wanted = argc == 1;

		for (int j = 1; j < argc; j++)
			wanted |= strcmp(argv[j], corners[i].name) == 0;
		if (wanted)
			corners[i].run();
	}
	usleep(100000); /* who wants to look at our files needs a moment */
}

#endif

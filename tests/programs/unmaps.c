/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unmaps LIBRARY: a process that takes away what its own stack is unwound by. A thread asks for
 * memory behind a function of the library (libstacks.so) and behind a long stack, and never
 * returns to either; meanwhile the library's code and the outer pages of that stack are unmapped,
 * mapped, protected and overwritten. Ends by itself, with 0: nothing of it needs what is gone.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define STACK_BYTES (1UL << 20)
#define OUTER_BYTES (32 * PAGE) /* of the stack, that are left behind and taken away */
#define REQUESTS 30000 /* at least, */
#define ROUNDS 50 /* and so long */

static void (*stacks_call)(void (*call)(size_t));
static char *stack;
static int may_take, done;
static unsigned int round_nr;

static __attribute__((noinline)) void ask(size_t size)
{
	(void)size;
	__atomic_store_n(&may_take, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < REQUESTS || __atomic_load_n(&round_nr, __ATOMIC_RELAXED) < ROUNDS;
	     i++) {
		void *block = malloc(64 + (size_t)i % 1000);

		__asm__ volatile("" : : "r"(block) : "memory");
		free(block);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Down to below what is taken away, then through the library. */
static __attribute__((noinline)) void descend(void)
{
	volatile char room[1000];

	memset((char *)room, 1, sizeof(room));
	if ((char *)room > stack + STACK_BYTES - OUTER_BYTES - 4 * PAGE)
		descend();
	else
		stacks_call(ask);
	room[0] = 2;
}

static void *begin(void *context)
{
	descend();
	return context;
}

int main(int argc, char **argv)
{
	char *outer, *code;
	pthread_attr_t attributes;
	pthread_t thread;
	void *library;

	library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	stacks_call = library ? (void (*)(void (*)(size_t)))dlsym(library, "stacks_call") : NULL;
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!stacks_call || stack == MAP_FAILED)
		return 1;
	/* The top holds what the thread's own exit and thread-local data need. */
	outer = stack + STACK_BYTES - OUTER_BYTES - 2 * PAGE;
	code = (char *)((uintptr_t)stacks_call & ~(PAGE - 1));
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	if (pthread_create(&thread, &attributes, begin, NULL))
		return 1;
	while (!__atomic_load_n(&may_take, __ATOMIC_ACQUIRE))
		usleep(100);
	for (; !__atomic_load_n(&done, __ATOMIC_ACQUIRE);
	     __atomic_add_fetch(&round_nr, 1, __ATOMIC_RELAXED)) {
		/* Mapped again it holds nothing, or what no stack does. */
		munmap(code, PAGE);
		if (mmap(code, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == MAP_FAILED)
			return 1;
		munmap(outer, OUTER_BYTES - 2 * PAGE);
		usleep(200);
		if (mmap(outer, OUTER_BYTES - 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			return 1;
		memset(outer, (int)(round_nr * 37), OUTER_BYTES - 2 * PAGE);
		mprotect(outer, PAGE, PROT_NONE);
		usleep(200);
	}
	_exit(0);
}

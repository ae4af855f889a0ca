/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench malloc|mixed|fault|syscall|mmap N [THREADS]: each thread does one thing N times; prints the
 * nanoseconds that one took: a malloc(64) with its free, one of a mixed size of which 1,000 are
 * kept, a first touch of a page, a getppid, an mmap with its munmap. With BENCH_WAIT in the
 * environment it says "ready" first and waits for a byte.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FAULT_PAGES 4096ul
#define PAGE 4096ul

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_malloc(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		void *volatile block = malloc(64);

		free(block);
	}
}

static void run_fault(unsigned long count)
{
	for (unsigned long done = 0; done < count; done += FAULT_PAGES) {
		volatile char *pages = mmap(NULL, FAULT_PAGES * PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (pages == MAP_FAILED)
			exit(1);
		for (unsigned long i = 0; i < FAULT_PAGES; i++)
			pages[i * PAGE] = 1;
		munmap((void *)pages, FAULT_PAGES * PAGE);
	}
}

static void run_syscall(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		syscall(SYS_getppid);
}

#define KEPT 1000

/* Sizes as programs have them: most small, some of a few KiB, few large. */
static void run_mixed(unsigned long count)
{
	void *kept[KEPT] = { NULL };
	unsigned long random = 88172645463325252;

	for (unsigned long i = 0; i < count; i++) {
		unsigned long size, at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		at = random % KEPT;
		size = (random >> 20) % 100;
		size = size < 80 ? 16 + size * 3 : size < 99 ? 300 + size * 40 : 200000;
		free(kept[at]);
		kept[at] = malloc(size);
	}
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
}

static void run_mmap(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		munmap(page, PAGE);
	}
}

static const struct work {
	const char *name;
	void (*run)(unsigned long count);
} works[] = {
	{ "malloc", run_malloc },   { "mixed", run_mixed }, { "fault", run_fault },
	{ "syscall", run_syscall }, { "mmap", run_mmap },
};

struct thread {
	pthread_t thread;
	const struct work *work;
	unsigned long count;
};

static void *thread__run(void *context)
{
	struct thread *thread = context;

	thread->work->run(thread->count);
	return NULL;
}

/* For who wants to attach before it begins. */
static void wait_for_go(void)
{
	char go;

	if (!getenv("BENCH_WAIT"))
		return;
	puts("ready");
	fflush(stdout);
	if (read(STDIN_FILENO, &go, 1) != 1)
		exit(1);
}

int main(int argc, char **argv)
{
	unsigned long count = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long nr = argc == 4 ? strtoul(argv[3], NULL, 10) : 1;
	const struct work *work = NULL;
	struct thread threads[16];
	double begin_ns;

	for (size_t i = 0; argc >= 3 && i < sizeof(works) / sizeof(works[0]); i++)
		if (!strcmp(argv[1], works[i].name))
			work = &works[i];
	if (!work || !count || !nr || nr > 16) {
		fputs("bench malloc|mixed|fault|syscall|mmap COUNT [THREADS]\n", stderr);
		return 2;
	}
	wait_for_go();
	begin_ns = now_ns();
	for (unsigned long i = 1; i < nr; i++) {
		threads[i] = (struct thread){ .work = work, .count = count };
		if (pthread_create(&threads[i].thread, NULL, thread__run, &threads[i]))
			return 1;
	}
	work->run(count);
	for (unsigned long i = 1; i < nr; i++)
		pthread_join(threads[i].thread, NULL);
	printf("%.1f\n", (now_ns() - begin_ns) / (double)count);
	return 0;
}

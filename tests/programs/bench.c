/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench malloc N | fault N | syscall N: does one thing N times and prints the nanoseconds that one
 * took: a malloc(64) with its free, a first touch of a page, a getppid.
 */
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

int main(int argc, char **argv)
{
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	double begin_ns;

	if (!count) {
		fputs("bench malloc|fault|syscall COUNT\n", stderr);
		return 2;
	}
	begin_ns = now_ns();
	if (!strcmp(argv[1], "malloc"))
		run_malloc(count);
	else if (!strcmp(argv[1], "fault"))
		run_fault(count);
	else
		run_syscall(count);
	printf("%.1f\n", (now_ns() - begin_ns) / (double)count);
	return 0;
}

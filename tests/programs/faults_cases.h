/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cases of faults.c, one function each; rows of the table there say what is known of them.
 */
#ifndef FAULTS_CASES_H
#define FAULTS_CASES_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "truth.h"
#include "truth_print.h"

#define MIB (1l << 20)
#define HUGE_PAGE (2 * MIB)

static const char *file_path; /* 4 MiB on a disk */
static const char *skipped; /* why this host cannot run the case */
static pthread_barrier_t barrier;
static char *shared_area;

/* The window of a forked child, and its line. */
static void begin_child(void);
static void print_child(void);

static void touch(char *area, long length)
{
	for (long i = 0; i < length; i += (long)PAGE)
		((volatile char *)area)[i] = 1;
}

static void look(const char *area, long length)
{
	for (long i = 0; i < length; i += (long)PAGE)
		(void)((const volatile char *)area)[i];
}

static char *check(char *area)
{
	if (area == MAP_FAILED || !area) {
		perror("faults");
		_exit(3);
	}
	return area;
}

static char *anon(long length, int flags)
{
	return check(mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0));
}

static char *map_file(int flags)
{
	int file = open(file_path, O_RDWR | O_CLOEXEC);
	char *area = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, flags, file, 0);

	close(file);
	return check(area);
}

static char *huge_area(long length)
{
	char *area = anon(length + HUGE_PAGE, 0);

	area = (char *)(((uintptr_t)area + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1ul));
	madvise(area, (size_t)length, MADV_HUGEPAGE);
	return area;
}

/* A volatile pointer, so that the allocation is made as written. */
static void *(*volatile libc_malloc)(size_t) = malloc;
static void *(*volatile libc_calloc)(size_t, size_t) = calloc;

static void none(void)
{
}

static void malloc_write(void)
{
	touch(check(libc_malloc(64 * MIB)), 64 * MIB);
}

static void malloc_read(void)
{
	look(check(libc_malloc(16 * MIB)), 16 * MIB);
}

static void malloc_read_write(void)
{
	char *area = check(libc_malloc(16 * MIB));

	look(area, 16 * MIB);
	touch(area, 16 * MIB);
}

static void calloc_write(void)
{
	touch(check(libc_calloc(16, MIB)), 16 * MIB);
}

static void read_into(void)
{
	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (read(zeros, check(libc_malloc(16 * MIB)), 16 * MIB) != 16 * MIB)
		_exit(3);
	close(zeros);
}

static void fork_cow(void)
{
	char *area = anon(16 * MIB, 0);
	int status;
	pid_t pid;

	touch(area, 16 * MIB);
	pid = fork();
	if (!pid) {
		begin_child();
		touch(area, 16 * MIB);
		print_child();
		_exit(0);
	}
	waitpid(pid, &status, 0);
}

static void huge(void)
{
	touch(huge_area(64 * MIB), 64 * MIB);
}

static void sbrk_write(void)
{
	touch(check(sbrk(16 * MIB)), 16 * MIB);
}

static NOINLINE int deep(int levels)
{
	volatile char frame[4000];

	frame[0] = (char)levels;
	return levels ? deep(levels - 1) + frame[0] : frame[0];
}

static void stack(void)
{
	deep(1000);
}

/* Threads stay until the window is closed: their stacks are given back when they end. */
static void *stack_thread(void *unused)
{
	deep(1000);
	pthread_barrier_wait(&barrier);
	pause();
	return unused;
}

static void *arena_thread(void *unused)
{
	for (int i = 0; i < 40; i++)
		memset(check(libc_malloc(100000)), 1, 100000);
	pthread_barrier_wait(&barrier);
	pause();
	return unused;
}

static void *race_thread(void *unused)
{
	pthread_barrier_wait(&barrier);
	touch(shared_area, 16 * MIB);
	pthread_barrier_wait(&barrier);
	pause();
	return unused;
}

static void *mixed_thread(void *unused)
{
	char *small, *large;

	pthread_barrier_wait(&barrier);
	large = huge_area(64 * MIB);
	small = anon(16 * MIB, 0);
	for (int i = 0; i < 32; i++) {
		touch(large + i * HUGE_PAGE, HUGE_PAGE);
		touch(small + i * (MIB / 2), MIB / 2);
	}
	pthread_barrier_wait(&barrier);
	pause();
	return unused;
}

/* Meets the threads so many times at the barrier. */
static void threads(unsigned int number, void *(*routine)(void *), int meetings)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, number + 1);
	for (unsigned int i = 0; i < number; i++)
		if (pthread_create(&thread, NULL, routine, NULL))
			_exit(3);
	while (meetings--)
		pthread_barrier_wait(&barrier);
}

static void thread_stack(void)
{
	threads(1, stack_thread, 1);
}

static void arena(void)
{
	threads(1, arena_thread, 1);
}

static void race(void)
{
	shared_area = anon(16 * MIB, 0);
	threads(2, race_thread, 2);
}

/* Rivals on the same CPUs: what a fault's events are joined by must not be the CPU. */
static void threads_huge(void)
{
	pid_t rivals[2];
	int status;

	for (int i = 0; i < 2; i++) {
		rivals[i] = fork();
		if (rivals[i])
			continue;
		for (;;) {
			char *area = anon(4 * MIB, 0);

			touch(area, 4 * MIB);
			munmap(area, 4 * MIB);
		}
	}
	threads(4, mixed_thread, 2);
	for (int i = 0; i < 2; i++) {
		kill(rivals[i], SIGKILL);
		waitpid(rivals[i], &status, 0);
	}
}

static void file_read(void)
{
	look(map_file(MAP_PRIVATE), 4 * MIB);
}

static void file_private_write(void)
{
	touch(map_file(MAP_PRIVATE), 4 * MIB);
}

static void file_shared_write(void)
{
	touch(map_file(MAP_SHARED), 4 * MIB);
}

static void file_read_write(void)
{
	char *area = map_file(MAP_PRIVATE);

	look(area, 4 * MIB);
	touch(area, 4 * MIB);
}

static void file_major(void)
{
	int file = open(file_path, O_RDWR | O_CLOEXEC);
	char *area;

	fsync(file);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	close(file);
	area = map_file(MAP_PRIVATE);
	madvise(area, 4 * MIB, MADV_RANDOM);
	look(area, 4 * MIB);
}

static void moved(void)
{
	char *area = anon(16 * MIB, 0), *other = anon(64 * MIB, 0);

	touch(area, 8 * MIB);
	area = check(mremap(area, 16 * MIB, 16 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, other));
	touch(area, 16 * MIB);
}

static void dontneed(void)
{
	char *area = anon(16 * MIB, 0);

	touch(area, 16 * MIB);
	madvise(area, 16 * MIB, MADV_DONTNEED);
	touch(area, 16 * MIB);
}

static void populate(void)
{
	touch(anon(16 * MIB, MAP_POPULATE), 16 * MIB);
}

static void lock_all(void)
{
	if (mlockall(MCL_FUTURE)) {
		skipped = "mlockall refused";
		return;
	}
	touch(anon(16 * MIB, 0), 16 * MIB);
}

static void madvise_populate(void)
{
	if (madvise(anon(16 * MIB, 0), 16 * MIB, MADV_POPULATE_WRITE))
		skipped = "no MADV_POPULATE_WRITE";
}

static void shmem(void)
{
	touch(check(mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
	      4 * MIB);
}

static void protect(void)
{
	char *area = anon(4 * MIB, 0);

	touch(area, 4 * MIB);
	mprotect(area, 4 * MIB, PROT_READ);
	mprotect(area, 4 * MIB, PROT_READ | PROT_WRITE);
	touch(area, 4 * MIB);
}

static sigjmp_buf back;

static void caught(int signal)
{
	siglongjmp(back, signal);
}

static void segv(void)
{
	signal(SIGSEGV, caught);
	for (volatile int i = 0; i < 1000; i++)
		if (!sigsetjmp(back, 1))
			*(volatile char *)PAGE = 1;
}

static void unmapped(void)
{
	char *area = anon(16 * MIB, 0);

	touch(area, 16 * MIB);
	munmap(area, 16 * MIB);
}

static void lazily_freed(void)
{
	char *area = anon(4 * MIB, 0);

	touch(area, 4 * MIB);
	madvise(area, 4 * MIB, MADV_FREE);
	touch(area, 4 * MIB);
}

static void peer_write(void)
{
	static char source[65536];
	char *area = anon(4 * MIB, 0);
	pid_t me = getpid(), pid = fork();
	int status;

	if (!pid) {
		for (long offset = 0; offset < 4 * MIB; offset += (long)sizeof(source)) {
			struct iovec from = { source, sizeof(source) };
			struct iovec to = { area + offset, sizeof(source) };

			if (process_vm_writev(me, &from, 1, &to, 1, 0) < 0)
				_exit(1);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		skipped = "process_vm_writev refused";
}

static void hugetlb(void)
{
	char *area = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (area == MAP_FAILED)
		skipped = "no huge pages reserved";
	else
		touch(area, 8 * MIB);
}

#endif

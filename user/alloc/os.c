/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger.h"
#include "probes.h"

/* glibc's idea of the break; NULL until the first sbrk has asked the kernel. */
extern void *__curbrk __attribute__((weak));

/* A call was made; done: it succeeded. */
#define CALLED(name, done) called(&thread.slot->name##_calls, &thread.slot->name##_failed, done)

static bool called(__u64 *calls, __u64 *failed, bool done)
{
	if (LEDGER_IS_KEPT)
		ledger__add(calls, 1);
	if (LEDGER_IS_KEPT && !done)
		ledger__add(failed, 1);
	return done;
}

/* Claims 4 and 5: addresses alone; the kernel adds a page when one is first touched. */
void *os__map(size_t length)
{
	void *start =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!CALLED(mmap, start != MAP_FAILED))
		return NULL;
	LEDGER_COUNT(mmap_anon_bytes, length);
	PROBE(refalloc, map, start, length);
	return start;
}

bool os__unmap(void *start, size_t length)
{
	PROBE(refalloc, unmap, start, length);
	if (!CALLED(munmap, !munmap(start, length)))
		return false;
	LEDGER_COUNT(munmap_bytes, length);
	return true;
}

void *os__remap(void *start, size_t from, size_t to)
{
	void *moved = mremap(start, from, to, MREMAP_MAYMOVE);

	if (!CALLED(mremap, moved != MAP_FAILED))
		return NULL;
	if (to > from)
		LEDGER_COUNT(mremap_grown_bytes, to - from);
	else
		LEDGER_COUNT(mremap_shrunk_bytes, from - to);
	return moved;
}

bool os__discard(void *start, size_t length)
{
	if (!CALLED(madvise, !madvise(start, length, MADV_DONTNEED)))
		return false;
	LEDGER_COUNT(madvise_dontneed_bytes, length);
	return true;
}

bool os__is_mapped(const void *memory)
{
	unsigned char resident;

	return !mincore((void *)((uintptr_t)memory & ~(PAGE - 1)), 1, &resident);
}

void *os__break(void)
{
	void *now;

	if (&__curbrk && !__curbrk)
		LEDGER_COUNT(brk_calls, 1); /* the question, which sbrk asks once */
	now = sbrk(0);
	return now == (void *)-1 ? NULL : now;
}

bool os__move_break(ptrdiff_t by)
{
	void *before = sbrk(by);

	if (!CALLED(brk, before != (void *)-1))
		return false;
	if (by > 0) {
		LEDGER_COUNT(brk_grown_bytes, by);
		PROBE(refalloc, grow, (char *)before + by, by);
	} else {
		LEDGER_COUNT(brk_shrunk_bytes, -by);
		PROBE(refalloc, shrink, (char *)before + by, -by);
	}
	return true;
}

/* false: it is too long. */
static bool expand_path(const char *path, char *to, size_t room)
{
	const char *pid = strstr(path, "%p");
	size_t front = pid ? (size_t)(pid - path) : strlen(path);

	if (front >= room)
		return false;
	memcpy(to, path, front);
	to[front] = 0;
	return !pid ||
	       snprintf(to + front, room - front, "%d%s", getpid(), pid + 2) < (int)(room - front);
}

/* A file of our own: what others have mapped by this name stays theirs, and whole. */
static int open_ledger(const char *path)
{
	char expanded[4096];
	struct stat stat;

	if (!path)
		return memfd_create("refalloc-ledger", MFD_CLOEXEC);
	if (!expand_path(path, expanded, sizeof(expanded))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (!lstat(expanded, &stat)) {
		if (!S_ISREG(stat.st_mode)) {
			errno = EEXIST;
			return -1;
		}
		unlink(expanded);
	}
	return open(expanded, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

void *os__map_ledger(const char *path, size_t length, void *at, int *error)
{
	void *start = MAP_FAILED;
	int file = open_ledger(path);

	if (file >= 0 && !ftruncate(file, (off_t)length)) {
		start = mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0),
			     file, 0);
	}
	*error = errno;
	if (file >= 0)
		close(file);
	return start == MAP_FAILED ? NULL : start;
}

unsigned int os__cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

__u64 os__boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

__u32 os__pid(void)
{
	return (__u32)getpid();
}

void os__say(const char *format, ...)
{
	char line[512] = "refalloc: ";
	size_t length = strlen(line);
	va_list values;

	va_start(values, format);
	vsnprintf(line + length, sizeof(line) - length - 1, format, values);
	va_end(values);
	length = strlen(line);
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0)
		return; /* nowhere to say it */
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
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
	ledger__add(calls, 1);
	ledger__add(failed, !done);
	return done;
}

/*
 * Threads that change mappings at once wait for each other in the kernel, asleep, for longer than a
 * call takes: here they take turns. Who has waited enough goes on, as a forked child may have to.
 */
static bool is_turn;

static void begin_turn(void)
{
	unsigned int waits = 4000; /* tens of microseconds */

	while (__atomic_exchange_n(&is_turn, true, __ATOMIC_ACQUIRE) && waits--)
		;
}

static void end_turn(void)
{
	__atomic_store_n(&is_turn, false, __ATOMIC_RELEASE);
}

/* Claims 4 and 5: addresses alone; the kernel adds a page when one is first touched. */
void *os__map(size_t length)
{
	void *start;

	begin_turn();
	start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	end_turn();
	if (!CALLED(mmap, start != MAP_FAILED))
		return NULL;
	ledger__add(&thread.slot->mmap_anon_bytes, length);
	PROBE(refalloc, map, start, length);
	return start;
}

bool os__unmap(void *start, size_t length)
{
	bool done;

	PROBE(refalloc, unmap, start, length);
	begin_turn();
	done = !munmap(start, length);
	end_turn();
	if (!CALLED(munmap, done))
		return false;
	ledger__add(&thread.slot->munmap_bytes, length);
	return true;
}

void *os__remap(void *start, size_t from, size_t to)
{
	void *moved = mremap(start, from, to, MREMAP_MAYMOVE);

	if (!CALLED(mremap, moved != MAP_FAILED))
		return NULL;
	ledger__add(&thread.slot->mremap_grown_bytes, to > from ? to - from : 0);
	ledger__add(&thread.slot->mremap_shrunk_bytes, to < from ? from - to : 0);
	return moved;
}

bool os__discard(void *start, size_t length)
{
	if (!CALLED(madvise, !madvise(start, length, MADV_DONTNEED)))
		return false;
	ledger__add(&thread.slot->madvise_dontneed_bytes, length);
	return true;
}

bool os__is_mapped(const void *memory)
{
	unsigned char resident;
	int error = errno;
	bool gone = mincore((void *)((uintptr_t)memory & ~(PAGE - 1)), 1, &resident) &&
		    errno == ENOMEM; /* else the kernel has not said: a filter may refuse to */

	errno = error;
	return !gone;
}

void *os__break(void)
{
	void *now;

	if (&__curbrk && !__curbrk)
		ledger__add(&thread.slot->brk_calls, 1); /* the question, which sbrk asks once */
	now = sbrk(0);
	return now == (void *)-1 ? NULL : now;
}

bool os__move_break(ptrdiff_t by)
{
	void *before = sbrk(by);

	if (!CALLED(brk, before != (void *)-1))
		return false;
	if (by > 0) {
		ledger__add(&thread.slot->brk_grown_bytes, (__u64)by);
		PROBE(refalloc, grow, (char *)before + by, by);
	} else {
		ledger__add(&thread.slot->brk_shrunk_bytes, (__u64)-by);
		PROBE(refalloc, shrink, (char *)before + by, -by);
	}
	return true;
}

/* false: it is too long. */
static bool expand_path(const char *path, char *to, int room)
{
	const char *pid = strstr(path, "%p");

	if (!pid)
		return snprintf(to, (size_t)room, "%s", path) < room;
	return snprintf(to, (size_t)room, "%.*s%d%s", (int)(pid - path), path, getpid(), pid + 2) <
	       room;
}

/* A file of our own: what others have mapped by this name stays theirs, and whole. */
static int open_ledger(const char *path)
{
	char expanded[4096];
	struct stat stat;

	if (!path)
		return memfd_create("refalloc-ledger", MFD_CLOEXEC);
	errno = ENAMETOOLONG;
	if (!expand_path(path, expanded, sizeof(expanded)))
		return -1;
	errno = EEXIST;
	if (!lstat(expanded, &stat) && (!S_ISREG(stat.st_mode) || unlink(expanded)))
		return -1;
	return open(expanded, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

void *os__map_ledger(const char *path, size_t length, void *at)
{
	void *start = MAP_FAILED;
	int file = open_ledger(path), error;

	if (file >= 0 && !ftruncate(file, (off_t)length))
		start = mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0),
			     file, 0);
	error = errno;
	if (file >= 0)
		close(file);
	errno = error;
	return start == MAP_FAILED ? NULL : start;
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says where requests came from, by libgcc's own unwinder: checked__request() makes one by realloc,
 * which no other caller of its object uses, and appends its callers to the file $CHECKED_DIR/PID.
 *
 *	e		a new image begins, its objects are numbered anew
 *	o PATH		the next object, from 0: a mapped file of code
 *	s OBJECT:OFFSET ...	one stack, checked__request() itself first, then its callers; a return
 *			address less 1; OBJECT is - for code of no file, and OFFSET an address then
 *
 * $CHECKED_EVENT: "fault" or "mapping", which it makes just before, in checked__request() itself.
 *
 * No allocation and no lock that a signal handler could meet its own thread in.
 */
#ifndef ALLOCPATH_TESTS_CHECKED_H
#define ALLOCPATH_TESTS_CHECKED_H

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One function, that is called as it is written. */
#ifdef __clang__
#define CHECKED_ALONE noinline
#else
#define CHECKED_ALONE noipa
#endif

#define CHECKED_FRAMES 600
#define CHECKED_RANGES 1024
#define CHECKED_OBJECTS 512
#define CHECKED_PATH 256
#define CHECKED_PAGE 4096
#define CHECKED_PAGES (1 << 18) /* to be touched, each once */

struct checked_range {
	uintptr_t start, end, offset;
	int object; /* -1: no file */
};

enum checked_event {
	CHECKED_NOTHING,
	CHECKED_FAULT,
	CHECKED_MAPPING,
};

static struct {
	const char *directory; /* NULL: nothing is said */
	enum checked_event event;
	char *pages; /* not touched yet from nr_touched on */
	unsigned int nr_touched;
	int fd;
	pid_t pid;
	int locked;
	unsigned long long loaded; /* changes of what is loaded, when the ranges were read */
	size_t nr_ranges;
	struct checked_range ranges[CHECKED_RANGES];
	int nr_objects;
	char objects[CHECKED_OBJECTS][CHECKED_PATH];
	char maps[1 << 19];
	char line[CHECKED_FRAMES * 32];
	void *frames[CHECKED_FRAMES];
} checked = { .fd = -1 };

static __thread int checked_inside;

static void checked__write(const char *text, size_t size)
{
	if (write(checked.fd, text, size) != (ssize_t)size)
		_exit(99);
}

static int checked__object(const char *path)
{
	char line[CHECKED_PATH + 8];

	for (int i = 0; i < checked.nr_objects; i++)
		if (strcmp(checked.objects[i], path) == 0)
			return i;
	if (checked.nr_objects == CHECKED_OBJECTS)
		_exit(98);
	snprintf(checked.objects[checked.nr_objects], CHECKED_PATH, "%s", path);
	checked__write(line, (size_t)snprintf(line, sizeof(line), "o %s\n", path));
	return checked.nr_objects++;
}

static void checked__read_ranges(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, checked.maps + size, sizeof(checked.maps) - 1 - size)) > 0)
		size += (size_t)n;
	close(fd);
	checked.maps[size] = 0;
	checked.nr_ranges = 0;
	for (char *line = checked.maps, *next; *line; line = next) {
		struct checked_range *range = &checked.ranges[checked.nr_ranges];
		char *end = strchr(line, '\n'), *path;

		next = end ? end + 1 : line + strlen(line);
		if (end)
			*end = 0;
		range->start = strtoul(line, &line, 16);
		range->end = strtoul(line + 1, &line, 16);
		if (line[3] != 'x' || checked.nr_ranges == CHECKED_RANGES - 1)
			continue;
		range->offset = strtoul(line + 6, &line, 16);
		path = strpbrk(line, "/[");
		range->object = path ? checked__object(path) : -1;
		checked.nr_ranges++;
	}
}

static int checked__count_loaded(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	*(unsigned long long *)data = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

static const struct checked_range *checked__find(uintptr_t address)
{
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < checked.nr_ranges; i++)
			if (address >= checked.ranges[i].start && address < checked.ranges[i].end)
				return &checked.ranges[i];
		checked__read_ranges();
	}
	return NULL;
}

/* What a signal handler returns to; the frame above it stands at an instruction, not behind one. */
static int checked__is_trampoline(const unsigned char *code)
{
	static const unsigned char sigreturn[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 };

	return memcmp(code, sigreturn, sizeof(sigreturn)) == 0;
}

/* Forked, vforked or new: files are by process. The fd may be the parent's, in memory we share. */
static __attribute__((noinline)) void checked__open(void)
{
	char path[CHECKED_PATH];

	checked.pid = getpid();
	checked.nr_objects = 0;
	checked.nr_ranges = 0;
	snprintf(path, sizeof(path), "%s/%d", checked.directory, checked.pid);
	checked.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (checked.fd < 0)
		_exit(97);
	checked__write("e\n", 2);
}

static __attribute__((noinline)) void checked__say(int nr)
{
	unsigned long long loaded = 0;
	int exact = 0;
	size_t at;

	dl_iterate_phdr(checked__count_loaded, &loaded);
	if (loaded != checked.loaded)
		checked.nr_ranges = 0;
	checked.loaded = loaded;
	at = (size_t)sprintf(checked.line, "s");
	for (int i = 0; i < nr; i++) {
		uintptr_t address = (uintptr_t)checked.frames[i] - !exact;
		const struct checked_range *range = checked__find(address);

		if (range && range->object >= 0)
			at += (size_t)sprintf(checked.line + at, " %d:%lx", range->object,
					      address - range->start + range->offset);
		else
			at += (size_t)sprintf(checked.line + at, " -:%lx", address);
		exact = checked__is_trampoline(checked.frames[i]);
	}
	checked.line[at++] = '\n';
	checked__write(checked.line, at);
}

static void checked__begin(void)
{
	static char directory[CHECKED_PATH];
	const char *event = getenv("CHECKED_EVENT");
	void *frames[2];

	checked_inside = 1;
	backtrace(frames, 2); /* loads libgcc, which allocates */
	/* A copy: a program may write its title where its environment was. */
	if (getenv("CHECKED_DIR")) {
		snprintf(directory, sizeof(directory), "%s", getenv("CHECKED_DIR"));
		checked.directory = directory;
	}
	if (event && strcmp(event, "mapping") == 0)
		checked.event = CHECKED_MAPPING;
	if (event && strcmp(event, "fault") == 0) {
		checked.pages = mmap(NULL, (size_t)CHECKED_PAGES * CHECKED_PAGE,
				     PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (checked.pages == MAP_FAILED ||
		    madvise(checked.pages, (size_t)CHECKED_PAGES * CHECKED_PAGE, MADV_NOHUGEPAGE))
			_exit(96);
		checked.event = CHECKED_FAULT;
	}
	checked_inside = 0;
}

/* The system call lies in the function that this is part of. */
static inline __attribute__((always_inline)) void *checked__map(void)
{
#ifdef __x86_64__
	register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS;
	register long file __asm__("r8") = -1;
	register long offset __asm__("r9") = 0;
	long result = SYS_mmap;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(0L), "S"((long)CHECKED_PAGE), "d"((long)PROT_READ), "r"(flags),
			   "r"(file), "r"(offset)
			 : "rcx", "r11", "memory");
	return (void *)result;
#else
	return mmap(NULL, CHECKED_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
}

/*
 * A request whose callers are said, this function's caller first. In a section of its own: where
 * nothing else is near, a return address in it is that of its request.
 */
static __attribute__((CHECKED_ALONE, section("checked_text"))) void *
checked__request(void *(*real)(void *, size_t), size_t size)
{
	unsigned int page;
	void *block;

	checked_inside = 1;
	/* A lock that a forked child inherits is another thread's, which it has not. */
	while (__atomic_exchange_n(&checked.locked, 1, __ATOMIC_ACQUIRE) && checked.pid == getpid())
		;
	if (checked.pid != getpid())
		checked__open();
	checked__say(backtrace(checked.frames, CHECKED_FRAMES));
	page = checked.nr_touched;
	if (checked.event == CHECKED_FAULT && page < CHECKED_PAGES) {
		checked.nr_touched = page + 1;
		((volatile char *)checked.pages)[(size_t)page * CHECKED_PAGE] = 1;
	} else if (checked.event == CHECKED_MAPPING) {
		munmap(checked__map(), CHECKED_PAGE);
	}
	__atomic_store_n(&checked.locked, 0, __ATOMIC_RELEASE);
	block = real(NULL, size);
	checked_inside = 0;
	return block;
}

#endif

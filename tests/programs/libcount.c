/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcount.so, an LD_PRELOAD counter: an independent count of the allocation calls of programs that
 * do not count for themselves. A failed call is no request, a realloc to 0 is a release, a realloc
 * counts a release of its old block: DESIGN.md's words. It does not see libc's few calls past the
 * symbol table; realloc(NULL) that jumps to malloc is one call here, as it should be.
 *
 * Each process image has a page in the file $COUNT_OUT, shared and written as it counts, so that
 * it stands whatever ends the process: exit, exec, _exit or a signal. A page is u64s, in the order
 * of struct page; a forked child takes a page of its own, a vforked one counts on its parent's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);
extern void __libc_free(void *block);

enum function {
	MALLOC,
	CALLOC,
	REALLOC,
	MEMALIGN,
	POSIX_MEMALIGN,
	VALLOC,
	PVALLOC,
	NR_FUNCTIONS
};

struct page {
	uint64_t pid;
	uint64_t failed;
	uint64_t releases;
	uint64_t mapped; /* requests whose block got a mapping of its own */
	uint64_t counts[NR_FUNCTIONS];
	uint64_t bytes[NR_FUNCTIONS];
};

/* Until the constructor has run, and where no file was named. */
static struct page early;
static struct page *page = &early;

#define ADD(counter, value) __atomic_fetch_add(&(counter), value, __ATOMIC_RELAXED)

static void *count(enum function function, size_t size, void *block)
{
	if (!block) {
		ADD(page->failed, 1);
		return NULL;
	}
	ADD(page->counts[function], 1);
	ADD(page->bytes[function], size);
	/* glibc's chunk header: a mapping of its own */
	if (((volatile size_t *)block)[-1] & 2)
		ADD(page->mapped, 1);
	return block;
}

void *malloc(size_t size)
{
	return count(MALLOC, size, __libc_malloc(size));
}

void *calloc(size_t members, size_t size)
{
	return count(CALLOC, members * size, __libc_calloc(members, size));
}

void *realloc(void *block, size_t size)
{
	void *result = __libc_realloc(block, size);

	if (block && (result || !size))
		ADD(page->releases, 1);
	return block && !size ? result : count(REALLOC, size, result);
}

void free(void *block)
{
	if (block)
		ADD(page->releases, 1);
	__libc_free(block);
}

void *memalign(size_t alignment, size_t size)
{
	return count(MEMALIGN, size, __libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return count(MEMALIGN, size, __libc_memalign(alignment, size));
}

void *valloc(size_t size)
{
	return count(VALLOC, size, __libc_valloc(size));
}

void *pvalloc(size_t size)
{
	return count(PVALLOC, size, __libc_pvalloc(size));
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
	void *block;

	if (alignment % sizeof(void *) || alignment & (alignment - 1) || !alignment) {
		ADD(page->failed, 1);
		return EINVAL;
	}
	block = count(POSIX_MEMALIGN, size, __libc_memalign(alignment, size));
	if (!block)
		return ENOMEM;
	*result = block;
	return 0;
}

/* A page at the end of the file; appending is what makes it ours alone. */
static struct page *take_page(void)
{
	static const char zeros[PAGE];
	const char *path = getenv("COUNT_OUT");
	int file = path ? open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	struct page *taken = NULL;
	off_t end;

	if (file < 0)
		return NULL;
	if (write(file, zeros, PAGE) == PAGE) {
		end = lseek(file, 0, SEEK_CUR);
		taken = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, end - PAGE);
	}
	close(file);
	if (!taken || taken == MAP_FAILED)
		return NULL;
	taken->pid = (uint64_t)getpid();
	return taken;
}

__attribute__((constructor)) static void begin(void)
{
	struct page *taken = take_page();

	if (!taken)
		return;
	taken->failed = early.failed;
	taken->releases = early.releases;
	taken->mapped = early.mapped;
	for (int i = 0; i < NR_FUNCTIONS; i++) {
		taken->counts[i] = early.counts[i];
		taken->bytes[i] = early.bytes[i];
	}
	page = taken;
}

pid_t fork(void)
{
	static pid_t (*next)(void);
	struct page *taken;
	pid_t pid;

	if (!next)
		next = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	pid = next();
	if (pid)
		return pid;
	taken = take_page();
	page = taken ? taken : &early;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscalls CASE...: makes the memory system calls itself, with no allocator between. The truth is
 * the "syscalls" block of allocpath's report, of these calls alone: what the loader did before is
 * in the case "none", to be subtracted.
 *
 * A mapping counts its bytes in one column: stack (MAP_STACK), populated (MAP_POPULATE), file, or
 * anonymous for the rest. Bytes are whole pages, as the kernel takes them. A brk that leaves the
 * break where it was although asked to move it has failed; brk(0) is a call and nothing else.
 */
#include <errno.h>
#include <sys/mman.h>

#include "truth.h"
#include "truth_print.h"

#define MIB (1ul << 20)

enum counter {
	BRK_CALLS,
	BRK_FAILED,
	BRK_GROWN,
	BRK_SHRUNK,
	MMAP_CALLS,
	MMAP_FAILED,
	MMAP_ANON,
	MMAP_FILE,
	MMAP_STACK,
	MMAP_POPULATED,
	MUNMAP_CALLS,
	MUNMAP_FAILED,
	MUNMAP_BYTES,
	MREMAP_CALLS,
	MREMAP_FAILED,
	MREMAP_GROWN,
	MREMAP_SHRUNK,
	MPROTECT_CALLS,
	MPROTECT_FAILED,
	MPROTECT_BYTES,
	MADVISE_CALLS,
	MADVISE_FAILED,
	MADVISE_DONTNEED,
	MADVISE_FREE,
	NR_COUNTERS,
};

static const struct {
	const char *call, *field;
} keys[NR_COUNTERS] = {
	{ "brk", "calls" },
	{ "brk", "failed" },
	{ "brk", "grown_bytes" },
	{ "brk", "shrunk_bytes" },
	{ "mmap", "calls" },
	{ "mmap", "failed" },
	{ "mmap", "anon_bytes" },
	{ "mmap", "file_bytes" },
	{ "mmap", "stack_bytes" },
	{ "mmap", "populated_bytes" },
	{ "munmap", "calls" },
	{ "munmap", "failed" },
	{ "munmap", "bytes" },
	{ "mremap", "calls" },
	{ "mremap", "failed" },
	{ "mremap", "grown_bytes" },
	{ "mremap", "shrunk_bytes" },
	{ "mprotect", "calls" },
	{ "mprotect", "failed" },
	{ "mprotect", "bytes" },
	{ "madvise", "calls" },
	{ "madvise", "failed" },
	{ "madvise", "dontneed_bytes" },
	{ "madvise", "free_bytes" },
};

static unsigned long counters[NR_COUNTERS];

static unsigned long pages(size_t length)
{
	return (length + PAGE - 1) & ~(PAGE - 1);
}

static void k_brk(uintptr_t target)
{
	uintptr_t before = (uintptr_t)syscall(SYS_brk, 0);
	uintptr_t after = (uintptr_t)syscall(SYS_brk, target);

	counters[BRK_CALLS] += 2;
	if (after != target)
		counters[BRK_FAILED]++;
	else if (after > before)
		counters[BRK_GROWN] += after - before;
	else
		counters[BRK_SHRUNK] += before - after;
}

static char *k_mmap(void *at, size_t length, int protection, int flags, int file)
{
	char *result = mmap(at, length, protection, flags, file, 0);

	counters[MMAP_CALLS]++;
	if (result == MAP_FAILED)
		counters[MMAP_FAILED]++;
	else if (flags & MAP_STACK)
		counters[MMAP_STACK] += pages(length);
	else if (flags & MAP_POPULATE)
		counters[MMAP_POPULATED] += pages(length);
	else
		counters[flags & MAP_ANONYMOUS ? MMAP_ANON : MMAP_FILE] += pages(length);
	return result;
}

static char *k_anon(size_t length)
{
	return k_mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void k_munmap(char *at, size_t length)
{
	counters[MUNMAP_CALLS]++;
	if (munmap(at, length))
		counters[MUNMAP_FAILED]++;
	else
		counters[MUNMAP_BYTES] += pages(length);
}

static char *k_mremap(char *at, size_t old_length, size_t length, int flags, char *to)
{
	char *result = mremap(at, old_length, length, flags, to);

	counters[MREMAP_CALLS]++;
	if (result == MAP_FAILED)
		counters[MREMAP_FAILED]++;
	else if (length > old_length)
		counters[MREMAP_GROWN] += pages(length) - pages(old_length);
	else
		counters[MREMAP_SHRUNK] += pages(old_length) - pages(length);
	return result;
}

static void k_mprotect(char *at, size_t length, int protection)
{
	counters[MPROTECT_CALLS]++;
	if (mprotect(at, length, protection))
		counters[MPROTECT_FAILED]++;
	else
		counters[MPROTECT_BYTES] += pages(length);
}

static void k_madvise(char *at, size_t length, int advice)
{
	counters[MADVISE_CALLS]++;
	if (madvise(at, length, advice))
		counters[MADVISE_FAILED]++;
	else if (advice == MADV_DONTNEED)
		counters[MADVISE_DONTNEED] += pages(length);
	else if (advice == MADV_FREE)
		counters[MADVISE_FREE] += pages(length);
}

static void none(void)
{
}

static void use_brk(void)
{
	uintptr_t start = truth_break();

	counters[BRK_CALLS]++;
	k_brk(start + 5000);
	k_brk(start + 3 * MIB);
	k_brk(start + MIB);
	k_brk(start);
	k_brk(PAGE); /* below the heap */
	k_brk(start + (1ul << 60));
}

/* libc's first sbrk asks where the break is; every one but a query then moves it. */
static void use_sbrk(void)
{
	counters[BRK_CALLS] += 4;
	counters[BRK_GROWN] += MIB + 100000;
	counters[BRK_SHRUNK] += 100000;
	if (sbrk(MIB) == (void *)-1 || sbrk(100000) == (void *)-1 || sbrk(-100000) == (void *)-1)
		_exit(3);
	if (sbrk(0) == (void *)-1)
		_exit(3);
}

static void use_mmap(void)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *area = k_anon(MIB);

	k_anon(5000);
	k_mmap(NULL, 64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	k_mmap(area, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
	k_mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file);
	k_mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file);
	k_mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
	       -1);
	k_mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
	       -1);
	k_mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	k_mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1);
	k_mmap(NULL, 1ul << 60, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	close(file);
}

static void use_munmap(void)
{
	char *area = k_anon(MIB);

	k_munmap(area + 16 * PAGE, 16 * PAGE);
	k_munmap(area, 100);
	k_munmap(area + 1, PAGE);
	k_munmap(area + PAGE, 15 * PAGE);
	k_munmap(area + 32 * PAGE, MIB - 32 * PAGE);
}

static void use_mremap(void)
{
	char *area = k_anon(MIB), *other = k_anon(4 * MIB);

	area = k_mremap(area, MIB, 2 * MIB, MREMAP_MAYMOVE, NULL);
	area = k_mremap(area, 2 * MIB, MIB / 2, 0, NULL);
	area = k_mremap(area, MIB / 2, MIB / 2, MREMAP_MAYMOVE | MREMAP_FIXED, other);
	k_mremap(area, MIB / 2, 1ul << 60, MREMAP_MAYMOVE, NULL);
	k_mremap((char *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL);
}

static void use_mprotect(void)
{
	char *area = k_mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	k_mprotect(area, 128 << 10, PROT_READ | PROT_WRITE);
	k_mprotect(area, PAGE, PROT_READ);
	k_mprotect(area + 1, PAGE, PROT_READ);
	k_mprotect((char *)PAGE, PAGE, PROT_READ);
}

static void use_madvise(void)
{
	char *area = k_anon(MIB);

	memset(area, 1, MIB);
	k_madvise(area, MIB / 2, MADV_DONTNEED);
	k_madvise(area + MIB / 2, MIB / 4, MADV_FREE);
	k_madvise(area, MIB, MADV_NOHUGEPAGE);
	k_madvise(area, MIB, 12345);
	k_madvise(area + 1, PAGE, MADV_DONTNEED);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "none", none },
	{ "brk", use_brk },
	{ "sbrk", use_sbrk },
	{ "mmap", use_mmap },
	{ "munmap", use_munmap },
	{ "mremap", use_mremap },
	{ "mprotect", use_mprotect },
	{ "madvise", use_madvise },
};

static void print(const char *name)
{
	truth_put_identity("syscalls", name);
	truth_put_object("syscalls");
	for (int i = 0; i < NR_COUNTERS; i++) {
		if (!i || keys[i].call != keys[i - 1].call)
			truth_put_object(keys[i].call);
		truth_put_field(keys[i].field, counters[i]);
		if (i + 1 == NR_COUNTERS || keys[i].call != keys[i + 1].call)
			truth_put("}");
	}
	truth_put("}");
	truth_send();
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "none";

	truth_start();
	for (unsigned long i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(name, cases[i].name))
			continue;
		cases[i].run();
		print(name);
		truth_wait();
		return 0;
	}
	return 2;
}

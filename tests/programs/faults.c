/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults CASE [FILE]: makes page faults of one kind, and tells what getrusage and smaps_rollup say
 * of them. The window is the whole of main, so that allocpath's figures of this process, less
 * those of `faults none`, are to be held against this window less that one's.
 *
 *   window             minflt, majflt; the growth of Anonymous, Rss and AnonHugePages in bytes
 *   given_back_bytes   were resident, and are no more (munmap, MADV_DONTNEED)
 *   populated_bytes    became resident by a system call of this process, without a fault
 *   foreign_bytes      became resident by another process's doing
 *   file_private_bytes private copies of file pages: anonymous, but no first touch
 *   region, region_bytes  where the first touches are, and how many bytes at least
 *   classes            faults of these classes at least; `unended` and `kernel_mode` too
 *   absolute           true: a forked child, whose counters begin at its fork
 *
 * First touches are window.anonymous + given_back - populated - foreign - file_private. Where the
 * kernel has a zero page, reads are zero_read faults of no bytes, elsewhere first touches:
 * the window knows. FILE is made by the harness: 4 MiB, not on tmpfs.
 */
#include <sys/resource.h>

#include "faults_cases.h"

#define MAX_CLASSES 4

struct sample {
	struct rusage usage;
	long anonymous, rss, huge;
};

struct fault_case {
	const char *name;
	void (*run)(void);
	const char *region;
	long region_bytes;
	long given_back, populated, foreign, file_private;
	struct {
		const char *name;
		long at_least;
	} classes[MAX_CLASSES];
};

static struct sample begin;
static const struct fault_case *current;

static long field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtol(at + strlen(key), NULL, 10) * 1024 : 0;
}

static void take(struct sample *sample)
{
	static char text[8192];
	int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(file, text, sizeof(text) - 1);

	close(file);
	text[length < 0 ? 0 : length] = 0;
	sample->anonymous = field(text, "\nAnonymous:");
	sample->rss = field(text, "\nRss:");
	sample->huge = field(text, "\nAnonHugePages:");
	getrusage(RUSAGE_SELF, &sample->usage);
}

static void put_signed(const char *key, long number)
{
	truth_put_key(key);
	if (number < 0)
		truth_put("-");
	truth_put_number((unsigned long)(number < 0 ? -number : number));
}

static void put_window(void)
{
	struct sample to;

	take(&to);
	truth_put_identity("faults", current->name);
	if (skipped)
		truth_put_string("skipped", skipped);
	truth_put_object("window");
	put_signed("minflt", to.usage.ru_minflt - begin.usage.ru_minflt);
	put_signed("majflt", to.usage.ru_majflt - begin.usage.ru_majflt);
	put_signed("anonymous_bytes", to.anonymous - begin.anonymous);
	put_signed("rss_bytes", to.rss - begin.rss);
	put_signed("huge_bytes", to.huge - begin.huge);
	truth_put("}");
}

/* The kernel counts a child's faults from its fork on. */
static void begin_child(void)
{
	take(&begin);
	memset(&begin.usage, 0, sizeof(begin.usage));
}

static void print_child(void)
{
	put_window();
	truth_put(", \"absolute\": true");
	truth_put_object("classes");
	put_signed("cow", 16 * MIB / (long)PAGE);
	truth_put("}");
	truth_send();
}

static void print(void)
{
	put_window();
	put_signed("given_back_bytes", current->given_back);
	put_signed("populated_bytes", current->populated);
	put_signed("foreign_bytes", current->foreign);
	put_signed("file_private_bytes", current->file_private);
	if (current->region) {
		truth_put_string("region", current->region);
		put_signed("region_bytes", current->region_bytes);
	}
	truth_put_object("classes");
	for (int i = 0; i < MAX_CLASSES && current->classes[i].name; i++)
		put_signed(current->classes[i].name, current->classes[i].at_least);
	truth_put("}");
	truth_send();
}

static const struct fault_case cases[] = {
	{ "none", none, NULL, 0, 0, 0, 0, 0, { { 0 } } },
	{ "malloc_write", malloc_write, "own_mapping", 64 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "malloc_read", malloc_read, NULL, 0, 0, 0, 0, 0, { { 0 } } },
	{ "malloc_read_write", malloc_read_write, "own_mapping", 16 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "calloc_write", calloc_write, "own_mapping", 16 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "read_into", read_into, "own_mapping", 16 * MIB, 0, 0, 0, 0, { { "kernel_mode", 4095 } } },
	{ "fork_cow", fork_cow, "anon", 16 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "huge", huge, "anon", 64 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "sbrk_write", sbrk_write, "heap", 16 * MIB - 4096, 0, 0, 0, 0, { { 0 } } },
	{ "stack", stack, "stack", 950 * 4096, 0, 0, 0, 0, { { 0 } } },
	{ "thread_stack", thread_stack, "stack", 970 * 4096, 0, 0, 0, 0, { { 0 } } },
	{ "arena", arena, "arena", 976 * 4096, 0, 0, 0, 0, { { 0 } } },
	{ "file_read", file_read, NULL, 0, 0, 0, 0, 0, { { "file", 32 } } },
	{ "file_private_write",
	  file_private_write,
	  NULL,
	  0,
	  0,
	  0,
	  0,
	  4 * MIB,
	  { { "file_private", 1024 } } },
	{ "file_shared_write", file_shared_write, NULL, 0, 0, 0, 0, 0, { { "file", 32 } } },
	{ "file_read_write",
	  file_read_write,
	  NULL,
	  0,
	  0,
	  0,
	  0,
	  4 * MIB,
	  { { "file_private", 1024 }, { "file", 32 } } },
	{ "file_major", file_major, NULL, 0, 0, 0, 0, 0, { { "file", 32 }, { "major", 1 } } },
	{ "moved", moved, "anon", 16 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "dontneed", dontneed, "anon", 32 * MIB, 16 * MIB, 0, 0, 0, { { 0 } } },
	{ "populate", populate, NULL, 0, 0, 16 * MIB, 0, 0, { { 0 } } },
	{ "mlockall", lock_all, NULL, 0, 0, 16 * MIB, 0, 0, { { 0 } } },
	{ "madvise_populate", madvise_populate, NULL, 0, 0, 16 * MIB, 0, 0, { { 0 } } },
	{ "shmem", shmem, NULL, 0, 0, 0, 0, 0, { { "shmem", 1024 } } },
	{ "race", race, "anon", 16 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "mprotect", protect, "anon", 4 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "segv", segv, NULL, 0, 0, 0, 0, 0, { { "unended", 1000 } } },
	{ "munmap", unmapped, "anon", 16 * MIB, 16 * MIB, 0, 0, 0, { { 0 } } },
	{ "madv_free", lazily_freed, "anon", 4 * MIB, 0, 0, 0, 0, { { 0 } } },
	{ "peer_write", peer_write, NULL, 0, 0, 0, 4 * MIB, 0, { { 0 } } },
	{ "hugetlb", hugetlb, NULL, 0, 0, 0, 0, 0, { { "hugetlb", 4 } } },
	{ "threads_huge", threads_huge, "anon", 4 * (64 + 16) * MIB, 0, 0, 0, 0, { { 0 } } },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "none";

	file_path = argc > 2 ? argv[2] : "/nonexistent";
	for (unsigned long i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(name, cases[i].name))
			current = &cases[i];
	if (!current)
		return 2;
	/* once for nothing: the window's own reading faults too */
	take(&begin);
	take(&begin);
	current->run();
	print();
	/* threads still wait; their stacks go with the process */
	_exit(0);
}

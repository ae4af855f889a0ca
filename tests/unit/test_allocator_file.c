/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the C library that the test itself runs on, and compares with what the loader says of it;
 * then damages copies of it, which may be refused but must not crash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "allocator_file.h"

#define FUZZ_NS 1500000000LL /* for each of the two loops that damage copies */

struct fixture {
	char path[4096];
	__u64 bias;
	void *handle;
	struct allocator_file *file;
	int copy; /* a memfd with the library in it */
	off_t size;
};

static int find_libc(struct dl_phdr_info *info, size_t size, void *context)
{
	struct fixture *fixture = context;
	const char *slash = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!slash || strcmp(slash, "/libc.so.6") != 0)
		return 0;
	snprintf(fixture->path, sizeof(fixture->path), "%s", info->dlpi_name);
	fixture->bias = info->dlpi_addr;
	return 1;
}

static int read_path(const char *path, struct allocator_file **file, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	assert_true(fd >= 0);
	err = allocator_file__read(fd, file, why);
	/* It stays ours. */
	assert_int_equal(close(fd), 0);
	return err;
}

static int copy_file(const char *path, off_t *size)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("copy", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;

	assert_true(from >= 0 && to >= 0);
	*size = 0;
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		assert_int_equal(pwrite(to, buffer, (size_t)n, *size), n);
		*size += n;
	}
	close(from);
	return to;
}

static int setup(void **state)
{
	static struct fixture fixture;
	const char *why = NULL;

	if (!dl_iterate_phdr(find_libc, &fixture))
		return -1;
	fixture.handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	if (!fixture.handle || read_path(fixture.path, &fixture.file, &why))
		return -1;
	fixture.copy = copy_file(fixture.path, &fixture.size);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	allocator_file__free(fixture->file);
	close(fixture->copy);
	dlclose(fixture->handle);
	return 0;
}

/* A libc symbol as an address in the file. */
static __u64 address_of(const struct fixture *fixture, const char *name)
{
	void *symbol = dlsym(fixture->handle, name);

	assert_non_null(symbol);
	return (__u64)(uintptr_t)symbol - fixture->bias;
}

static const struct allocator_function *find_function(const struct allocator_file *file,
						      __u64 address)
{
	for (size_t i = 0; i < file->nr_functions; i++) {
		if (file->functions[i].address == address)
			return &file->functions[i];
	}
	return NULL;
}

static void names_the_library(void **state)
{
	const struct fixture *fixture = *state;
	char name[64];

	snprintf(name, sizeof(name), "glibc %s", gnu_get_libc_version());
	assert_string_equal(fixture->file->name, name);
	if (fixture->file->build_id) {
		size_t length = strlen(fixture->file->build_id);

		assert_true(length >= 16 && length % 2 == 0);
		assert_int_equal(strspn(fixture->file->build_id, "0123456789abcdef"), length);
	}
}

static void finds_all_functions(void **state)
{
	static const struct {
		const char *name;
		enum alloc_function function;
		bool emulated;
	} expected[] = {
		{ "malloc", FUNCTION_MALLOC, true },
		{ "calloc", FUNCTION_CALLOC, true },
		{ "realloc", FUNCTION_REALLOC, true },
		{ "free", FUNCTION_FREE, true },
		{ "memalign", FUNCTION_MEMALIGN, false },
		{ "aligned_alloc", FUNCTION_MEMALIGN, false },
		{ "posix_memalign", FUNCTION_POSIX_MEMALIGN, false },
		{ "valloc", FUNCTION_VALLOC, false },
		{ "pvalloc", FUNCTION_PVALLOC, false },
		{ "mallopt", FUNCTION_MALLOPT, false },
	};
	const struct fixture *fixture = *state;
	const struct allocator_file *file = fixture->file;

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		const struct allocator_function *function =
			find_function(file, address_of(fixture, expected[i].name));

		assert_non_null(function);
		assert_int_equal(function->function, expected[i].function);
		assert_true(function->site_address >= function->address);
		assert_true(function->site_address < function->address + function->size);
		assert_int_equal(function->site_offset - function->offset,
				 function->site_address - function->address);
		if (expected[i].emulated)
			assert_true(function->emulated);
	}
	for (size_t i = 1; i < file->nr_functions; i++)
		assert_true(file->functions[i - 1].address < file->functions[i].address);
}

static void sites_hold_what_is_in_memory(void **state)
{
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->file->nr_functions; i++) {
		const struct allocator_function *function = &fixture->file->functions[i];
		const unsigned char *in_memory =
			(void *)(uintptr_t)(fixture->bias + function->site_address);
		unsigned char in_file[2];

		assert_int_equal(pread(fixture->copy, in_file, sizeof(in_file),
				       (off_t)function->site_offset),
				 sizeof(in_file));
		/* Somebody may be probing us: then the first byte is a breakpoint. */
		if (in_memory[0] != 0xcc)
			assert_int_equal(in_memory[0], in_file[0]);
		assert_int_equal(in_memory[1], in_file[1]);
	}
}

static void range_is_the_allocator_alone(void **state)
{
	static const char *const foreign[] = {
		"mmap",		"munmap",     "mremap",		"mprotect",  "madvise",
		"brk",		"sbrk",	      "qsort",		"getenv",    "fopen",
		"printf",	"iconv_open", "pthread_create", "setlocale", "obstack_free",
		"reallocarray", "strdup",     "timer_create",
	};
	const struct fixture *fixture = *state;
	const struct allocator_file *file = fixture->file;

	for (size_t i = 0; i < file->nr_functions; i++) {
		assert_true(file->functions[i].address >= file->low);
		assert_true(file->functions[i].address + file->functions[i].size <= file->high);
	}
	assert_in_range(address_of(fixture, "malloc_trim"), file->low, file->high - 1);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		assert_not_in_range(address_of(fixture, foreign[i]), file->low, file->high - 1);
	/* glibc's malloc.o: 22 KiB in 2.43 to 26 KiB in 2.41 on x86-64. */
	assert_in_range(file->high - file->low, 16 << 10, 48 << 10);
}

static size_t count_wrappers(const struct fixture *fixture, const char *name)
{
	__u64 address = address_of(fixture, name);
	size_t n = 0;

	for (size_t i = 0; i < fixture->file->nr_wrappers; i++) {
		if (fixture->file->wrappers[i].address - address < 256)
			n++;
	}
	return n;
}

static void finds_wrappers(void **state)
{
	const struct fixture *fixture = *state;

	assert_true(count_wrappers(fixture, "mmap") >= 1);
	assert_true(count_wrappers(fixture, "munmap") >= 1);
	assert_true(count_wrappers(fixture, "mprotect") >= 1);
	assert_true(count_wrappers(fixture, "mremap") >= 1);
	assert_true(count_wrappers(fixture, "madvise") >= 1);
	assert_true(count_wrappers(fixture, "brk") >= 1);
	assert_true(count_wrappers(fixture, "sbrk") >= 2);
	for (size_t i = 0; i < fixture->file->nr_wrappers; i++) {
		assert_in_range(fixture->file->wrappers[i].return_slot, 0, 4096);
		assert_int_equal(fixture->file->wrappers[i].return_slot % 8, 0);
		if (i)
			assert_true(fixture->file->wrappers[i - 1].address <
				    fixture->file->wrappers[i].address);
	}
}

/* Debian 12's glibc 2.36-9+deb12u14, taken apart by hand. */
static void knows_debian_12(void **state)
{
	static const struct {
		const char *name;
		__u64 site;
	} sites[] = {
		{ "malloc", 0x98930 },	 { "free", 0x98ef3 },	 { "realloc", 0x99130 },
		{ "memalign", 0x99617 }, { "valloc", 0x99657 },	 { "pvalloc", 0x99687 },
		{ "calloc", 0x996e0 },	 { "mallopt", 0x9a107 }, { "posix_memalign", 0x9a287 },
	};
	static const struct wrapper wrappers[] = {
		{ 0xfdc47, 0 },	 { 0xfdca7, 24 },    { 0xfdccc, 24 }, { 0xfdd15, 24 },
		{ 0x101829, 0 }, { 0x1019b3, 0 },    { 0x101a07, 0 }, { 0x101a37, 0 },
		{ 0x101b07, 0 }, { 0x109a00, 0x58 },
	};
	const struct fixture *fixture = *state;
	const struct allocator_file *file = fixture->file;

	if (!file->build_id ||
	    strcmp(file->build_id, "93ac61ec5a8eb1396f9fbd350e3169a558528a40") != 0)
		skip();
	assert_int_equal(file->nr_functions, sizeof(sites) / sizeof(*sites));
	for (size_t i = 0; i < file->nr_functions; i++) {
		assert_string_equal(file->functions[i].name, sites[i].name);
		assert_int_equal(file->functions[i].site_address, sites[i].site);
		assert_true(file->functions[i].emulated);
	}
	/* From malloc_printerr to the end of malloc_info: malloc.o without its tunables. */
	assert_int_equal(file->low, 0x94850);
	assert_int_equal(file->high, 0x9a336);
	assert_int_equal(file->nr_wrappers, sizeof(wrappers) / sizeof(*wrappers));
	for (size_t i = 0; i < file->nr_wrappers; i++) {
		assert_int_equal(file->wrappers[i].address, wrappers[i].address);
		assert_int_equal(file->wrappers[i].return_slot, wrappers[i].return_slot);
	}
}

static void refuses_others(void **state)
{
	static const char debug[] = "/usr/lib/x86_64-linux-gnu/libc_malloc_debug.so.0";
	static const char *const uninteresting[] = { "/bin/true", "/etc/passwd", "/dev/null" };
	struct allocator_file *file = NULL;
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(uninteresting) / sizeof(*uninteresting); i++) {
		assert_int_equal(read_path(uninteresting[i], &file, &why), -ENOENT);
		assert_null(file);
		assert_null(why);
	}
	if (access(debug, R_OK) == 0) {
		assert_int_equal(read_path(debug, &file, &why), 0);
		assert_string_equal(file->name, "glibc malloc debug");
		assert_true(file->flags & FILE_CALLS_LIBC);
		allocator_file__free(file);
		file = NULL;
	}
	if (access("/lib32/libc.so.6", R_OK) == 0) {
		assert_int_equal(read_path("/lib32/libc.so.6", &file, &why), -EOPNOTSUPP);
		assert_string_equal(why, "32-bit");
	}
	assert_null(file);
	assert_true(allocator_file__read(-1, &file, &why) < 0);
	allocator_file__free(NULL);
}

static void knows_another_name_and_refuses_another_machine(void **state)
{
	static const char soname[] = "\0libc.so.6"; /* with both its ends */
	const struct fixture *fixture = *state;
	const __u16 arm = EM_AARCH64, intel = EM_X86_64;
	struct allocator_file *file = NULL;
	const char *why = NULL;
	char *bytes, *name;

	assert_int_equal(pwrite(fixture->copy, &arm, 2, offsetof(Elf64_Ehdr, e_machine)), 2);
	assert_int_equal(allocator_file__read(fixture->copy, &file, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "x86-64"));
	assert_int_equal(pwrite(fixture->copy, &intel, 2, offsetof(Elf64_Ehdr, e_machine)), 2);

	bytes = mmap(NULL, (size_t)fixture->size, PROT_READ | PROT_WRITE, MAP_SHARED, fixture->copy,
		     0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	name = memmem(bytes, (size_t)fixture->size, soname, sizeof(soname));
	assert_non_null(name);
	name[4] = 'k'; /* then it is some library that has glibc's allocator inside */
	assert_int_equal(allocator_file__read(fixture->copy, &file, &why), 0);
	assert_int_equal(strncmp(file->name, "glibc", 5), 0);
	allocator_file__free(file);
	name[4] = 'c';
	assert_int_equal(allocator_file__read(fixture->copy, &file, &why), 0);
	assert_int_equal(file->low, fixture->file->low);
	allocator_file__free(file);
	munmap(bytes, (size_t)fixture->size);
}

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Whatever comes out, it must keep the promises of the header. */
static void read_damaged(int fd)
{
	struct allocator_file *file = NULL;
	const char *why = NULL;
	int err = allocator_file__read(fd, &file, &why);

	if (err) {
		assert_true(err == -ENOENT || err == -EOPNOTSUPP || err == -EINVAL);
		assert_null(file);
		if (err == -EOPNOTSUPP)
			assert_non_null(why);
		return;
	}
	assert_non_null(file->name);
	assert_true(file->low < file->high);
	for (size_t i = 0; i < file->nr_functions; i++) {
		assert_in_range(file->functions[i].address, file->low, file->high - 1);
		assert_in_range(file->functions[i].site_address, file->low, file->high - 1);
	}
	for (size_t i = 0; i < file->nr_wrappers; i++)
		assert_true(file->wrappers[i].return_slot >= 0);
	allocator_file__free(file);
}

static void survives_truncation(void **state)
{
	const struct fixture *fixture = *state;
	long long end = now_ns() + FUZZ_NS;
	off_t size, step;
	int fd = copy_file(fixture->path, &size);

	/* Finer steps towards the start, where the headers and symbols are. */
	while (size > 0 && now_ns() < end) {
		step = size > (256 << 10) ? 40009 : size > 1024 ? 2003 : 7;
		size = size > step ? size - step : 0;
		assert_int_equal(ftruncate(fd, size), 0);
		read_damaged(fd);
	}
	for (size = 70; size >= 0; size--) {
		assert_int_equal(ftruncate(fd, size), 0);
		read_damaged(fd);
	}
	close(fd);
}

struct part {
	off_t start;
	off_t size;
};

/* The parts of the file that are believed: headers, tables, frames, sections. */
static size_t find_parts(const struct fixture *fixture, struct part *parts, size_t max)
{
	Elf64_Ehdr header;
	size_t n = 0;

	assert_int_equal(pread(fixture->copy, &header, sizeof(header), 0), sizeof(header));
	parts[n++] = (struct part){ 0, fixture->size };
	parts[n++] = (struct part){ 0, sizeof(header) };
	parts[n++] = (struct part){ (off_t)header.e_shoff,
				    (off_t)header.e_shnum * (off_t)sizeof(Elf64_Shdr) };
	for (int i = 0; i < header.e_phnum && n < max; i++) {
		off_t at = (off_t)header.e_phoff + i * (off_t)sizeof(Elf64_Phdr);
		Elf64_Phdr segment;

		assert_int_equal(pread(fixture->copy, &segment, sizeof(segment), at),
				 sizeof(segment));
		parts[n++] = (struct part){ at, sizeof(segment) };
		if (n == max || !segment.p_filesz)
			continue;
		if (segment.p_type == PT_DYNAMIC || segment.p_type == PT_NOTE ||
		    segment.p_type == PT_GNU_EH_FRAME)
			parts[n++] =
				(struct part){ (off_t)segment.p_offset, (off_t)segment.p_filesz };
		else if (segment.p_type == PT_LOAD && !segment.p_offset)
			parts[n++] = (struct part){ 0, (off_t)segment.p_filesz };
	}
	return n;
}

static void survives_corruption(void **state)
{
	const struct fixture *fixture = *state;
	long long end = now_ns() + FUZZ_NS;
	struct part parts[64];
	size_t nr_parts = find_parts(fixture, parts, sizeof(parts) / sizeof(*parts));
	unsigned int seed = 20221122;
	const char *wanted_seed = getenv("SEED");

	if (wanted_seed)
		seed = (unsigned int)strtoul(wanted_seed, NULL, 0);
	for (int round = 0; round < 2000 && now_ns() < end; round++) {
		const struct part *part = &parts[(size_t)rand_r(&seed) % nr_parts];
		off_t at = part->start + rand_r(&seed) % part->size;
		unsigned char before, after;

		assert_int_equal(pread(fixture->copy, &before, 1, at), 1);
		after = (unsigned char)rand_r(&seed);
		assert_int_equal(pwrite(fixture->copy, &after, 1, at), 1);
		read_damaged(fixture->copy);
		assert_int_equal(pwrite(fixture->copy, &before, 1, at), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_library),
		cmocka_unit_test(finds_all_functions),
		cmocka_unit_test(sites_hold_what_is_in_memory),
		cmocka_unit_test(range_is_the_allocator_alone),
		cmocka_unit_test(finds_wrappers),
		cmocka_unit_test(knows_debian_12),
		cmocka_unit_test(refuses_others),
		cmocka_unit_test(knows_another_name_and_refuses_another_machine),
		cmocka_unit_test(survives_truncation),
		cmocka_unit_test(survives_corruption),
	};

#ifndef __x86_64__
	return 0; /* no allocator is supported there yet */
#endif
	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator_range.h"
#include "allocator_scan.h"
#include "eh_frame.h"
#include "elf_file.h"
#include "site.h"
#include "wrapper_sites.h"

#define MAX_ROOTS 256 /* exported names of malloc.o: 27 in 2.36 */
#define MAX_FUNCTION_BYTES (1 << 16)
#define OWN_PAGE 4096 /* x86-64's */
/* The wire format has 32 bits for an address; no C library is that large. */
#define MAX_ADDRESS (1ULL << 32)

static const char WHY_NARROW[] = "32-bit";
static const char WHY_MACHINE[] = "not x86-64: kernel-side figures only";
static const char WHY_INCOMPLETE[] = "glibc without calloc or realloc";
static const char WHY_SITE[] = "no safe place for a probe";
static const char WHY_FRAMES[] = "no usable .eh_frame_hdr";
static const char WHY_RANGE[] = "the allocator's functions are scattered";
static const char WHY_WRAPPERS[] = "system call wrappers not understood";
static const char WHY_MALFORMED[] = "malformed";

/*
 * Other exports of glibc's malloc.o, of all versions from 2.19 on. Not reallocarray, not mcheck.
 * Some old ones lie far away, in a section for compatibility.
 */
static const char *const allocator_exports[] = {
	"cfree",
	"free_aligned_sized",
	"free_sized",
	"mallinfo",
	"mallinfo2",
	"malloc_get_state",
	"malloc_info",
	"malloc_set_state",
	"malloc_stats",
	"malloc_trim",
	"malloc_usable_size",
	"__default_morecore",
	"__libc_aligned_alloc",
	"__libc_calloc",
	"__libc_free",
	"__libc_mallinfo",
	"__libc_mallinfo2",
	"__libc_malloc",
	"__libc_mallopt",
	"__libc_memalign",
	"__libc_pvalloc",
	"__libc_realloc",
	"__libc_valloc",
	"__malloc_get_state",
	"__malloc_set_state",
	"__posix_memalign",
};

/* What the walks over glibc's symbols find. */
struct glibc_scan {
	struct scan scan;
	__u64 roots[MAX_ROOTS];
	struct allocator_exports exports;
};

/* Is there an allocator? Asked of every executable file of the host. */
struct presence {
	bool has_malloc, has_free;
};

static int find_glibc(const char *name)
{
	int rank = wanted__is_prefixed(name) ? -ENOENT : wanted__find(name);

	return rank >= 0 && (wanted_functions[rank].flags & WANTED_GLIBC) ? rank : -ENOENT;
}

static bool is_allocator_export(const char *name)
{
	size_t i;

	if (find_glibc(name) >= 0)
		return true;
	for (i = 0; i < sizeof(allocator_exports) / sizeof(*allocator_exports); i++) {
		if (!strcmp(name, allocator_exports[i]))
			return true;
	}
	return false;
}

int scan__add(struct scan *scan, unsigned int rank, const struct elf_function *symbol)
{
	const struct wanted *wanted = &wanted_functions[rank];
	size_t i;

	for (i = 0; i < scan->nr_functions; i++) {
		if (scan->functions[i].address == symbol->address)
			break;
	}
	if (i == MAX_FUNCTIONS)
		return -EINVAL;
	if (wanted->flags & WANTED_NEW)
		scan->is_new[i] = true;
	if (i < scan->nr_functions && scan->ranks[i] <= rank)
		return 0;
	if (i == scan->nr_functions)
		scan->nr_functions++;
	scan->ranks[i] = rank;
	scan->functions[i] = (struct allocator_function){
		.function = wanted->function,
		.name = wanted->name,
		.address = symbol->address,
		.size = symbol->size,
	};
	return 0;
}

void scan__add_wrapper(struct scan *scan, const struct elf_function *symbol)
{
	int wrapper = wrapper_sites__name(symbol->name);

	if (wrapper < 0 || scan->wrappers.address[wrapper])
		return;
	scan->wrappers.address[wrapper] = symbol->address;
	scan->wrappers.size[wrapper] = symbol->size;
}

static int add_root(struct glibc_scan *scan, const struct elf_function *symbol)
{
	struct allocator_exports *exports = &scan->exports;

	if (exports->nr_roots == MAX_ROOTS || symbol->address + symbol->size > MAX_ADDRESS)
		return -EINVAL;
	scan->roots[exports->nr_roots++] = symbol->address;
	return 0;
}

static void stretch(struct allocator_exports *exports, const struct elf_function *symbol)
{
	__u64 end = symbol->address + symbol->size;

	if (!exports->end || symbol->address < exports->first)
		exports->first = symbol->address;
	if (symbol->address > exports->last)
		exports->last = symbol->address;
	if (end > exports->end)
		exports->end = end;
}

static int visit_presence(const struct elf_function *symbol, void *context)
{
	struct presence *presence = context;
	const char *name = symbol->name;

	if (!strncmp(name, "je_", 3))
		name += 3;
	if (!strcmp(name, "malloc"))
		presence->has_malloc = true;
	else if (!strcmp(name, "free"))
		presence->has_free = true;
	return presence->has_malloc && presence->has_free;
}

static int visit_own(const struct elf_function *symbol, void *context)
{
	struct glibc_scan *scan = context;
	int rank = find_glibc(symbol->name);

	scan__add_wrapper(&scan->scan, symbol);
	if (rank >= 0) {
		int err = scan__add(&scan->scan, (unsigned int)rank, symbol);

		if (err)
			return err;
		stretch(&scan->exports, symbol);
	}
	return is_allocator_export(symbol->name) ? add_root(scan, symbol) : 0;
}

/*
 * Bounds the object by its exported neighbours. One between malloc and the last export is taken
 * for a part of the object that a newer version exports.
 */
static int visit_neighbour(const struct elf_function *symbol, void *context)
{
	struct glibc_scan *scan = context;
	struct allocator_exports *exports = &scan->exports;
	__u64 end = symbol->address + symbol->size;

	if (is_allocator_export(symbol->name))
		return 0;
	if (symbol->address < exports->first && end > exports->floor && end <= exports->first)
		exports->floor = end;
	if (symbol->address > exports->last && symbol->address < exports->ceiling &&
	    symbol->address >= exports->end)
		exports->ceiling = symbol->address;
	return 0;
}

/* 1: it defines malloc and free, and *table has them. 0: it does not. */
static int find_presence(const struct elf_file *elf, __u32 *table)
{
	static const __u32 tables[] = { SHT_DYNSYM, SHT_SYMTAB };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct presence presence = { 0 };
		int result;

		*table = tables[i];
		result = elf_file__each_function(elf, *table, visit_presence, &presence);
		if (result && result != -ENOENT)
			return result;
	}
	return 0;
}

static int read_function(const struct elf_file *elf, unsigned int rank, struct allocator_file *file,
			 struct allocator_function *function, const char **why)
{
	const struct wanted *wanted = &wanted_functions[rank];
	unsigned char *code;
	struct site site;
	int err;

	if (!function->size || function->size > MAX_FUNCTION_BYTES)
		return -EINVAL;
	err = elf_file__offset(elf, function->address, &function->offset);
	if (err)
		return err;
	code = malloc(function->size);
	if (!code)
		return -ENOMEM;
	err = elf_file__read(elf, function->address, code, function->size);
	if (!err)
		err = site__choose(elf->machine, code, function->size, function->address,
				   wanted->nr_args, &site);
	free(code);
	if (err == -EOPNOTSUPP)
		*why = WHY_SITE;
	if (err)
		return err;
	file->shift = function->address - function->offset;
	function->site_address = function->address + site.offset;
	function->site_offset = function->offset + site.offset;
	function->emulated = site.emulated;
	return 0;
}

static int compare_functions(const void *a, const void *b)
{
	__u64 left = ((const struct allocator_function *)a)->address;
	__u64 right = ((const struct allocator_function *)b)->address;

	return (left > right) - (left < right);
}

int scan__read_functions(const struct elf_file *elf, struct scan *scan, struct allocator_file *file,
			 const char **why)
{
	size_t i;

	for (i = 0; i < scan->nr_functions; i++) {
		int err = read_function(elf, scan->ranks[i], file, &scan->functions[i], why);

		if (err)
			return err;
		scan->functions[i].is_new = scan->is_new[i];
	}
	file->functions = malloc(scan->nr_functions * sizeof(*file->functions));
	if (!file->functions)
		return -ENOMEM;
	memcpy(file->functions, scan->functions, scan->nr_functions * sizeof(*file->functions));
	file->nr_functions = scan->nr_functions;
	qsort(file->functions, file->nr_functions, sizeof(*file->functions), compare_functions);
	return 0;
}

static int read_ranges(const struct elf_file *elf, const struct glibc_scan *scan,
		       struct allocator_file *file, const char **why)
{
	struct eh_frame frame;
	int err;

	err = eh_frame__open(&frame, elf);
	if (err) {
		*why = WHY_FRAMES;
		return err;
	}
	err = allocator_range__find(&frame, &scan->exports, &file->low, &file->high);
	if (err == -EOPNOTSUPP)
		*why = WHY_RANGE;
	if (!err) {
		/* Without these three a growing call could not be charged to anyone. */
		err = wrapper_sites__find(&frame, &scan->scan.wrappers,
					  1u << WRAPPER_MMAP | 1u << WRAPPER_BRK |
						  1u << WRAPPER_SBRK,
					  &file->wrappers, &file->nr_wrappers);
		if (err == -EOPNOTSUPP)
			*why = WHY_WRAPPERS;
	}
	eh_frame__close(&frame);
	return err;
}

/*
 * The release, from the banner that libc prints when it is run. A release that adds no function
 * defines no version of its own (2.31), so the highest of those is only the second best.
 */
static int release_minor(const struct elf_file *elf, int highest)
{
	char banner[256], *release;
	int minor;

	if (elf_file__find_text(elf, "GNU C Library ", 0, banner, sizeof(banner)))
		return highest;
	release = strstr(banner, "release version 2.");
	if (!release || sscanf(release, "release version 2.%4d", &minor) != 1 || minor < highest)
		return highest;
	return minor;
}

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return -EOPNOTSUPP;
}

static int read_glibc(const struct elf_file *elf, int minor, struct allocator_file *file,
		      const char **why)
{
	struct glibc_scan scan = { .exports = { .roots = scan.roots, .ceiling = ~0ULL } };
	unsigned int found = 0;
	size_t i;
	int err;

	minor = release_minor(elf, minor);
	if (asprintf(&file->name, "glibc 2.%d", minor) < 0) {
		file->name = NULL;
		return -ENOMEM;
	}
	file->flags = FILE_GLIBC | (minor < 35 ? FILE_THRESHOLD_CAPPED : 0);
	err = elf_file__each_function(elf, SHT_DYNSYM, visit_own, &scan);
	if (!err)
		err = elf_file__each_function(elf, SHT_DYNSYM, visit_neighbour, &scan);
	for (i = 0; i < scan.scan.nr_functions; i++)
		found |= 1u << scan.scan.functions[i].function;
	if (!err && (~found & (1u << FUNCTION_MALLOC | 1u << FUNCTION_CALLOC |
			       1u << FUNCTION_REALLOC | 1u << FUNCTION_FREE)))
		return refuse(why, WHY_INCOMPLETE);
	if (!err)
		err = scan__read_functions(elf, &scan.scan, file, why);
	if (!err)
		err = read_ranges(elf, &scan, file, why);
	return err;
}

static int read_elf(const struct elf_file *elf, struct allocator_file *file, const char **why)
{
	const char *soname = elf_file__soname(elf);
	int err, minor;
	__u32 table;

	err = find_presence(elf, &table);
	if (err <= 0)
		return err ? err : -ENOENT;
	/* Until 2.34 the loader exports a malloc for its own first steps; libc's replaces it. */
	if (soname && !strncmp(soname, "ld-linux", 8))
		return -ENOENT;
	if (!elf->is_64_bit)
		return refuse(why, WHY_NARROW);
	if (elf->machine != EM_X86_64)
		return refuse(why, WHY_MACHINE);
	err = elf_file__build_id(elf, &file->build_id);
	if (err == -ENOMEM)
		return err; /* without a build id it is an allocator all the same */
	file->own_slack = 2 * OWN_PAGE;
	minor = elf_file__glibc_minor(elf);
	if (soname && !strcmp(soname, "libc.so.6") && minor >= 0 && table == SHT_DYNSYM)
		err = read_glibc(elf, minor, file, why);
	else
		err = read_other_allocator(elf, table, file, why);
	if (err == -EINVAL)
		*why = WHY_MALFORMED;
	return err;
}

int allocator_file__read(int fd, struct allocator_file **out, const char **why)
{
	struct allocator_file *file;
	struct elf_file elf;
	int err;

	err = elf_file__open(&elf, fd);
	if (err)
		return err;
	file = calloc(1, sizeof(*file));
	err = file ? read_elf(&elf, file, why) : -ENOMEM;
	elf_file__close(&elf);
	if (err)
		allocator_file__free(file);
	else
		*out = file;
	return err;
}

void allocator_file__free(struct allocator_file *file)
{
	if (!file)
		return;
	free(file->build_id);
	free(file->name);
	free(file->functions);
	free(file->returns);
	free(file->jumps);
	free(file->wrappers);
	free(file);
}

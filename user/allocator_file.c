/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator_range.h"
#include "eh_frame.h"
#include "elf_file.h"
#include "site.h"
#include "wrapper_sites.h"

#define MAX_FUNCTIONS 32 /* 9 in glibc 2.36 */
#define MAX_ROOTS 256 /* exported names of malloc.o: 27 in 2.36 */
#define MAX_FUNCTION_BYTES (1 << 16)
/* The wire format has 32 bits for an address; no C library is that large. */
#define MAX_ADDRESS (1ULL << 32)

static const char WHY_OWN[] = "defines its own malloc (not glibc): kernel-side figures only";
static const char WHY_STATIC[] = "static, with malloc inside: kernel-side figures only";
static const char WHY_NARROW[] = "32-bit";
static const char WHY_MACHINE[] = "not x86-64: kernel-side figures only";
static const char WHY_INCOMPLETE[] = "glibc without calloc or realloc";
static const char WHY_SITE[] = "no safe place for a probe";
static const char WHY_FRAMES[] = "no usable .eh_frame_hdr";
static const char WHY_RANGE[] = "the allocator's functions are scattered";
static const char WHY_WRAPPERS[] = "system call wrappers not understood";
static const char WHY_MALFORMED[] = "malformed";

struct wanted {
	const char *name;
	enum alloc_function function;
	unsigned int nr_args;
};

/* Where two names have one address, the first in this order is shown. */
static const struct wanted wanted_functions[] = {
	{ "malloc", FUNCTION_MALLOC, 1 },
	{ "calloc", FUNCTION_CALLOC, 2 },
	{ "realloc", FUNCTION_REALLOC, 2 },
	{ "free", FUNCTION_FREE, 1 },
	{ "memalign", FUNCTION_MEMALIGN, 2 },
	{ "aligned_alloc", FUNCTION_MEMALIGN, 2 },
	{ "posix_memalign", FUNCTION_POSIX_MEMALIGN, 3 },
	{ "valloc", FUNCTION_VALLOC, 1 },
	{ "pvalloc", FUNCTION_PVALLOC, 1 },
	{ "mallopt", FUNCTION_MALLOPT, 2 },
};

#define NR_WANTED (sizeof(wanted_functions) / sizeof(*wanted_functions))

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

/* What one walk over the symbols finds. */
struct scan {
	bool has_malloc, has_free;
	struct allocator_function functions[MAX_FUNCTIONS];
	unsigned int ranks[MAX_FUNCTIONS]; /* index into wanted_functions */
	size_t nr_functions;
	__u64 roots[MAX_ROOTS];
	struct allocator_exports exports;
	struct wrapper_functions wrappers;
};

static int find_wanted(const char *name)
{
	size_t i;

	for (i = 0; i < NR_WANTED; i++) {
		if (!strcmp(name, wanted_functions[i].name))
			return (int)i;
	}
	return -ENOENT;
}

static bool is_allocator_export(const char *name)
{
	size_t i;

	if (find_wanted(name) >= 0)
		return true;
	for (i = 0; i < sizeof(allocator_exports) / sizeof(*allocator_exports); i++) {
		if (!strcmp(name, allocator_exports[i]))
			return true;
	}
	return false;
}

static int add_wanted(struct scan *scan, unsigned int rank, const struct elf_function *symbol)
{
	const struct wanted *wanted = &wanted_functions[rank];
	size_t i;

	for (i = 0; i < scan->nr_functions; i++) {
		if (scan->functions[i].address == symbol->address)
			break;
	}
	if (i == MAX_FUNCTIONS)
		return -EINVAL;
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

static int add_root(struct scan *scan, const struct elf_function *symbol)
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

/* Only asks whether there is an allocator. Run on every executable file of the host. */
static int visit_presence(const struct elf_function *symbol, void *context)
{
	struct scan *scan = context;

	if (!strcmp(symbol->name, "malloc"))
		scan->has_malloc = true;
	else if (!strcmp(symbol->name, "free"))
		scan->has_free = true;
	return scan->has_malloc && scan->has_free;
}

static int visit_own(const struct elf_function *symbol, void *context)
{
	struct scan *scan = context;
	int rank = find_wanted(symbol->name), wrapper = wrapper_sites__name(symbol->name);

	if (wrapper >= 0 && !scan->wrappers.address[wrapper]) {
		scan->wrappers.address[wrapper] = symbol->address;
		scan->wrappers.size[wrapper] = symbol->size;
	}
	if (rank >= 0) {
		int err = add_wanted(scan, (unsigned int)rank, symbol);

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
	struct scan *scan = context;
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

/* 1: it defines malloc and free. 0: it does not. */
static int find_presence(const struct elf_file *elf, bool *is_static)
{
	struct scan scan = { 0 };
	int result;

	*is_static = false;
	result = elf_file__each_function(elf, SHT_DYNSYM, visit_presence, &scan);
	if (result == -ENOENT)
		result = 0;
	if (result || !elf_file__is_static(elf))
		return result;
	*is_static = true;
	scan = (struct scan){ 0 };
	result = elf_file__each_function(elf, SHT_SYMTAB, visit_presence, &scan);
	return result == -ENOENT ? 0 : result;
}

static int read_function(const struct elf_file *elf, unsigned int rank,
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

static int read_functions(const struct elf_file *elf, struct scan *scan,
			  struct allocator_file *file, const char **why)
{
	unsigned int found = 0;
	size_t i;

	for (i = 0; i < scan->nr_functions; i++) {
		int err = read_function(elf, scan->ranks[i], &scan->functions[i], why);

		if (err)
			return err;
		found |= 1u << scan->functions[i].function;
	}
	if (~found & (1u << FUNCTION_MALLOC | 1u << FUNCTION_CALLOC | 1u << FUNCTION_REALLOC |
		      1u << FUNCTION_FREE)) {
		*why = WHY_INCOMPLETE;
		return -EOPNOTSUPP;
	}
	file->functions = malloc(scan->nr_functions * sizeof(*file->functions));
	if (!file->functions)
		return -ENOMEM;
	memcpy(file->functions, scan->functions, scan->nr_functions * sizeof(*file->functions));
	file->nr_functions = scan->nr_functions;
	qsort(file->functions, file->nr_functions, sizeof(*file->functions), compare_functions);
	return 0;
}

static int read_ranges(const struct elf_file *elf, const struct scan *scan,
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
		err = wrapper_sites__find(&frame, &scan->wrappers, &file->wrappers,
					  &file->nr_wrappers);
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

	if (elf_file__find_text(elf, "GNU C Library ", banner, sizeof(banner)))
		return highest;
	release = strstr(banner, "release version 2.");
	if (!release || sscanf(release, "release version 2.%4d", &minor) != 1 || minor < highest)
		return highest;
	return minor;
}

static int read_glibc(const struct elf_file *elf, int minor, struct allocator_file *file,
		      const char **why)
{
	struct scan scan = { .exports = { .roots = scan.roots, .ceiling = ~0ULL } };
	int err;

	if (asprintf(&file->name, "glibc 2.%d", release_minor(elf, minor)) < 0) {
		file->name = NULL;
		return -ENOMEM;
	}
	err = elf_file__build_id(elf, &file->build_id);
	if (err == -ENOMEM)
		return err; /* without a build id it is a libc all the same */
	err = elf_file__each_function(elf, SHT_DYNSYM, visit_own, &scan);
	if (!err)
		err = elf_file__each_function(elf, SHT_DYNSYM, visit_neighbour, &scan);
	if (!err)
		err = read_functions(elf, &scan, file, why);
	if (!err)
		err = read_ranges(elf, &scan, file, why);
	return err;
}

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return -EOPNOTSUPP;
}

static int read_elf(const struct elf_file *elf, struct allocator_file *file, const char **why)
{
	const char *soname = elf_file__soname(elf);
	bool is_static;
	int err, minor;

	err = find_presence(elf, &is_static);
	if (err <= 0)
		return err ? err : -ENOENT;
	/* Until 2.34 the loader exports a malloc for its own first steps; libc's replaces it. */
	if (soname && !strncmp(soname, "ld-linux", 8))
		return -ENOENT;
	if (!elf->is_64_bit)
		return refuse(why, WHY_NARROW);
	if (is_static)
		return refuse(why, WHY_STATIC);
	minor = elf_file__glibc_minor(elf);
	if (!soname || strcmp(soname, "libc.so.6") != 0 || minor < 0)
		return refuse(why, WHY_OWN);
	if (elf->machine != EM_X86_64)
		return refuse(why, WHY_MACHINE);
	err = read_glibc(elf, minor, file, why);
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
	free(file->wrappers);
	free(file);
}

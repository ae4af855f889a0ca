/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocators other than glibc's shared library: libraries that are nothing but an allocator, musl,
 * and programs and libraries that have one inside.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator_code.h"
#include "allocator_kind.h"
#include "allocator_scan.h"
#include "eh_frame.h"

static const char WHY_NO_CODE[] = "its malloc lies outside its code";
static const char WHY_WRAPPERS[] = "system call wrappers not understood";

/* The object of musl's allocator, by the names that it exports or (static) keeps. */
static const char *const musl_names[] = {
	"malloc",
	"calloc",
	"free",
	"realloc",
	"aligned_alloc",
	"malloc_usable_size",
	"memalign",
	"posix_memalign",
	"reallocarray",
	"__libc_malloc",
	"__libc_malloc_impl",
	"__libc_free",
	"__libc_realloc",
	"__libc_calloc",
	"__malloc_alloc_meta",
	"__malloc_allzerop",
	"__malloc_donate",
	"__malloc_atfork",
	"__expand_heap",
	"__malloc_replaced",
};

struct other {
	const struct elf_file *elf;
	__u32 table;
	enum allocator_kind kind;
	struct kind_signs signs;
	struct scan scan;
	__u64 low, high; /* of the symbols that are the allocator's own */
	__u64 floor, ceiling; /* nearest ones that are not */
	struct eh_frame frame;
	__u64 asked, answer; /* a function's address, and its size */
	struct {
		__u64 from, to;
	} forwards[MAX_FUNCTIONS]; /* functions that are nothing but a jump, which have no probe */
	size_t nr_forwards;
	bool prefixed; /* has jemalloc by names of its own beside libc's */
};

static int visit_signs(const struct elf_function *symbol, void *context)
{
	struct other *other = context;

	kind_signs__see(&other->signs, symbol);
	return 0;
}

static bool is_libc(const struct other *other)
{
	return other->kind == KIND_GLIBC || other->kind == KIND_MUSL ||
	       other->kind == KIND_MUSL_OLD;
}

static bool is_wanted(const struct other *other, unsigned int rank)
{
	const struct wanted *wanted = &wanted_functions[rank];

	if (wanted->function == FUNCTION_MALLOPT)
		return other->kind == KIND_GLIBC;
	if (wanted->flags & WANTED_MIMALLOC)
		return other->kind == KIND_MIMALLOC;
	if (other->kind == KIND_GLIBC)
		return wanted->flags & WANTED_GLIBC;
	/* Beside a libc in a static program it is libstdc++'s, which calls malloc. */
	return !is_libc(other) || !(wanted->flags & WANTED_CXX);
}

/* Is it a function of the allocator's object itself? Only asked where that is one of several. */
static bool is_of_object(const struct other *other, const struct elf_function *symbol)
{
	size_t i;

	if (other->kind == KIND_GLIBC)
		return symbol->unit && !strncmp(symbol->unit, "malloc.", 7);
	for (i = 0; i < sizeof(musl_names) / sizeof(*musl_names); i++) {
		if (!strcmp(symbol->name, musl_names[i]))
			return true;
	}
	return false;
}

static int visit_functions(const struct elf_function *symbol, void *context)
{
	struct other *other = context;
	__u64 end = symbol->address + symbol->size;
	int rank = wanted__find(symbol->name);

	scan__add_wrapper(&other->scan, symbol);
	if (is_libc(other) &&
	    (is_of_object(other, symbol) ||
	     (other->kind == KIND_GLIBC && rank >= 0 && is_wanted(other, (unsigned int)rank)))) {
		if (!other->high || symbol->address < other->low)
			other->low = symbol->address;
		if (end > other->high)
			other->high = end;
	}
	if (rank < 0 || !is_wanted(other, (unsigned int)rank) || !symbol->size)
		return 0;
	other->prefixed |= wanted__is_prefixed(symbol->name);
	return scan__add(&other->scan, (unsigned int)rank, symbol);
}

/* What musl's library exports next to its allocator. */
static int visit_neighbours(const struct elf_function *symbol, void *context)
{
	struct other *other = context;
	__u64 end = symbol->address + symbol->size;

	if (is_of_object(other, symbol))
		return 0;
	if (end <= other->low && end > other->floor)
		other->floor = end;
	if (symbol->address >= other->high && symbol->address < other->ceiling)
		other->ceiling = symbol->address;
	return 0;
}

static int visit_size(const struct elf_function *symbol, void *context)
{
	struct other *other = context;

	if (symbol->address != other->asked || !symbol->size)
		return 0;
	other->answer = symbol->size;
	return 1;
}

static __u64 function_size(void *context, __u64 address)
{
	struct other *other = context;
	__u64 start, end;

	if (!eh_frame__function(&other->frame, address, &start, &end) && start == address)
		return end - start;
	other->asked = address;
	other->answer = 0;
	elf_file__each_function(other->elf, other->table, visit_size, other);
	return other->answer;
}

static const struct elf_segment *code_segment(const struct elf_file *elf, __u64 address)
{
	unsigned int i;

	for (i = 0; i < elf->nr_loads; i++) {
		const struct elf_segment *load = &elf->loads[i];

		if (load->executable && address >= load->address &&
		    address - load->address < load->size)
			return load;
	}
	return NULL;
}

static struct allocator_function *find_function(struct scan *scan, __u64 address)
{
	size_t i;

	for (i = 0; i < scan->nr_functions; i++) {
		if (scan->functions[i].address == address)
			return &scan->functions[i];
	}
	return NULL;
}

static bool same_class(const struct allocator_function *one, const struct allocator_function *other)
{
	return (one->function == FUNCTION_FREE) == (other->function == FUNCTION_FREE);
}

/* Where a jump to this address ends up. */
static __u64 forward(const struct other *other, __u64 address)
{
	size_t i, hops;

	for (hops = 0; hops < other->nr_forwards; hops++) {
		for (i = 0; i < other->nr_forwards; i++) {
			if (other->forwards[i].from == address)
				address = other->forwards[i].to;
		}
	}
	return address;
}

/*
 * A function that is nothing but a jump to another of them needs no probe: that one sees the call.
 * Operator new as a jump to malloc neither; it is then malloc, which throws nothing.
 */
static int drop_forwarders(struct other *other)
{
	struct scan *scan = &other->scan;
	size_t i = 0;

	while (i < scan->nr_functions) {
		struct allocator_function *function = &scan->functions[i], *to;
		struct code code;
		int err;

		err = code__read(other->elf, function->address, function->size, &code);
		if (err)
			return err;
		to = code.forwards_to ? find_function(scan, forward(other, code.forwards_to)) :
					NULL;
		if (!to || to == function || !same_class(function, to)) {
			i++;
			continue;
		}
		other->forwards[other->nr_forwards].from = function->address;
		other->forwards[other->nr_forwards++].to = to->address;
		scan->nr_functions--;
		memmove(function, function + 1, (scan->nr_functions - i) * sizeof(*function));
		memmove(&scan->ranks[i], &scan->ranks[i + 1],
			(scan->nr_functions - i) * sizeof(*scan->ranks));
		memmove(&scan->is_new[i], &scan->is_new[i + 1],
			(scan->nr_functions - i) * sizeof(*scan->is_new));
		scan->is_new[scan->nr_functions] = false;
	}
	return 0;
}

static int add_return(struct allocator_file *file, const struct elf_file *elf, __u64 address)
{
	struct allocator_return *returns;
	__u64 offset;
	size_t i;

	for (i = 0; i < file->nr_returns; i++) {
		if (file->returns[i].address == address)
			return 0;
	}
	if (elf_file__offset(elf, address, &offset))
		return 0;
	returns = realloc(file->returns, (file->nr_returns + 1) * sizeof(*returns));
	if (!returns)
		return -ENOMEM;
	file->returns = returns;
	returns[file->nr_returns++] =
		(struct allocator_return){ .address = address, .offset = offset };
	return 0;
}

static int add_jump(struct allocator_file *file, const struct allocator_function *from,
		    const struct allocator_function *to)
{
	struct tail_jump *jumps;

	jumps = realloc(file->jumps, (file->nr_jumps + 1) * sizeof(*jumps));
	if (!jumps)
		return -ENOMEM;
	file->jumps = jumps;
	jumps[file->nr_jumps++] = (struct tail_jump){
		.from = (__u32)from->site_address,
		.to = (__u32)to->site_address,
	};
	return 0;
}

/* Jumps between the functions, and the places where operator new returns. */
static int read_exits(struct other *other, struct allocator_file *file)
{
	size_t i, j;
	int err = 0;

	for (i = 0; !err && i < file->nr_functions; i++) {
		struct allocator_function *function = &file->functions[i];
		struct code code;

		err = code__read(other->elf, function->address, function->size, &code);
		if (!err && function->is_new)
			err = code__follow_jumps(other->elf, &code, function_size, other);
		for (j = 0; !err && j < code.nr_jumps; j++) {
			struct allocator_function *to =
				find_function(&other->scan, forward(other, code.jumps[j]));

			if (to && to->address != function->address && same_class(function, to))
				err = add_jump(file, function, to);
		}
		if (!function->is_new)
			continue;
		function->has_returns = code.nr_returns > 0;
		for (j = 0; !err && j < code.nr_returns; j++)
			err = add_return(file, other->elf, code.returns[j]);
	}
	return err;
}

static int read_range(struct other *other, struct allocator_file *file, const char **why)
{
	const struct elf_segment *code;
	int err = 0;

	code = code_segment(other->elf, other->scan.functions[0].address);
	if (!code) {
		*why = WHY_NO_CODE;
		return -EOPNOTSUPP;
	}
	file->low = code->address;
	file->high = code->address + code->size;
	if (is_libc(other)) {
		file->low = other->low;
		file->high = other->high;
	}
	if (is_libc(other) && other->table == SHT_DYNSYM) {
		other->ceiling = ~0ULL;
		err = elf_file__each_function(other->elf, other->table, visit_neighbours, other);
		if (other->floor > code->address)
			file->low = other->floor;
		if (other->ceiling < code->address + code->size)
			file->high = other->ceiling;
	} else if (is_libc(other)) {
		if (other->kind != KIND_GLIBC)
			file->flags |= FILE_APPROXIMATE;
	} else if (!allocator_kind__is_whole_library(other->kind) ||
		   !elf_file__soname(other->elf)) {
		file->flags |= FILE_APPROXIMATE;
	}
	if (!elf_file__is_static(other->elf))
		file->flags |= FILE_CALLS_LIBC;
	if (!is_libc(other) || other->prefixed)
		file->flags |= FILE_FREE_JUMPS;
	if (other->kind == KIND_GLIBC) {
		int minor = 0;

		file->flags |= FILE_GLIBC;
		if (sscanf(file->name, "glibc 2.%d", &minor) == 1 && minor < 35)
			file->flags |= FILE_THRESHOLD_CAPPED;
	}
	if (other->kind == KIND_GLIBC_DEBUG)
		file->flags |= FILE_REENTERS;
	if (allocator_kind__zero_is_block(other->kind))
		file->flags |= FILE_ZERO_IS_BLOCK;
	return err;
}

static int read_other(struct other *other, struct allocator_file *file, const char **why)
{
	int err;

	err = elf_file__each_function(other->elf, other->table, visit_signs, other);
	if (err)
		return err;
	other->kind = allocator_kind__of(other->elf, &other->signs);
	file->name = allocator_kind__name(other->elf, other->kind, &other->signs);
	if (!file->name)
		return -ENOMEM;
	allocator_kind__own_mapping(other->kind, &file->own_from, &file->own_slack);
	err = elf_file__each_function(other->elf, other->table, visit_functions, other);
	if (!err && !other->scan.nr_functions)
		err = -EINVAL;
	if (!err)
		err = drop_forwarders(other);
	if (!err)
		err = scan__read_functions(other->elf, &other->scan, file, why);
	if (!err)
		err = read_exits(other, file);
	if (!err)
		err = read_range(other, file, why);
	if (err)
		return err;
	err = wrapper_sites__find(&other->frame, &other->scan.wrappers,
				  is_libc(other) ? 1u << WRAPPER_MMAP : 0, &file->wrappers,
				  &file->nr_wrappers);
	if (err == -EOPNOTSUPP)
		*why = WHY_WRAPPERS;
	return err;
}

int read_other_allocator(const struct elf_file *elf, __u32 table, struct allocator_file *file,
			 const char **why)
{
	struct other *other = calloc(1, sizeof(*other));
	int err;

	if (!other)
		return -ENOMEM;
	other->elf = elf;
	other->table = table;
	err = eh_frame__open(&other->frame, elf);
	if (err && err != -ENOMEM) { /* then without: sizes by symbols, depths by decoding */
		other->frame = (struct eh_frame){ .file = elf };
		err = 0;
	}
	if (!err)
		err = read_other(other, file, why);
	eh_frame__close(&other->frame);
	free(other);
	return err;
}

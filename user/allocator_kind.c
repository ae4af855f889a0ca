/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_kind.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUSL_MMAP_THRESHOLD 131052 /* mallocng */
#define MUSL_OLD_MMAP_THRESHOLD (0x1c00 * 32)
#define MIMALLOC_LARGE_MAX (16ULL << 20)
#define MIMALLOC_SEGMENT (32ULL << 20)
#define UNKNOWN_OWN_FROM (32ULL << 10) /* below, growth of a pool may be as small as this */
#define PAGE_SLACK 8192
#define NO_OWN_MAPPINGS (~0ULL)

void kind_signs__see(struct kind_signs *signs, const struct elf_function *symbol)
{
	const char *name = symbol->name;

	if (!strcmp(name, "mallctl") || !strcmp(name, "je_mallctl")) {
		signs->mallctl = true;
	} else if (!strcmp(name, "tc_version")) {
		signs->tc_version = true;
	} else if (!strcmp(name, "TCMallocInternalMalloc")) {
		signs->google = true;
	} else if (!strcmp(name, "mi_version")) {
		signs->mi_version = true;
		signs->mi_version_address = symbol->address;
	} else if (!strcmp(name, "refalloc_ledger_read")) {
		signs->refalloc = true;
	} else if (!strcmp(name, "__malloc_alloc_meta") || !strcmp(name, "__libc_malloc_impl")) {
		signs->musl_ng = true;
	} else if (!strcmp(name, "__bin_chunk") || !strcmp(name, "__expand_heap")) {
		signs->musl_old = true;
	} else if (!strcmp(name, "_int_malloc") || !strcmp(name, "__libc_mallopt")) {
		signs->glibc = true;
	}
}

static bool soname_begins(const struct elf_file *elf, const char *with)
{
	const char *soname = elf_file__soname(elf);

	return soname && !strncmp(soname, with, strlen(with));
}

enum allocator_kind allocator_kind__of(const struct elf_file *elf, const struct kind_signs *signs)
{
	char text[32];

	if (soname_begins(elf, "libc_malloc_debug.so"))
		return KIND_GLIBC_DEBUG;
	if (signs->mallctl || soname_begins(elf, "libjemalloc"))
		return KIND_JEMALLOC;
	if (signs->google)
		return KIND_TCMALLOC;
	if (signs->tc_version || soname_begins(elf, "libtcmalloc"))
		return KIND_GPERFTOOLS;
	if (signs->mi_version)
		return KIND_MIMALLOC;
	if (signs->refalloc)
		return KIND_REFALLOC;
	if (signs->musl_ng)
		return KIND_MUSL;
	if (signs->musl_old)
		return KIND_MUSL_OLD;
	if (signs->glibc)
		return KIND_GLIBC;
	/* musl's library has lost its local names: mallocng is in it from 1.2.1 on. */
	if (!elf_file__soname(elf) && elf_file__is_static(elf) &&
	    !elf_file__find_text(elf, "musl libc (", 0, text, sizeof(text)))
		return KIND_MUSL;
	return KIND_OWN;
}

/* The version that holds or follows text: digits and dots only. */
static bool find_version(const struct elf_file *elf, const char *text, size_t before,
			 const char *begin, char *version, size_t size)
{
	char found[64], *at, *start;
	size_t length;

	if (elf_file__find_text(elf, text, before, found, sizeof(found)))
		return false;
	at = found + before;
	start = at;
	/* Backwards: what stands ahead may hold end marks. */
	while (start > found && (isdigit((unsigned char)start[-1]) || start[-1] == '.'))
		start--;
	if (!before)
		start = at + strlen(begin);
	length = strspn(start, "0123456789.");
	if (!length || length >= size)
		return false;
	snprintf(version, size, "%.*s", (int)length, start);
	return true;
}

/* mi_version() is "mov $209, %eax; ret": 2.0.9. */
static bool mimalloc_version(const struct elf_file *elf, const struct kind_signs *signs,
			     char *version, size_t size)
{
	unsigned char code[10];
	unsigned int number, at = 0;

	if (!signs->mi_version ||
	    elf_file__read(elf, signs->mi_version_address, code, sizeof(code)))
		return false;
	if (!memcmp(code, "\xf3\x0f\x1e\xfa", 4)) /* endbr64 */
		at = 4;
	if (code[at] != 0xb8 || code[at + 5] != 0xc3)
		return false;
	memcpy(&number, code + at + 1, sizeof(number));
	if (number < 100 || number > 9999)
		return false;
	if (number < 1000)
		snprintf(version, size, "%u.%u.%u", number / 100, number / 10 % 10, number % 10);
	else
		snprintf(version, size, "%u.%u.%u", number / 1000, number / 100 % 10, number % 100);
	return true;
}

char *allocator_kind__name(const struct elf_file *elf, enum allocator_kind kind,
			   const struct kind_signs *signs)
{
	static const char *const names[] = {
		[KIND_OWN] = "own malloc",
		[KIND_GLIBC] = "glibc",
		[KIND_GLIBC_DEBUG] = "glibc malloc debug",
		[KIND_JEMALLOC] = "jemalloc",
		[KIND_GPERFTOOLS] = "gperftools",
		[KIND_TCMALLOC] = "tcmalloc",
		[KIND_MIMALLOC] = "mimalloc",
		[KIND_REFALLOC] = "refalloc",
		[KIND_MUSL] = "musl",
		[KIND_MUSL_OLD] = "musl (before 1.2.1)",
	};
	char version[32] = "", *name;
	bool found = false;

	switch (kind) {
	case KIND_GLIBC:
		found = find_version(elf, "release version 2.", 0, "release version ", version,
				     sizeof(version)) ||
			find_version(elf, "glibc 2.", 0, "glibc ", version, sizeof(version));
		break;
	case KIND_JEMALLOC:
		found = find_version(elf, "-0-g", 12, "", version, sizeof(version));
		break;
	case KIND_GPERFTOOLS:
		found = find_version(elf, "gperftools 2.", 0, "gperftools ", version,
				     sizeof(version));
		break;
	case KIND_MIMALLOC:
		found = mimalloc_version(elf, signs, version, sizeof(version));
		break;
	case KIND_MUSL:
	case KIND_MUSL_OLD:
		found = find_version(elf, "1.2.", 0, "", version, sizeof(version)) ||
			find_version(elf, "1.1.", 0, "", version, sizeof(version));
		break;
	default:
		break;
	}
	if (asprintf(&name, found ? "%s %s" : "%s", names[kind], version) < 0)
		return NULL;
	return name;
}

void allocator_kind__own_mapping(enum allocator_kind kind, __u64 *from, __u64 *slack)
{
	*from = 0;
	*slack = PAGE_SLACK;
	switch (kind) {
	case KIND_JEMALLOC: /* extents, which it keeps */
	case KIND_GPERFTOOLS:
	case KIND_TCMALLOC:
		*from = NO_OWN_MAPPINGS;
		break;
	case KIND_MIMALLOC: /* a segment of one block, aligned: more is mapped and cut off again */
		*from = MIMALLOC_LARGE_MAX;
		*slack = 2 * MIMALLOC_SEGMENT;
		break;
	case KIND_MUSL:
		*from = MUSL_MMAP_THRESHOLD;
		break;
	case KIND_MUSL_OLD:
		*from = MUSL_OLD_MMAP_THRESHOLD;
		break;
	case KIND_OWN:
		*from = UNKNOWN_OWN_FROM;
		break;
	/* Of any size by its policy; a heap grows by 64 KiB and more beyond what was asked for. */
	case KIND_REFALLOC:
	default:
		break;
	}
}

bool allocator_kind__is_whole_library(enum allocator_kind kind)
{
	return kind == KIND_JEMALLOC || kind == KIND_GPERFTOOLS || kind == KIND_TCMALLOC ||
	       kind == KIND_MIMALLOC || kind == KIND_REFALLOC || kind == KIND_GLIBC_DEBUG;
}

bool allocator_kind__zero_is_block(enum allocator_kind kind)
{
	return kind == KIND_MIMALLOC || kind == KIND_MUSL || kind == KIND_MUSL_OLD;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of distribution files, byte of code for byte of code, against libdw's. Without
 * LONG=1 large files are left out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdw_rule.h"
#include "unwind_table.h"

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"
#define MIN_GAP_BYTES 16
#define MAX_SHORT_BYTES (8 << 20)
#define ENTRY_BYTES 128
#define STARTUP_BYTES 0x70
#define NR_FILES_WANTED 15 /* of the names below; the packages of make test have them */
#define NR_LONG_WANTED 20

static const char *const paths[] = {
	"/lib64/ld-linux-x86-64.so.2",
	LIBRARIES "libc.so.6",
	LIBRARIES "libm.so.6",
	LIBRARIES "libgcc_s.so.1",
	LIBRARIES "libstdc++.so.6",
	LIBRARIES "libz.so.1",
	LIBRARIES "libelf.so.1",
	LIBRARIES "libdw.so.1",
	LIBRARIES "libjemalloc.so.2",
	LIBRARIES "libtcmalloc_minimal.so.4",
	LIBRARIES "libsqlite3.so.0",
	LIBRARIES "libcrypto.so.3",
	LIBRARIES "libgmp.so.10",
	LIBRARIES "libcapstone.so.4",
	"/bin/bash",
	"/bin/ls",
	"/usr/bin/python3.11",
	"/usr/bin/perl",
	"/usr/bin/git",
	"/usr/bin/redis-server",
	"/usr/bin/sqlite3",
	"/usr/bin/gdb",
	"/usr/bin/node",
	"/usr/sbin/nginx",
	"/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
	"/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus",
	LIBRARIES "libLLVM-14.so.1",
	LIBRARIES "libclang-cpp.so.14",
	/* of libc6-arm64-cross, where it is installed */
	"/usr/aarch64-linux-gnu/lib/libc.so.6",
	"/usr/aarch64-linux-gnu/lib/libm.so.6",
	"/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
};

struct file {
	const char *path;
	Elf *elf;
	Dwarf_CFI *cfi;
	struct unwind_table table;
	const struct libdw_machine *machine;
	__u64 entry;
	__u64 rows; /* of libdw */
	__u64 bytes;
	__u64 assembled; /* bytes of code that is known without a record */
};

static bool is_long(void)
{
	const char *value = getenv("LONG");

	return value && *value;
}

/* Near what .fini_array calls first: the functions of gcc's crtbegin.o, about 0x70 before and behind. */
static bool is_startup(Elf_Scn *section, __u64 address)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	__u64 last;

	if (!data || data->d_size < sizeof(last))
		return false;
	memcpy(&last, data->d_buf, sizeof(last));
	return address - (last - STARTUP_BYTES) < 2 * STARTUP_BYTES;
}

/* Code whose rule we know although there is no record: the entry, .init, .fini, .plt, crtbegin.o. */
static bool is_known(const struct file *file, __u64 address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (address >= file->entry && address < file->entry + ENTRY_BYTES)
		return true;
	if (elf_getshdrstrndx(file->elf, &names))
		return false;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_FINI_ARRAY && is_startup(section, address))
			return true;
		if (address < header.sh_addr || address >= header.sh_addr + header.sh_size)
			continue;
		name = elf_strptr(file->elf, names, header.sh_name);
		if (name && (strcmp(name, ".init") == 0 || strcmp(name, ".fini") == 0 ||
			     strcmp(name, ".plt") == 0))
			return true;
	}
	return false;
}

/* That, or the padding in front of it. */
static bool is_assembled(const struct file *file, __u64 address)
{
	for (__u64 at = address; at < address + MIN_GAP_BYTES; at++)
		if (is_known(file, at))
			return true;
	return false;
}

static void differs(const struct file *file, __u64 offset, const struct unwind_rule *wanted)
{
	const struct unwind_rule *got =
		&file->table.rules[unwind_table__find(&file->table, offset)];

	fail_msg("%s+0x%llx: kind %u cfa %d %d fp %u %d bx %u %d ra %u %d, libdw: %u %d %d %u %d "
		 "%u %d %u %d",
		 file->path, (unsigned long long)offset, got->kind, got->cfa_offset, got->cfa_add,
		 got->fp_slot, got->fp_offset, got->bx_slot, got->bx_offset, got->ra_slot,
		 got->ra_offset, wanted->kind, wanted->cfa_offset, wanted->cfa_add, wanted->fp_slot,
		 wanted->fp_offset, wanted->bx_slot, wanted->bx_offset, wanted->ra_slot,
		 wanted->ra_offset);
}

/* Every byte of [start, end) has this rule. */
static void check_row(const struct file *file, __u64 start, __u64 end,
		      const struct unwind_rule *wanted)
{
	for (__u64 offset = start; offset < end; offset++) {
		__u32 rule = unwind_table__find(&file->table, offset);

		if (memcmp(&file->table.rules[rule], wanted, sizeof(*wanted)) != 0)
			differs(file, offset, wanted);
	}
}

static void check_gap(struct file *file, __u64 start, __u64 end, __s64 bias)
{
	static const struct unwind_rule none;

	if (end - start < MIN_GAP_BYTES)
		return;
	for (__u64 offset = start; offset < end; offset++) {
		if (unwind_table__find(&file->table, offset) == UNWIND_NO_RULE)
			continue;
		if (!is_assembled(file, (__u64)((__s64)offset + bias)))
			differs(file, offset, &none);
		file->assembled++;
	}
}

/* All code of a segment; bias is the address of file offset 0. */
static void check_segment(struct file *file, const GElf_Phdr *segment)
{
	__s64 bias = (__s64)(segment->p_vaddr - segment->p_offset);
	__u64 end = segment->p_offset + segment->p_filesz, gap = segment->p_offset;
	__u64 offset = segment->p_offset;

	while (offset < end) {
		Dwarf_Addr from, to, address = (Dwarf_Addr)((__s64)offset + bias);
		struct unwind_rule rule;
		Dwarf_Frame *frame;
		bool is_signal;
		__u64 until;

		if (dwarf_cfi_addrframe(file->cfi, address, &frame)) {
			offset++;
			continue;
		}
		check_gap(file, gap, offset, bias);
		assert_int_not_equal(dwarf_frame_info(frame, &from, &to, &is_signal), -1);
		rule = libdw__rule(frame, file->machine, is_signal);
		free(frame);
		assert_true(to > address);
		until = (__u64)((__s64)to - bias);
		if (until > end)
			until = end;
		check_row(file, offset, until, &rule);
		file->rows++;
		file->bytes += until - offset;
		offset = gap = until;
	}
	check_gap(file, gap, end, bias);
}

static void check_file(struct file *file, int fd)
{
	GElf_Ehdr header;
	GElf_Phdr segment;
	size_t i, n;

	file->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	assert_non_null(file->elf);
	assert_non_null(gelf_getehdr(file->elf, &header));
	file->entry = header.e_entry;
	file->machine = header.e_machine == EM_AARCH64 ? &libdw_arm64 : &libdw_x86_64;
	file->cfi = dwarf_getcfi_elf(file->elf);
	assert_non_null(file->cfi);
	assert_int_equal(unwind_table__build(fd, &file->table), 0);
	assert_int_equal(elf_getphdrnum(file->elf, &n), 0);
	for (i = 0; i < n; i++)
		if (gelf_getphdr(file->elf, (int)i, &segment) && segment.p_type == PT_LOAD &&
		    (segment.p_flags & PF_X))
			check_segment(file, &segment);
	print_message("%s: %llu rows of libdw's, %llu bytes of code: equal; %llu rows, %u rules\n",
		      file->path, (unsigned long long)file->rows, (unsigned long long)file->bytes,
		      (unsigned long long)file->table.nr_rows, file->table.nr_rules);
	assert_true(file->rows > 0);
	assert_true(file->assembled <= 4096);
	unwind_table__free(&file->table);
	dwarf_cfi_end(file->cfi);
	elf_end(file->elf);
}

static void tables_equal_libdws(void **state)
{
	int nr_files = 0;

	(void)state;
	elf_version(EV_CURRENT);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct file file = { .path = paths[i] };
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		struct stat st;

		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		if (is_long() || st.st_size <= MAX_SHORT_BYTES) {
			check_file(&file, fd);
			nr_files++;
		}
		close(fd);
	}
	assert_true(nr_files >= (is_long() ? NR_LONG_WANTED : NR_FILES_WANTED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_equal_libdws),
	};

	return cmocka_run_group_tests_name("unwind_libdw", tests, NULL, NULL);
}

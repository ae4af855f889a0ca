/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that gcc's crtbegin.o puts into each program have no records, and have rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"
#include "unwind_table.h"

#define MAX_FUNCTION_BYTES 128
#define PUSH_RBP 0x55
#define POP_RBP 0x5d
#define RET 0xc3

struct startup {
	const struct elf_file *file;
	const char *name;
	__u64 offset;
};

static int find(const struct elf_function *function, void *context)
{
	struct startup *startup = context;

	if (strcmp(function->name, startup->name) != 0)
		return 0;
	return elf_file__offset(startup->file, function->address, &startup->offset) ? 0 : 1;
}

static void assert_rule(const struct unwind_table *table, __u64 offset, int cfa_offset, bool saved)
{
	const struct unwind_rule *rule = &table->rules[unwind_table__find(table, offset)];

	assert_int_equal(rule->kind, UNWIND_SP);
	assert_int_equal(rule->cfa_offset, cfa_offset);
	assert_int_equal(rule->fp_slot, saved ? UNWIND_AT_CFA : UNWIND_SAME);
	if (saved)
		assert_int_equal(rule->fp_offset, -16);
	assert_int_equal(rule->bx_slot, UNWIND_SAME);
}

static void startup_code_has_rules(void **state)
{
	static const char *const leaves[] = { "deregister_tm_clones", "register_tm_clones",
					      "frame_dummy" };
	unsigned char code[MAX_FUNCTION_BYTES];
	struct startup startup;
	struct unwind_table table;
	struct elf_file file;
	size_t at = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(elf_file__open(&file, fd), 0);
	assert_int_equal(unwind_table__build(fd, &table), 0);
	startup.file = &file;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		startup.name = leaves[i];
		assert_int_equal(elf_file__each_function(&file, SHT_SYMTAB, find, &startup), 1);
		assert_int_equal(pread(fd, code, sizeof(code), (off_t)startup.offset),
				 sizeof(code));
		/* up to its ret, or the jump that is all of it */
		for (at = 0; at == 0 || (code[at - 1] != RET && code[at] != 0xe9); at++) {
			assert_true(at < sizeof(code));
			assert_rule(&table, startup.offset + at, 8, false);
		}
	}
	startup.name = "__do_global_dtors_aux";
	assert_int_equal(elf_file__each_function(&file, SHT_SYMTAB, find, &startup), 1);
	assert_int_equal(pread(fd, code, sizeof(code), (off_t)startup.offset), sizeof(code));
	for (at = 0; code[at] != PUSH_RBP; at++)
		assert_rule(&table, startup.offset + at, 8, false);
	assert_true(at > 0);
	assert_rule(&table, startup.offset + at, 8, false);
	for (at++; code[at] != POP_RBP || code[at + 1] != RET; at++)
		assert_rule(&table, startup.offset + at, 16, true);
	assert_rule(&table, startup.offset + at, 16, true);
	assert_rule(&table, startup.offset + at + 1, 8, false);
	unwind_table__free(&table);
	elf_file__close(&file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startup_code_has_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

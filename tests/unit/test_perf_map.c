/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_symbols.h"
#include "perf_map.h"

static int write_text(const char *text, size_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	return fd;
}

static void read_map(const char *text, struct text_symbols *symbols)
{
	int fd = write_text(text, strlen(text));

	assert_int_equal(perf_map__read(fd, symbols), 0);
	close(fd);
}

static void lines_become_names(void **state)
{
	struct text_symbols symbols;

	(void)state;
	read_map("7f0000001000 20 Function:~one /a b.js:1:2\n"
		 "0x7f0000001020 0x10 two\n",
		 &symbols);
	assert_null(text_symbols__latest(&symbols, 0x7f0000000fff));
	assert_string_equal(text_symbols__latest(&symbols, 0x7f0000001000),
			    "Function:~one /a b.js:1:2");
	assert_string_equal(text_symbols__latest(&symbols, 0x7f000000101f),
			    "Function:~one /a b.js:1:2");
	assert_string_equal(text_symbols__latest(&symbols, 0x7f0000001020), "two");
	assert_null(text_symbols__latest(&symbols, 0x7f0000001030));
	text_symbols__free(&symbols);
}

static void a_later_line_wins(void **state)
{
	struct text_symbols symbols;

	(void)state;
	read_map("1000 100 old\n"
		 "1080 10 inner\n"
		 "1000 100 new\n"
		 "1f00 100 other\n"
		 "1040 10 newest\n",
		 &symbols);
	assert_string_equal(text_symbols__latest(&symbols, 0x1000), "new");
	assert_string_equal(text_symbols__latest(&symbols, 0x1084), "new");
	assert_string_equal(text_symbols__latest(&symbols, 0x1040), "newest");
	assert_string_equal(text_symbols__latest(&symbols, 0x1050), "new");
	assert_null(text_symbols__latest(&symbols, 0x1100));
	text_symbols__free(&symbols);
}

static void what_is_no_line_is_passed_over(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"name\n",
		"1000\n",
		"1000 \n",
		"1000 10\n",
		"1000 10 \n",
		"1000 0 empty\n",
		"g000 10 x\n",
		" 1000 10 x\n",
		"-1000 10 x\n",
		"1000 10 not ended",
		"0x 10 x\n",
		"1000  x\n",
		"fffffffffffffff0 20 x\n",
		"11111111111111111 10 x\n",
	};
	struct text_symbols symbols;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		read_map(lines[i], &symbols);
		assert_int_equal(symbols.ranges.nr, 0);
		text_symbols__free(&symbols);
	}
}

/* Lines around the size of a block and of the longest line, and a line that never ends. */
static void long_lines_are_cut(void **state)
{
	static char text[300000];
	struct text_symbols symbols;
	size_t used = 0;

	(void)state;
	for (unsigned int i = 0; used < 200000; i++) {
		used += (size_t)sprintf(text + used, "%x 10 n%u ", 0x100000 + i * 0x10, i);
		memset(text + used, 'x', i * 7);
		used += (size_t)i * 7;
		text[used++] = '\n';
	}
	memset(text + used, 'y', sizeof(text) - used - 1);
	read_map(text, &symbols);
	assert_int_not_equal(symbols.ranges.nr, 0);
	for (unsigned int i = 0; i < symbols.ranges.nr; i++) {
		const char *name = text_symbols__latest(&symbols, 0x100000 + i * 0x10 + 3);
		char wanted[16];
		int length = sprintf(wanted, "n%u ", i);

		assert_non_null(name);
		assert_memory_equal(name, wanted, (size_t)length);
		assert_true(strlen(name) < 1024);
	}
	text_symbols__free(&symbols);
}

static void own_map_is_opened_by_pid(void **state)
{
	struct text_symbols symbols;
	char path[64];
	FILE *map;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	assert_int_equal(perf_map__open(getpid()), -ENOENT);
	map = fopen(path, "wex");
	assert_non_null(map);
	fputs("1000 10 mine\n", map);
	fclose(map);
	fd = perf_map__open(getpid());
	unlink(path);
	assert_true(fd >= 0);
	assert_int_equal(perf_map__read(fd, &symbols), 0);
	assert_string_equal(text_symbols__latest(&symbols, 0x1004), "mine");
	text_symbols__free(&symbols);
	close(fd);
	assert_int_equal(perf_map__open(1 << 30), -ENOENT);
}

static int read_kernel(const char *text, struct text_symbols *symbols)
{
	int fd = write_text(text, strlen(text)), err;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = kernel_symbols__read(path, symbols);
	close(fd);
	return err;
}

static void kernel_functions_end_where_others_begin(void **state)
{
	struct text_symbols symbols;

	(void)state;
	assert_int_equal(read_kernel("ffffffff81000000 T _text\n"
				     "ffffffff81000000 t local_twin\n"
				     "ffffffff81000040 t second\n"
				     "ffffffff81000080 D data\n"
				     "ffffffffc0000000 t of_module\t[ext4]\n"
				     "ffffffffc0000100 r end\t[ext4]\n",
				     &symbols),
			 0);
	assert_string_equal(text_symbols__innermost(&symbols, 0xffffffff81000000), "_text");
	assert_string_equal(text_symbols__innermost(&symbols, 0xffffffff8100003f), "_text");
	assert_string_equal(text_symbols__innermost(&symbols, 0xffffffff81000040), "second");
	assert_null(text_symbols__innermost(&symbols, 0xffffffff81000080));
	assert_string_equal(text_symbols__innermost(&symbols, 0xffffffffc0000010),
			    "of_module [ext4]");
	assert_null(text_symbols__innermost(&symbols, 0xffffffffc0000100));
	assert_null(text_symbols__innermost(&symbols, 0));
	text_symbols__free(&symbols);
}

static void a_kernel_that_hides_its_addresses(void **state)
{
	struct text_symbols symbols;

	(void)state;
	assert_int_equal(read_kernel("0000000000000000 T _text\n0000000000000000 t second\n",
				     &symbols),
			 -EACCES);
	assert_null(text_symbols__innermost(&symbols, 0));
	assert_int_equal(read_kernel("", &symbols), -EACCES);
	assert_int_equal(kernel_symbols__read("/nowhere", &symbols), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_names),
		cmocka_unit_test(a_later_line_wins),
		cmocka_unit_test(what_is_no_line_is_passed_over),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(own_map_is_opened_by_pid),
		cmocka_unit_test(kernel_functions_end_where_others_begin),
		cmocka_unit_test(a_kernel_that_hides_its_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A coroutine's stack begins where makecontext() has its function return to, in the C library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ucontext.h>
#include <unistd.h>

#include "elf_file.h"
#include "unwind_table.h"

#define STACK_BYTES 65536

static ucontext_t outside, coroutine;
static uintptr_t returns_to;
static char stack[STACK_BYTES];

static void run(void)
{
	returns_to = (uintptr_t)__builtin_return_address(0);
}

static void coroutines_have_an_end(void **state)
{
	struct unwind_table table;
	struct elf_file file;
	__u64 offset = 0;
	Dl_info info;
	int fd;

	(void)state;
	assert_int_equal(getcontext(&coroutine), 0);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	coroutine.uc_link = &outside;
	makecontext(&coroutine, run, 0);
	assert_int_equal(swapcontext(&outside, &coroutine), 0);
	assert_int_not_equal(dladdr((void *)returns_to, &info), 0);
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(elf_file__open(&file, fd), 0);
	assert_int_equal(elf_file__offset(&file, returns_to - (uintptr_t)info.dli_fbase, &offset),
			 0);
	assert_int_equal(unwind_table__build(fd, &table), 0);
	/* Where a return address is looked up. */
	assert_int_equal(table.rules[unwind_table__find(&table, offset - 1)].kind, UNWIND_END);
	assert_int_not_equal(table.rules[unwind_table__find(&table, offset)].kind, UNWIND_END);
	unwind_table__free(&table);
	elf_file__close(&file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coroutines_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocators other than glibc's: Debian's libraries, and code of our own making. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocator_file.h"
#include "allocator_names.h"
#include "stack_depth.h"

static int read_path(const char *path, struct allocator_file **file, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	assert_true(fd >= 0);
	err = allocator_file__read(fd, file, why);
	/* It stays ours. */
	assert_int_equal(close(fd), 0);
	return err;
}

struct other {
	const char *path, *name;
	const char *operators; /* one that has places of return, or NULL */
	__u32 flags;
};

/* Debian 12's other allocators, where they are installed. */
static void knows_other_allocators(void **state)
{
	static const struct other others[] = {
		{ "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "jemalloc 5.3.0", "_Znwm",
		  FILE_CALLS_LIBC | FILE_FREE_JUMPS },
		{ "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4", "gperftools 2.10", "_Znwm",
		  FILE_CALLS_LIBC | FILE_FREE_JUMPS },
		{ "/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4", "gperftools 2.10", "_Znwm",
		  FILE_CALLS_LIBC | FILE_FREE_JUMPS },
		{ "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2", "mimalloc 2.0.9", "_Znwm",
		  FILE_CALLS_LIBC | FILE_ZERO_IS_BLOCK | FILE_FREE_JUMPS },
		{ "/usr/lib/x86_64-linux-musl/libc.so", "musl 1.2.3", NULL, FILE_ZERO_IS_BLOCK },
		{ "build/librefalloc.so", "refalloc", NULL, FILE_CALLS_LIBC | FILE_FREE_JUMPS },
	};
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct allocator_file *file = NULL;
		const char *why = NULL;
		bool has_free = false, has_operator = !others[i].operators;

		if (access(others[i].path, R_OK))
			continue;
		found++;
		assert_int_equal(read_path(others[i].path, &file, &why), 0);
		assert_string_equal(file->name, others[i].name);
		assert_int_equal(file->flags, others[i].flags);
		assert_int_equal(file->nr_returns != 0, others[i].operators != NULL);
		for (size_t j = 0; j < file->nr_functions; j++) {
			const struct allocator_function *function = &file->functions[j];

			assert_true(!j || function[-1].address < function->address);
			/* musl has valloc elsewhere: it jumps to memalign. */
			if (strcmp(function->name, "valloc") != 0)
				assert_in_range(function->site_address, file->low, file->high - 1);
			has_free |= !strcmp(function->name, "free");
			if (others[i].operators && !strcmp(function->name, others[i].operators))
				has_operator = function->is_new && function->has_returns;
		}
		assert_true(has_free && has_operator);
		allocator_file__free(file);
	}
	if (!found)
		skip();
}

static void knows_names(void **state)
{
	(void)state;
	assert_int_equal(wanted_functions[wanted__find("malloc")].function, FUNCTION_MALLOC);
	assert_int_equal(wanted__find("je_malloc"), wanted__find("malloc"));
	assert_int_equal(wanted__find("_rjem_malloc"), wanted__find("malloc"));
	assert_int_equal(wanted__find("_rjem_je_calloc"), wanted__find("calloc"));
	assert_true(wanted_functions[wanted__find("_Znam")].flags & WANTED_NEW);
	assert_int_equal(wanted_functions[wanted__find("sdallocx")].function, FUNCTION_FREE);
	assert_int_equal(wanted__find("xallocx"), -ENOENT);
	assert_int_equal(wanted__find("mallocy"), -ENOENT);
}

/* musl's mmap in small: pushes, a branch over a call, the system call, a jump out. */
static void counts_stack_depth(void **state)
{
	static const unsigned char code[] = {
		0x41, 0x54, /* 0: push %r12 */
		0x53, /* 2: push %rbx */
		0x48, 0x83, 0xec, 0x28, /* 3: sub $0x28,%rsp */
		0x85, 0xc9, /* 7: test %ecx,%ecx */
		0x75, 0x0a, /* 9: jne 21 */
		0x0f, 0x05, /* 11: syscall */
		0x48, 0x83, 0xc4, 0x28, /* 13: add $0x28,%rsp */
		0x5b, /* 17: pop %rbx */
		0x41, 0x5c, /* 18: pop %r12 */
		0xc3, /* 20: ret */
		0xe8, 0x00, 0x10, 0x00, 0x00, /* 21: call */
		0xeb, 0xef, /* 26: jmp 11 */
		0x48, 0x89, 0xec, /* 28: mov %rbp,%rsp: never reached */
		0x90, /* 31: nop */
	};
	struct stack_depth depth;
	struct decoder decoder;
	__s32 bytes;

	(void)state;
	assert_int_equal(decoder__open(&decoder), 0);
	assert_int_equal(stack_depth__open(&depth, &decoder, code, sizeof(code), 0x1000), 0);
	assert_int_equal(stack_depth__at(&depth, 0x1000, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(stack_depth__at(&depth, 0x1000 + 13, &bytes), 0);
	assert_int_equal(bytes, 0x38);
	assert_int_equal(stack_depth__at(&depth, 0x1000 + 26, &bytes), 0);
	assert_int_equal(bytes, 0x38);
	assert_int_equal(stack_depth__at(&depth, 0x1000 + 20, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(stack_depth__at(&depth, 0x1000 + 31, &bytes), -ENOENT);
	assert_int_equal(stack_depth__at(&depth, 0x1000 + 1, &bytes), -ENOENT);
	assert_int_equal(stack_depth__at(&depth, 0xfff, &bytes), -ENOENT);
	stack_depth__close(&depth);
	decoder__close(&decoder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_other_allocators),
		cmocka_unit_test(knows_names),
		cmocka_unit_test(counts_stack_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

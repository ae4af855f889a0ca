/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

#define ADDRESS 0x98930
#define UNTOUCHED 77777

#define BYTES(...)                                                                                 \
	((const unsigned char[]){ __VA_ARGS__ }), sizeof((unsigned char[]){ __VA_ARGS__ })

/* The offset of an emulated site, 1000 + offset of a stepped one, or the error. */
static int choose(unsigned int nr_args, const unsigned char *code, size_t size)
{
	struct site site = { .offset = UNTOUCHED };
	unsigned char *copy = malloc(size ? size : 1);
	int err;

	/* A copy of the exact size, for the address sanitizer to see one byte too far. */
	assert_non_null(copy);
	memcpy(copy, code, size);
	err = site__choose(EM_X86_64, copy, size, ADDRESS, nr_args, &site);
	free(copy);
	if (err) {
		assert_int_equal(site.offset, UNTOUCHED);
		return err;
	}
	assert_true(site.offset < size);
	return site.emulated ? (int)site.offset : 1000 + (int)site.offset;
}

#define STEPPED(offset) (1000 + (offset))

static void emulated_at_entry(void **state)
{
	(void)state;
	assert_int_equal(choose(1, BYTES(0x55, 0xc3)), 0); /* push %rbp */
	assert_int_equal(choose(1, BYTES(0x57, 0xc3)), 0); /* push %rdi */
	assert_int_equal(choose(1, BYTES(0x41, 0x57, 0xc3)), 0); /* push %r15 */
	assert_int_equal(choose(1, BYTES(0x90, 0xc3)), 0); /* nop */
	assert_int_equal(choose(1, BYTES(0xeb, 0x10)), 0); /* jmp */
	assert_int_equal(choose(1, BYTES(0xe9, 0x10, 0, 0, 0)), 0); /* jmp */
	assert_int_equal(choose(1, BYTES(0xe8, 0x10, 0, 0, 0, 0xc3)), 0); /* call */
	assert_int_equal(choose(1, BYTES(0x78, 0x10, 0xc3)), 0); /* js */
	assert_int_equal(choose(1, BYTES(0x0f, 0x8f, 0, 1, 0, 0, 0xc3)), 0); /* jg */
	/* What follows does not matter then, not even when it is no code. */
	assert_int_equal(choose(1, BYTES(0x55, 0x06, 0x06)), 0);
}

static void emulated_after_harmless_ones(void **state)
{
	(void)state;
	/* free in glibc 2.36: test %rdi,%rdi; je */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0x01, 0xc3, 0xc3)), 3);
	/* posix_memalign: cmpb $0,x(%rip); push %r12 */
	assert_int_equal(choose(3, BYTES(0x80, 0x3d, 1, 2, 3, 0, 0, 0x41, 0x54, 0xc3)), 7);
	/* endbr64; push %rbx */
	assert_int_equal(choose(2, BYTES(0xf3, 0x0f, 0x1e, 0xfa, 0x53, 0xc3)), 4);
	/* calloc in glibc 2.42: mov %rdi,%rax; mul %rsi; jo. The product's high half is in rdx. */
	assert_int_equal(choose(2, BYTES(0x48, 0x89, 0xf8, 0x48, 0xf7, 0xe6, 0x70, 0, 0xc3)), 6);
	assert_int_equal(choose(3, BYTES(0x48, 0x89, 0xf8, 0x48, 0xf7, 0xe6, 0x70, 0, 0xc3)),
			 STEPPED(0));
	/* A two-byte nop, pause or a push with a useless prefix is not emulated. */
	assert_int_equal(choose(1, BYTES(0x66, 0x90, 0x53, 0xc3)), 2);
	assert_int_equal(choose(1, BYTES(0xf3, 0x90, 0x53, 0xc3)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x53, 0xc3)), STEPPED(0));
	/* xchg %eax,%r8d has a nop's opcode. */
	assert_int_equal(choose(1, BYTES(0x41, 0x90, 0x53, 0xc3)), STEPPED(0));
}

static void arguments_stay_whole(void **state)
{
	(void)state;
	/* mov %rsi,%rdi; push %rbx */
	assert_int_equal(choose(0, BYTES(0x48, 0x89, 0xf7, 0x53, 0xc3)), 3);
	assert_int_equal(choose(1, BYTES(0x48, 0x89, 0xf7, 0x53, 0xc3)), STEPPED(0));
	/* mov $1,%dil */
	assert_int_equal(choose(1, BYTES(0x40, 0xb7, 0x01, 0x53, 0xc3)), STEPPED(0));
	/* xor %esi,%esi */
	assert_int_equal(choose(1, BYTES(0x31, 0xf6, 0x53, 0xc3)), 2);
	assert_int_equal(choose(2, BYTES(0x31, 0xf6, 0x53, 0xc3)), STEPPED(0));
	/* mov %dl,%dh */
	assert_int_equal(choose(2, BYTES(0x88, 0xd6, 0x53, 0xc3)), 2);
	assert_int_equal(choose(3, BYTES(0x88, 0xd6, 0x53, 0xc3)), STEPPED(0));
	/* cqo writes rdx without naming it */
	assert_int_equal(choose(3, BYTES(0x48, 0x99, 0x53, 0xc3)), STEPPED(0));
	/* rep stos writes rdi, and is no plain instruction */
	assert_int_equal(choose(1, BYTES(0xf3, 0xaa, 0x53, 0xc3)), STEPPED(0));
	/* A comparison that only reads them */
	assert_int_equal(choose(2, BYTES(0x48, 0x39, 0xf7, 0x53, 0xc3)), 3);
}

static void stack_stays_whole(void **state)
{
	(void)state;
	/* sub $24,%rsp; push %rbx */
	assert_int_equal(choose(1, BYTES(0x48, 0x83, 0xec, 0x18, 0x53, 0xc3)), STEPPED(0));
	/* lea -8(%rsp),%rsp */
	assert_int_equal(choose(1, BYTES(0x48, 0x8d, 0x64, 0x24, 0xf8, 0x53, 0xc3)), STEPPED(0));
	/* pop %rax */
	assert_int_equal(choose(1, BYTES(0x58, 0x53, 0xc3)), STEPPED(0));
	/* mov %rax,(%rsp): over the return address */
	assert_int_equal(choose(1, BYTES(0x48, 0x89, 0x04, 0x24, 0x53, 0xc3)), STEPPED(0));
	/* mov (%rsp),%rax only reads it */
	assert_int_equal(choose(1, BYTES(0x48, 0x8b, 0x04, 0x24, 0x53, 0xc3)), 4);
}

static void nothing_behind_the_end(void **state)
{
	(void)state;
	assert_int_equal(choose(1, BYTES(0xc3, 0x53)), STEPPED(0)); /* ret */
	assert_int_equal(choose(1, BYTES(0xff, 0xe0, 0x53)), STEPPED(0)); /* jmp *%rax */
	assert_int_equal(choose(1, BYTES(0xff, 0xd0, 0x53)), STEPPED(0)); /* call *%rax */
	assert_int_equal(choose(1, BYTES(0xe3, 0x00, 0x53)), STEPPED(0)); /* jrcxz */
	assert_int_equal(choose(1, BYTES(0x0f, 0x0b, 0x53)), STEPPED(0)); /* ud2 */
	assert_int_equal(choose(1, BYTES(0x0f, 0x05, 0x53)), -EOPNOTSUPP); /* syscall */
	/* test; ret; push */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0xc3, 0x53)), STEPPED(0));
}

static void no_branch_into_the_way(void **state)
{
	(void)state;
	/* test %rdi,%rdi; je; jmp back to the je, to the test, behind the je */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0x00, 0xeb, 0xfc)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0x00, 0xeb, 0xf9)), 3);
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0x00, 0xeb, 0xfe)), 3);
	/* two instructions before the site, a branch between them */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x31, 0xc0, 0x53, 0x75, 0xfb)),
			 STEPPED(0));
	/* the other kinds: jne rel32, call, loop, jrcxz */
	assert_int_equal(choose(1,
				BYTES(0x48, 0x85, 0xff, 0x53, 0x0f, 0x85, 0xf9, 0xff, 0xff, 0xff)),
			 STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x53, 0xe8, 0xfa, 0xff, 0xff, 0xff)),
			 STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x53, 0xe2, 0xfd)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x53, 0xe3, 0xfd)), STEPPED(0));
	/* its own target does not lie before it */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0xfb)), 3);
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0xfe)), STEPPED(0));
}

/* From 6.18 to 7.1 a probe on one of these kills forked children. */
static void never_a_five_byte_nop(void **state)
{
	static const unsigned char nops[][5] = {
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x66, 0x66, 0x66, 0x90 },
		{ 0x66, 0x0f, 0x1f, 0x40, 0x00 }, { 0x0f, 0x1e, 0x44, 0x00, 0x00 },
		{ 0x0f, 0x19, 0x44, 0x00, 0x00 }, { 0x2e, 0x2e, 0x2e, 0x2e, 0x90 },
		{ 0x3e, 0x0f, 0x1f, 0x40, 0x00 }, { 0x48, 0x8d, 0x74, 0x26, 0x00 },
		{ 0x66, 0x66, 0x48, 0x89, 0xc0 }, { 0x41, 0x0f, 0x1f, 0x40, 0x00 },
	};
	unsigned char code[10];

	(void)state;
	for (size_t i = 0; i < sizeof(nops) / sizeof(*nops); i++) {
		memcpy(code, nops[i], 5);
		memcpy(code + 5, "\x53\xc3", 2); /* push %rbx; ret */
		assert_int_equal(choose(1, code, 7), 5);
		memcpy(code + 5, "\x48\x89\xf8\xc3", 4); /* mov %rdi,%rax; ret */
		assert_int_equal(choose(1, code, 9), STEPPED(5));
		/* A branch to behind the nop: neither place is right. */
		memcpy(code + 5, "\x48\x89\xf8\xeb\xfb", 5);
		assert_int_equal(choose(1, code, 10), -EOPNOTSUPP);
		/* Not the entry, but on the way: passed over. */
		memcpy(code, "\x48\x89\xf8", 3);
		memcpy(code + 3, nops[i], 5);
		memcpy(code + 8, "\x53\xc3", 2);
		assert_int_equal(choose(1, code, 10), 8);
	}
	/* The kernel takes a jump to the next instruction for one too. */
	assert_int_equal(choose(1, BYTES(0xe9, 0, 0, 0, 0, 0x53, 0xc3)), -EOPNOTSUPP);
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0xe9, 0, 0, 0, 0, 0x53)), STEPPED(0));
	/* Other lengths are left alone. */
	assert_int_equal(choose(1, BYTES(0x0f, 0x1f, 0x40, 0x00, 0xc3)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xc3)), STEPPED(0));
	/* mov $12,%eax has five bytes and is none. */
	assert_int_equal(choose(1, BYTES(0xb8, 0x0c, 0, 0, 0, 0xc3)), STEPPED(0));
}

/* One site that the kernel refuses makes the whole link fail. */
static void never_what_the_kernel_refuses(void **state)
{
	(void)state;
	/* lock incq (%rdi); push %rbx */
	assert_int_equal(choose(1, BYTES(0xf0, 0x48, 0xff, 0x07, 0x53, 0xc3)), 4);
	/* mov %es:(%rdi),%eax and so on */
	assert_int_equal(choose(1, BYTES(0x26, 0x8b, 0x07, 0x53, 0xc3)), 3);
	assert_int_equal(choose(1, BYTES(0x2e, 0x8b, 0x07, 0x53, 0xc3)), 3);
	assert_int_equal(choose(1, BYTES(0x36, 0x8b, 0x07, 0x53, 0xc3)), 3);
	assert_int_equal(choose(1, BYTES(0x3e, 0x8b, 0x07, 0x53, 0xc3)), 3);
	assert_int_equal(choose(1, BYTES(0x3e, 0x8b, 0x07, 0xc3)), STEPPED(3));
	/* mov %fs:40,%rax is fine */
	assert_int_equal(choose(1, BYTES(0x64, 0x48, 0x8b, 4, 0x25, 40, 0, 0, 0, 0xc3)),
			 STEPPED(0));
	/* je with a branch hint: not chosen, and nothing behind it */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x2e, 0x74, 0x00, 0x53)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x2e, 0x74, 0x00, 0x53)), -EOPNOTSUPP);
	/* data16 call: processors disagree on its length */
	assert_int_equal(choose(1, BYTES(0x66, 0x48, 0xe8, 1, 0, 0, 0, 0x53)), -EOPNOTSUPP);
	assert_int_equal(choose(1, BYTES(0xcc, 0x53)), -EOPNOTSUPP); /* int3 */
	assert_int_equal(choose(1, BYTES(0xf4, 0x53)), -EOPNOTSUPP); /* hlt */
}

static void hostile_bytes(void **state)
{
	unsigned char far[70 * 3 + 1], noise[64];
	unsigned int seed = 1;

	(void)state;
	assert_int_equal(choose(1, (const unsigned char *)"", 0), -EINVAL);
	assert_int_equal(choose(1, BYTES(0x06)), -EINVAL);
	assert_int_equal(choose(1, BYTES(0x48)), -EINVAL);
	assert_int_equal(choose(1, BYTES(0x48, 0x85)), -EINVAL);
	assert_int_equal(choose(SITE_MAX_ARGUMENTS + 1, BYTES(0x53)), -EINVAL);
	/* Cut within the second instruction, and rubbish behind the site */
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x0f, 0x84, 0, 0)), STEPPED(0));
	assert_int_equal(choose(1, BYTES(0x48, 0x85, 0xff, 0x74, 0x00, 0x06)), STEPPED(0));
	/* Not searched for ever */
	for (size_t i = 0; i < 70; i++)
		memcpy(far + 3 * i, "\x48\x89\xf8", 3);
	far[sizeof(far) - 1] = 0x53;
	assert_int_equal(choose(1, far, sizeof(far)), STEPPED(0));

	for (int round = 0; round < 5000; round++) {
		size_t size = (size_t)(rand_r(&seed) % (int)sizeof(noise));
		int result;

		for (size_t i = 0; i < size; i++)
			noise[i] = (unsigned char)rand_r(&seed);
		result = choose((unsigned int)round % 4, noise, size);
		if (result < 0)
			assert_true(result == -EINVAL || result == -EOPNOTSUPP);
	}
}

static void other_machines(void **state)
{
	struct site site = { .offset = UNTOUCHED, .emulated = true };

	(void)state;
	/* paciasp */
	assert_int_equal(site__choose(EM_AARCH64, BYTES(0x3f, 0x23, 0x03, 0xd5), ADDRESS, 1, &site),
			 0);
	assert_int_equal(site.offset, 0);
	assert_false(site.emulated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(emulated_at_entry),
		cmocka_unit_test(emulated_after_harmless_ones),
		cmocka_unit_test(arguments_stay_whole),
		cmocka_unit_test(stack_stays_whole),
		cmocka_unit_test(nothing_behind_the_end),
		cmocka_unit_test(no_branch_into_the_way),
		cmocka_unit_test(never_a_five_byte_nop),
		cmocka_unit_test(never_what_the_kernel_refuses),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test(other_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

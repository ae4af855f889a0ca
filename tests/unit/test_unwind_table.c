/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cfi_image.h"

#define BYTES(...)                                                                                 \
	((const unsigned char[]){ __VA_ARGS__ }), sizeof((unsigned char[]){ __VA_ARGS__ })

/* CFA = rsp + 8, return address at CFA - 8: what every CIE of x86-64 begins with. */
#define X86_START 0x0c, 7, 8, 0x90, 1
#define ADVANCE(n) (0x40 | (n))

static struct cfi_image image;

static int begin(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	image.machine = EM_X86_64;
	return 0;
}

/* The rule at an offset of the code. */
static struct unwind_rule find(const struct unwind_table *table, __u64 offset)
{
	return table->rules[unwind_table__find(table, IMAGE_CODE_OFFSET + offset)];
}

static void assert_rule(struct unwind_rule got, struct unwind_rule wanted)
{
	assert_memory_equal(&got, &wanted, sizeof(got));
}

static struct unwind_rule x86_rule(__u8 kind, __s32 cfa_offset)
{
	return (struct unwind_rule){
		.kind = kind, .cfa_offset = cfa_offset, .ra_slot = UNWIND_AT_CFA, .ra_offset = -8
	};
}

/* The rule that these instructions make at the start of a function. */
static struct unwind_rule rule_of(const unsigned char *instructions, size_t size, __u64 *refused)
{
	struct unwind_table table;
	struct unwind_rule rule;

	begin(NULL);
	image__function(&image, image__common(&image, "zR", BYTES(X86_START)), 0x100, 64,
			instructions, size);
	assert_int_equal(image__build(&image, &table), 0);
	rule = find(&table, 0x100);
	memcpy(refused, table.refused, sizeof(table.refused));
	unwind_table__free(&table);
	return rule;
}

static void each_way_to_step_has_its_rule(void **state)
{
	struct unwind_rule rule = x86_rule(UNWIND_SP, 8);
	__u64 refused[NR_UNWIND_REFUSALS];

	(void)state;
	assert_rule(rule_of(BYTES(0), refused), rule);
	/* rbp at CFA - 16, and what a push has just put below CFA = rsp + 8 is gone again */
	rule = x86_rule(UNWIND_SP, 16);
	rule.fp_slot = UNWIND_AT_CFA;
	rule.fp_offset = -16;
	assert_rule(rule_of(BYTES(0x0e, 16, 0x86, 2), refused), rule);
	assert_rule(rule_of(BYTES(0x0e, 8, 0x86, 2), refused), x86_rule(UNWIND_SP, 8));
	/* CFA = rbp + 16, rbx at CFA - 24 */
	rule = x86_rule(UNWIND_FP, 16);
	rule.fp_slot = rule.bx_slot = UNWIND_AT_CFA;
	rule.fp_offset = -16;
	rule.bx_offset = -24;
	assert_rule(rule_of(BYTES(0x0e, 16, 0x86, 2, 0x83, 3, 0x0d, 6), refused), rule);
	assert_rule(rule_of(BYTES(0x0c, 3, 32), refused), x86_rule(UNWIND_BX, 32));
	rule = x86_rule(UNWIND_REGISTER, 0);
	rule.cfa_add = 10;
	assert_rule(rule_of(BYTES(0x0c, 10, 0), refused), rule);
	/* rsp + 8 + ((rip & 15) >= 11) * 8 */
	rule = x86_rule(UNWIND_PLT, 8);
	rule.cfa_add = 11;
	assert_rule(
		rule_of(BYTES(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22),
			refused),
		rule);
	/* *(rbp - 40), rbp itself at *(rbp), rbx at *(rbp - 16) */
	rule = x86_rule(UNWIND_DEREF_FP, -40);
	rule.fp_slot = rule.bx_slot = UNWIND_AT_FP;
	rule.bx_offset = -16;
	assert_rule(rule_of(BYTES(0x0f, 3, 0x76, 0x58, 0x06, 0x10, 6, 2, 0x76, 0, 0x10, 3, 2, 0x76,
				  0x70),
			    refused),
		    rule);
	/* *(rsp + 24) + 8 */
	rule = x86_rule(UNWIND_DEREF_SP, 24);
	rule.cfa_add = 8;
	assert_rule(rule_of(BYTES(0x0f, 5, 0x77, 24, 0x06, 0x23, 8), refused), rule);
	/* the return address is undefined */
	rule = (struct unwind_rule){ .kind = UNWIND_END };
	assert_rule(rule_of(BYTES(0x07, 16), refused), rule);
	for (int i = 0; i < NR_UNWIND_REFUSALS; i++)
		assert_int_equal(refused[i], 0);
}

static void what_is_not_understood_ends_the_stack(void **state)
{
	const struct {
		unsigned char bytes[16];
		size_t size;
		enum unwind_refusal refusal;
	} cases[] = {
		{ { 0x0f, 2, 0x77, 8 }, 4, UNWIND_CFA_EXPRESSION }, /* rsp + 8 as a value */
		{ { 0x0f, 3, 0x72, 0, 0x06 }, 5, UNWIND_CFA_EXPRESSION }, /* *(rdx) */
		{ { 0x0f, 2, 0x96, 0x06 }, 4, UNWIND_CFA_EXPRESSION }, /* an unknown operation */
		{ { 0x0f, 0 }, 2, UNWIND_CFA_EXPRESSION },
		{ { 0x0c, 49, 8 }, 3, UNWIND_CFA_EXPRESSION }, /* no register */
		{ { 0x09, 16, 2 }, 3, UNWIND_RA_RULE }, /* in rcx */
		{ { 0x90, 2 }, 2, UNWIND_RA_RULE }, /* at CFA - 16 */
		{ { 0x08, 16 }, 2, UNWIND_RA_RULE }, /* still in a register that there is not */
		{ { 0x09, 6, 2 }, 3, UNWIND_FP_RULE },
		{ { 0x14, 6, 2 }, 3, UNWIND_FP_RULE },
		{ { 0x10, 6, 2, 0x77, 8 }, 5, UNWIND_FP_RULE }, /* *(rsp + 8) */
		{ { 0x16, 3, 2, 0x77, 8 }, 5, UNWIND_BX_RULE },
		{ { 0x3f }, 1, UNWIND_BAD_INSTRUCTION },
		{ { 0x0b }, 1, UNWIND_BAD_INSTRUCTION }, /* nothing was remembered */
		{ { 0x0f, 0x7f, 0x77 }, 3, UNWIND_BAD_INSTRUCTION }, /* longer than the record */
		{ { 0x0c, 6, 16, 0x05, 6, 0x81, 0x80, 0x04 }, 8, UNWIND_FAR_OFFSET },
		{ { 0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f }, 6, UNWIND_FAR_OFFSET },
	};
	__u64 refused[NR_UNWIND_REFUSALS];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unwind_rule rule = rule_of(cases[i].bytes, cases[i].size, refused);

		if (rule.kind != UNWIND_UNSUPPORTED || refused[cases[i].refusal] != 1)
			fail_msg("case %zu: kind %u", i, rule.kind);
	}
}

static void rows_begin_where_the_instructions_say(void **state)
{
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START));

	(void)state;
	/* A function over the end of a page: its rule goes on in the next one. */
	image__function(&image, common, 0xff0, 0x40,
			BYTES(ADVANCE(4), 0x0e, 16, 0x0a, ADVANCE(0x20), 0x0e, 24, 0x02, 8, 0x0b));
	assert_int_equal(image__build(&image, &table), 0);
	assert_int_equal(table.nr_functions, 1);
	assert_int_equal(find(&table, 0xfef).kind, UNWIND_NONE);
	assert_rule(find(&table, 0xff0), x86_rule(UNWIND_SP, 8));
	assert_rule(find(&table, 0xff3), x86_rule(UNWIND_SP, 8));
	assert_rule(find(&table, 0xff4), x86_rule(UNWIND_SP, 16));
	assert_rule(find(&table, 0x1000), x86_rule(UNWIND_SP, 16));
	assert_rule(find(&table, 0x1013), x86_rule(UNWIND_SP, 16));
	assert_rule(find(&table, 0x1014), x86_rule(UNWIND_SP, 24));
	assert_rule(find(&table, 0x101c), x86_rule(UNWIND_SP, 16)); /* restored */
	assert_rule(find(&table, 0x102f), x86_rule(UNWIND_SP, 16));
	assert_int_equal(find(&table, 0x1030).kind, UNWIND_NONE);
	assert_int_equal(find(&table, 0x2fff).kind, UNWIND_NONE);
	assert_int_equal(unwind_table__find(&table, 0), UNWIND_NO_RULE);
	assert_int_equal(unwind_table__find(&table, ~0ULL), UNWIND_NO_RULE);
	unwind_table__free(&table);
}

static void gaps_are_gaps_and_padding_is_not(void **state)
{
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START));

	(void)state;
	image__function(&image, common, 0x200, 0x20, BYTES(0));
	image__function(&image, common, 0x100, 0xf1, BYTES(0x0e, 16));
	image__function(&image, common, 0x230, 0x20, BYTES(0));
	image.entry = IMAGE_CODE_ADDRESS + 0x300;
	assert_int_equal(image__build(&image, &table), 0);
	assert_rule(find(&table, 0x1ff), x86_rule(UNWIND_SP, 16));
	assert_rule(find(&table, 0x200), x86_rule(UNWIND_SP, 8));
	assert_int_equal(find(&table, 0x220).kind, UNWIND_NONE);
	assert_rule(find(&table, 0x230), x86_rule(UNWIND_SP, 8));
	/* The entry has no information and ends every stack. */
	assert_int_equal(find(&table, 0x2ff).kind, UNWIND_NONE);
	assert_int_equal(find(&table, 0x300).kind, UNWIND_END);
	assert_int_equal(find(&table, 0x37f).kind, UNWIND_END);
	assert_int_equal(find(&table, 0x380).kind, UNWIND_NONE);
	unwind_table__free(&table);
}

static void signal_frames_are_known(void **state)
{
	struct unwind_table table;
	size_t common = image__common(&image, "zRS", BYTES(X86_START));

	(void)state;
	image__function(&image, common, 0xff, 0x10, BYTES(0x0f, 4, 0x77, 0xa0, 1, 6));
	assert_int_equal(image__build(&image, &table), 0);
	assert_rule(find(&table, 0xff), (struct unwind_rule){ .kind = UNWIND_SIGNAL });
	unwind_table__free(&table);
}

static void arm64_has_a_link_register(void **state)
{
	struct unwind_rule rule = { .kind = UNWIND_SP };
	struct unwind_table table;
	size_t common;

	(void)state;
	image.machine = EM_AARCH64;
	common = image__common(&image, "zR", BYTES(0x0c, 31, 0));
	/* stp x29, x30, [sp, #-32]! with a signed return address */
	image__function(&image, common, 0x100, 0x20,
			BYTES(0x2d, ADVANCE(1), 0x0e, 32, 0x9d, 4, 0x9e, 3, ADVANCE(1), 0x0d, 29));
	assert_int_equal(image__build(&image, &table), 0);
	assert_rule(find(&table, 0x100), rule);
	rule = (struct unwind_rule){ .kind = UNWIND_SP,
				     .cfa_offset = 32,
				     .fp_slot = UNWIND_AT_CFA,
				     .fp_offset = -32,
				     .ra_slot = UNWIND_AT_CFA,
				     .ra_offset = -24 };
	assert_rule(find(&table, 0x104), rule);
	rule.kind = UNWIND_FP;
	assert_rule(find(&table, 0x108), rule);
	unwind_table__free(&table);
}

static void broken_records_are_counted(void **state)
{
	static const uint32_t loop = 4;
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START)), broken, start;

	(void)state;
	/* A CIE of no known kind, an FDE that is its own CIE, and one that points out of it all. */
	broken = image__common(&image, "eh", BYTES(X86_START));
	image__function(&image, broken, 0x400, 0x20, BYTES(0));
	start = image__function(&image, common, 0x420, 0x20, BYTES(0));
	memcpy(image.frame + start + 4, &loop, sizeof(loop));
	image__function(&image, common - 0x100000, 0x440, 0x20, BYTES(0));
	image__function(&image, common, 0x460, 0x20, BYTES(0));
	assert_int_equal(image__build(&image, &table), 0);
	assert_int_equal(table.refused[UNWIND_BAD_RECORD], 3);
	assert_int_equal(table.nr_functions, 1);
	assert_rule(find(&table, 0x460), x86_rule(UNWIND_SP, 8));
	assert_int_equal(find(&table, 0x400).kind, UNWIND_NONE);
	unwind_table__free(&table);

	/* A length that leads out of the section ends the list. */
	image__u32(&image, 0x7ffffff0);
	image__u32(&image, 4);
	image__u32(&image, 0);
	assert_int_equal(image__build(&image, &table), 0);
	assert_int_equal(table.refused[UNWIND_BAD_RECORD], 4);
	assert_int_equal(table.nr_functions, 1);
	unwind_table__free(&table);
}

static void a_function_ends_with_its_segment(void **state)
{
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START));

	(void)state;
	image__function(&image, common, 0x2ff0, 0x7fffffff,
			BYTES(0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 16));
	image__function(&image, common, 0x3000, 0x10, BYTES(0)); /* behind it */
	assert_int_equal(image__build(&image, &table), 0);
	assert_int_equal(table.nr_functions, 1);
	assert_int_equal(table.nr_pages, IMAGE_CODE_BYTES / UNWIND_PAGE_BYTES);
	assert_rule(find(&table, 0x2fff), x86_rule(UNWIND_SP, 8));
	unwind_table__free(&table);
}

/* Two long CIEs in turn, so that keeping the last one does not help: quadratic without a bound. */
static void work_is_bounded(void **state)
{
	static unsigned char nops[0x10000];
	struct unwind_table table;
	size_t commons[2];
	uint32_t offset = 0;

	(void)state;
	commons[0] = image__common(&image, "zR", nops, sizeof(nops));
	/* The same place in the builder's cache. */
	while ((image.size - commons[0]) % 256)
		image__u32(&image, 0);
	commons[1] = image__common(&image, "zR", nops, sizeof(nops));
	for (; image.size < IMAGE_MAX_FRAME_BYTES - 64; offset++)
		image__function(&image, commons[offset & 1], offset % IMAGE_CODE_BYTES, 1,
				BYTES(0));
	assert_int_equal(image__build(&image, &table), -E2BIG);
	assert_null(table.pages);
}

static void remembered_states_have_an_end(void **state)
{
	__u64 refused[NR_UNWIND_REFUSALS];
	unsigned char remember[64];

	(void)state;
	memset(remember, 0x0a, sizeof(remember));
	assert_int_equal(rule_of(remember, sizeof(remember), refused).kind, UNWIND_UNSUPPORTED);
	assert_int_equal(refused[UNWIND_BAD_INSTRUCTION], 1);
	assert_int_equal(rule_of(remember, 16, refused).kind, UNWIND_SP);
}

static void rules_are_merged_into_one_dictionary(void **state)
{
	struct unwind_rule first, second;
	struct unwind_rules all;
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START));
	__u32 n;

	(void)state;
	assert_int_equal(unwind_rules__open(&all), 0);
	first = x86_rule(UNWIND_SP, 4096);
	assert_int_equal(unwind_rules__add(&all, &first), 2);
	assert_int_equal(unwind_rules__add(&all, &first), 2);
	image__function(&image, common, 0x100, 64, BYTES(ADVANCE(1), 0x0e, 24));
	assert_int_equal(image__build(&image, &table), 0);
	first = find(&table, 0x100);
	second = find(&table, 0x101);
	n = all.nr_rules;
	assert_int_equal(unwind_rules__merge(&all, &table), 0);
	assert_int_equal(all.nr_rules, n + 2);
	assert_rule(all.rules[unwind_table__find(&table, IMAGE_CODE_OFFSET + 0x100)], first);
	assert_rule(all.rules[unwind_table__find(&table, IMAGE_CODE_OFFSET + 0x101)], second);
	assert_int_equal(unwind_table__find(&table, IMAGE_CODE_OFFSET + 0x80), UNWIND_NO_RULE);
	unwind_table__free(&table);
	unwind_rules__close(&all);
}

static void a_full_dictionary_ends_stacks(void **state)
{
	struct unwind_rules all;
	struct unwind_table table;
	size_t common = image__common(&image, "zR", BYTES(X86_START));

	(void)state;
	assert_int_equal(unwind_rules__open(&all), 0);
	for (__s32 i = 0; all.nr_rules < MAX_UNWIND_RULES; i++) {
		struct unwind_rule rule = x86_rule(UNWIND_FP, i);

		assert_true(unwind_rules__add(&all, &rule) >= 0);
	}
	image__function(&image, common, 0x100, 64, BYTES(ADVANCE(1), 0x0e, 24));
	assert_int_equal(image__build(&image, &table), 0);
	assert_int_equal(unwind_rules__merge(&all, &table), 0);
	assert_int_equal(table.refused[UNWIND_TOO_MANY_RULES], 2);
	assert_int_equal(unwind_table__find(&table, IMAGE_CODE_OFFSET + 0x101),
			 UNWIND_UNSUPPORTED_RULE);
	unwind_table__free(&table);
	unwind_rules__close(&all);
}

static void the_vdso_has_a_table(void **state)
{
	const unsigned char *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_table table;

	(void)state;
	if (!vdso)
		skip();
	assert_int_equal(unwind_table__build_image(vdso, 8192, &table), 0);
	assert_true(table.nr_functions > 0);
	assert_true(table.nr_rows > 4);
	unwind_table__free(&table);
}

/* A real program, cut short everywhere and damaged a few thousand times. */
static void damaged_programs_are_harmless(void **state)
{
	struct unwind_table table;
	unsigned char *bytes, *copy;
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	unsigned int seed = 1;

	(void)state;
	assert_true(size > 0 && size < 1 << 20);
	bytes = malloc((size_t)size);
	copy = malloc((size_t)size);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	close(fd);
	for (off_t cut = 0; cut < size; cut += 61)
		if (!unwind_table__build_image(bytes, (size_t)cut, &table))
			unwind_table__free(&table);
	for (int round = 0; round < 4000; round++) {
		memcpy(copy, bytes, (size_t)size);
		for (int i = 0; i < 1 + round % 40; i++)
			copy[rand_r(&seed) % size] = (unsigned char)rand_r(&seed);
		if (!unwind_table__build_image(copy, (size_t)size, &table))
			unwind_table__free(&table);
	}
	free(bytes);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_way_to_step_has_its_rule, begin),
		cmocka_unit_test_setup(what_is_not_understood_ends_the_stack, begin),
		cmocka_unit_test_setup(rows_begin_where_the_instructions_say, begin),
		cmocka_unit_test_setup(gaps_are_gaps_and_padding_is_not, begin),
		cmocka_unit_test_setup(signal_frames_are_known, begin),
		cmocka_unit_test_setup(arm64_has_a_link_register, begin),
		cmocka_unit_test_setup(broken_records_are_counted, begin),
		cmocka_unit_test_setup(a_function_ends_with_its_segment, begin),
		cmocka_unit_test_setup(work_is_bounded, begin),
		cmocka_unit_test_setup(remembered_states_have_an_end, begin),
		cmocka_unit_test_setup(rules_are_merged_into_one_dictionary, begin),
		cmocka_unit_test_setup(a_full_dictionary_ends_stacks, begin),
		cmocka_unit_test(the_vdso_has_a_table),
		cmocka_unit_test(damaged_programs_are_harmless),
	};

	return cmocka_run_group_tests_name("unwind_table", tests, NULL, NULL);
}

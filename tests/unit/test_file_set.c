/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "file_set.h"

static void a_file_is_added_once(void **state)
{
	struct file_set set = {};
	struct file_id id = { .device = 8, .inode = 42 };

	(void)state;
	assert_int_equal(file_set__add(&set, id), 1);
	assert_int_equal(file_set__add(&set, id), 0);
	assert_int_equal(set.nr, 1);
	file_set__free(&set);
}

static void device_and_inode_tell_files_apart(void **state)
{
	struct file_set set = {};

	(void)state;
	assert_int_equal(file_set__add(&set, (struct file_id){ 1, 2 }), 1);
	assert_int_equal(file_set__add(&set, (struct file_id){ 2, 1 }), 1);
	assert_int_equal(file_set__add(&set, (struct file_id){ 2, 2 }), 1);
	assert_int_equal(file_set__add(&set, (struct file_id){ 0, 2 }), 1);
	assert_int_equal(file_set__add(&set, (struct file_id){ 1ULL << 32 | 1, 2 }), 1);
	assert_int_equal(set.nr, 5);
	file_set__free(&set);
}

/* Inode 0 is no file, and would be taken for an empty place. */
static void inode_0_counts_as_there(void **state)
{
	struct file_set set = {};

	(void)state;
	assert_int_equal(file_set__add(&set, (struct file_id){ 8, 0 }), 0);
	assert_int_equal(set.nr, 0);
	file_set__free(&set);
}

static void many_files_survive_growth(void **state)
{
	struct file_set set = {};

	(void)state;
	for (int round = 0; round < 2; round++)
		for (__u64 device = 0; device < 10; device++)
			for (__u64 inode = 1; inode <= 5000; inode++) {
				struct file_id id = { device << 20, inode << 12 };

				assert_int_equal(file_set__add(&set, id), round ? 0 : 1);
			}
	assert_int_equal(set.nr, 50000);
	assert_true(set.room >= 2 * set.nr);
	assert_int_equal(set.room & (set.room - 1), 0);
	file_set__free(&set);
}

static void a_freed_set_can_be_used_again(void **state)
{
	struct file_set set = {};
	struct file_id id = { 8, 42 };

	(void)state;
	file_set__free(&set);
	assert_int_equal(file_set__add(&set, id), 1);
	file_set__free(&set);
	assert_int_equal(set.nr, 0);
	assert_int_equal(file_set__add(&set, id), 1);
	file_set__free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_added_once),
		cmocka_unit_test(device_and_inode_tell_files_apart),
		cmocka_unit_test(inode_0_counts_as_there),
		cmocka_unit_test(many_files_survive_growth),
		cmocka_unit_test(a_freed_set_can_be_used_again),
	};

	return cmocka_run_group_tests_name("file_set", tests, NULL, NULL);
}

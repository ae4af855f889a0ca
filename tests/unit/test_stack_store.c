/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks by number: what comes through the ring is kept as it came, or counted as dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "stack_store.h"

struct record {
	struct stack_record head;
	__u64 frames[MAX_STACK_FRAMES];
};

static size_t make_record(struct record *record, __u32 number, __u16 nr_frames)
{
	record->head = (struct stack_record){ .number = number, .nr_frames = nr_frames };
	for (__u16 i = 0; i < nr_frames; i++)
		record->frames[i] = FRAME_MAKE(number % 1000, i);
	return sizeof(record->head) + nr_frames * sizeof(record->frames[0]);
}

static int add(struct stack_store *store, __u32 number, __u16 nr_frames)
{
	struct record record;
	size_t size = make_record(&record, number, nr_frames);

	return stack_store__add(store, &record, size);
}

static void stacks_are_found(void **state)
{
	struct stack_store store = { 0 };
	const struct stored_stack *stored;

	(void)state;
	assert_null(stack_store__find(&store, 1));
	assert_int_equal(add(&store, 5000, 3), 0); /* numbers come in any order */
	assert_int_equal(add(&store, 7, MAX_STACK_FRAMES), 0);
	assert_int_equal(add(&store, 8, 0), 0);
	assert_null(stack_store__find(&store, 6));
	assert_null(stack_store__find(&store, ~0U));
	stored = stack_store__find(&store, 5000);
	assert_non_null(stored);
	assert_int_equal(stored->nr_frames, 3);
	assert_true(store.frames[stored->first_frame + 2] == FRAME_MAKE(0, 2));
	stored = stack_store__find(&store, 7);
	assert_non_null(stored);
	assert_int_equal(stored->nr_frames, MAX_STACK_FRAMES);
	assert_true(store.frames[stored->first_frame] == FRAME_MAKE(7, 0));
	assert_non_null(stack_store__find(&store, 8));
	stack_store__free(&store);
}

static void malformed_ones_are_refused(void **state)
{
	struct stack_store store = { 0 };
	struct record record;
	size_t size = make_record(&record, 1, 4);

	(void)state;
	assert_int_equal(stack_store__add(&store, &record, size - 1), -EINVAL);
	assert_int_equal(stack_store__add(&store, &record, sizeof(record.head) - 1), -EINVAL);
	assert_int_equal(add(&store, 0, 1), -EINVAL);
	assert_int_equal(add(&store, 2 * MAX_STACKS + 1, 1), -EINVAL);
	record.head.nr_frames = MAX_STACK_FRAMES + 1;
	assert_int_equal(stack_store__add(&store, &record, sizeof(record)), -EINVAL);
	assert_int_equal(store.nr_dropped, 0);
	assert_int_equal(add(&store, 1, 4), 0);
	stack_store__free(&store);
}

/* Full: counted, and what was kept stays. */
static void what_finds_no_room_is_counted(void **state)
{
	const __u32 nr = STACK_STORE_MAX_FRAMES / MAX_STACK_FRAMES;
	struct stack_store store = { 0 };

	(void)state;
	for (__u32 number = 1; number <= nr + 3; number++)
		assert_int_equal(add(&store, number, MAX_STACK_FRAMES), 0);
	assert_int_equal(store.nr_dropped, 3);
	assert_true(store.nr_frames <= STACK_STORE_MAX_FRAMES);
	assert_non_null(stack_store__find(&store, nr));
	for (__u32 number = nr + 1; number <= nr + 3; number++)
		assert_null(stack_store__find(&store, number));
	stack_store__free(&store);
	assert_null(stack_store__find(&store, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_are_found),
		cmocka_unit_test(malformed_ones_are_refused),
		cmocka_unit_test(what_finds_no_room_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for unwind tables: nothing is given twice, and what is given back can be had again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind_room.h"

#define NR_CHUNKS 64
#define NR_PAGES 1000
#define NR_OWNERS 40
#define STEPS 20000

static void everything_can_be_taken(void **state)
{
	__u32 chunks[NR_CHUNKS], first = 1;
	struct unwind_room room;

	(void)state;
	assert_int_equal(unwind_room__open(&room, NR_CHUNKS, NR_PAGES), 0);
	assert_int_equal(unwind_room__take(&room, 1, NR_CHUNKS + 1, chunks, 1, &first), -ENOSPC);
	assert_int_equal(unwind_room__take(&room, 1, 1, chunks, NR_PAGES + 1, &first), -ENOSPC);
	assert_int_equal(room.nr_free_chunks, NR_CHUNKS);
	assert_int_equal(unwind_room__take(&room, 1, NR_CHUNKS, chunks, NR_PAGES, &first), 0);
	assert_int_equal(first, 0);
	for (__u32 i = 0; i < NR_CHUNKS; i++)
		assert_int_equal(chunks[i], i);
	assert_int_equal(unwind_room__take(&room, 2, 1, chunks, 0, &first), -ENOSPC);
	assert_int_equal(unwind_room__take(&room, 2, 0, chunks, 1, &first), -ENOSPC);
	unwind_room__give_back(&room, 3); /* who has nothing */
	unwind_room__give_back(&room, 1);
	assert_int_equal(room.nr_extents, 0);
	assert_int_equal(unwind_room__take(&room, 2, NR_CHUNKS, chunks, NR_PAGES, &first), 0);
	unwind_room__close(&room);
}

/* Pages lie in a row: of two gaps that are large enough together neither is. */
static void gaps_are_found(void **state)
{
	__u32 chunk, first = 0;
	struct unwind_room room;

	(void)state;
	assert_int_equal(unwind_room__open(&room, NR_CHUNKS, 100), 0);
	for (__u32 owner = 1; owner <= 5; owner++) {
		assert_int_equal(unwind_room__take(&room, owner, 1, &chunk, 20, &first), 0);
		assert_int_equal(first, (owner - 1) * 20);
	}
	unwind_room__give_back(&room, 2);
	unwind_room__give_back(&room, 4);
	assert_int_equal(unwind_room__take(&room, 6, 1, &chunk, 40, &first), -ENOSPC);
	assert_int_equal(unwind_room__take(&room, 6, 1, &chunk, 15, &first), 0);
	assert_int_equal(first, 20);
	assert_int_equal(unwind_room__take(&room, 7, 1, &chunk, 20, &first), 0);
	assert_int_equal(first, 60);
	assert_int_equal(unwind_room__take(&room, 8, 1, &chunk, 5, &first), 0);
	assert_int_equal(first, 35);
	unwind_room__close(&room);
}

/* What each owner has, kept by the test. */
struct holding {
	__u32 nr_chunks, chunks[NR_CHUNKS];
	__u32 first, nr_pages;
	int has;
};

static void assert_apart(const struct holding *holdings, const struct unwind_room *room)
{
	unsigned char chunks[NR_CHUNKS] = { 0 }, pages[NR_PAGES] = { 0 };
	__u32 taken = 0;

	for (int owner = 0; owner < NR_OWNERS; owner++) {
		const struct holding *holding = &holdings[owner];

		for (__u32 i = 0; holding->has && i < holding->nr_chunks; i++) {
			assert_true(holding->chunks[i] < NR_CHUNKS);
			assert_int_equal(chunks[holding->chunks[i]]++, 0);
			taken++;
		}
		for (__u32 i = 0; holding->has && i < holding->nr_pages; i++) {
			assert_true(holding->first + i < NR_PAGES);
			assert_int_equal(pages[holding->first + i]++, 0);
		}
	}
	assert_int_equal(room->nr_free_chunks, NR_CHUNKS - taken);
}

static void nothing_is_given_twice(void **state)
{
	struct holding holdings[NR_OWNERS];
	struct unwind_room room;
	__u32 full = 0, taken = 0;

	(void)state;
	memset(holdings, 0, sizeof(holdings));
	srandom(5);
	assert_int_equal(unwind_room__open(&room, NR_CHUNKS, NR_PAGES), 0);
	for (int step = 0; step < STEPS; step++) {
		__u32 owner = (__u32)random() % NR_OWNERS;
		struct holding *holding = &holdings[owner];
		int err;

		if (holding->has) {
			unwind_room__give_back(&room, owner + 1);
			holding->has = 0;
			continue;
		}
		holding->nr_chunks = (__u32)random() % 8;
		holding->nr_pages = (__u32)random() % 120;
		err = unwind_room__take(&room, owner + 1, holding->nr_chunks, holding->chunks,
					holding->nr_pages, &holding->first);
		assert_true(!err || err == -ENOSPC);
		holding->has = !err;
		full += err != 0;
		taken += !err;
		assert_apart(holdings, &room);
	}
	assert_true(full > 100 && taken > 100);
	unwind_room__close(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_can_be_taken),
		cmocka_unit_test(gaps_are_found),
		cmocka_unit_test(nothing_is_given_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

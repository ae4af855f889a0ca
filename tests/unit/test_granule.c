/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf/granule.bpf.h, compiled for the host over a plain hash map, against a list of blocks that
 * is searched from end to end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "contract.h"

/* What the header takes from BPF and from the headers before it. */

#define GRANULES_ROOM (1 << 16) /* a power of two */

#define __noinline static __attribute__((noinline))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define ADD(field, value) ((void)__sync_fetch_and_add(&(field), (value)))

static struct {
	struct granule_key keys[GRANULES_ROOM];
	struct granule granules[GRANULES_ROOM];
	bool used[GRANULES_ROOM];
	__u64 nr;
	__u64 max; /* elements */
} granules;
static int origins; /* the map of the other space, which no test here comes to */

static __u64 nr_granules;
static __u64 losses;

static size_t granules__place(const struct granule_key *key)
{
	__u64 hash = (key->index + key->level) * 0x9e3779b97f4a7c15ULL ^
		     key->id * 0xc2b2ae3d27d4eb4fULL;
	size_t place = (hash ^ (hash >> 31)) & (GRANULES_ROOM - 1);

	while (granules.used[place] && memcmp(&granules.keys[place], key, sizeof(*key)) != 0)
		place = (place + 1) & (GRANULES_ROOM - 1);
	return place;
}

static void *bpf_map_lookup_elem(void *map, const struct granule_key *key)
{
	size_t place = granules__place(key);

	assert_ptr_equal(map, &granules);
	return granules.used[place] ? &granules.granules[place] : NULL;
}

static long bpf_map_update_elem(void *map, const struct granule_key *key,
				const struct granule *value, __u64 flags)
{
	size_t place = granules__place(key);

	assert_ptr_equal(map, &granules);
	assert_int_equal(flags, BPF_NOEXIST);
	if (granules.used[place] || granules.nr == granules.max)
		return -1;
	granules.used[place] = true;
	granules.keys[place] = *key;
	granules.granules[place] = *value;
	granules.nr++;
	return 0;
}

static long bpf_map_delete_elem(void *map, const struct granule_key *key)
{
	fail_msg("map %p, level %u: granules are emptied, not deleted", map, key->level);
	return -1;
}

static void count__loss(__u32 reason)
{
	assert_int_equal(reason, LOSS_GRANULES_FULL);
	losses++;
}

#include "../../bpf/granule.bpf.h"

/* The model: blocks in no order. */

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define TIB (1ULL << 40)
#define PAGE (4 * KIB)
#define BASE 0x10000000000ULL
#define MODEL_ROOM 128

static struct {
	struct granule_block blocks[MODEL_ROOM];
	size_t nr;
} model;

static struct process process;

static int set_up(void **state)
{
	(void)state;
	memset(&granules, 0, sizeof(granules));
	memset(&model, 0, sizeof(model));
	memset(&process, 0, sizeof(process));
	granules.max = GRANULES_ROOM / 2;
	process.identity.id = 7;
	nr_granules = 0;
	losses = 0;
	return 0;
}

static const struct granule_block *model__find(__u64 address)
{
	for (size_t i = 0; i < model.nr; i++)
		if (address >= model.blocks[i].start && address < model.blocks[i].end)
			return &model.blocks[i];
	return NULL;
}

static bool model__is_free(__u64 start, __u64 end)
{
	for (size_t i = 0; i < model.nr; i++)
		if (start < model.blocks[i].end && end > model.blocks[i].start)
			return false;
	return true;
}

static void model__insert(__u64 start, __u64 end, __u32 kind, __u32 size_class)
{
	assert_true(model.nr < MODEL_ROOM);
	model.blocks[model.nr++] = (struct granule_block){ start, end, kind, size_class };
}

static void model__remove(__u64 start, __u64 end)
{
	for (size_t i = model.nr; i-- > 0;) {
		struct granule_block block = model.blocks[i];

		if (start >= block.end || end <= block.start)
			continue;
		model.blocks[i] = model.blocks[--model.nr];
		if (block.start < start)
			model__insert(block.start, start, block.kind, block.size_class);
		if (block.end > end)
			model__insert(end, block.end, block.kind, block.size_class);
	}
}

static void insert(__u64 start, __u64 length, __u32 kind, __u32 size_class)
{
	granule__insert(&process, start, start + length, kind, size_class);
	model__insert(start, start + length, kind, size_class);
}

static void unmap(__u64 start, __u64 length)
{
	granule__remove(&process, start, start + length);
	model__remove(start, start + length);
}

static void compare_at(__u64 address)
{
	const struct granule_block *expected = model__find(address);
	struct granule_find found = {};

	assert_int_equal(granule__find(&process, address, &found), expected != NULL);
	if (!expected)
		return;
	assert_int_equal(found.block.start, expected->start);
	assert_int_equal(found.block.end, expected->end);
	assert_int_equal(found.block.kind, expected->kind);
	assert_int_equal(found.block.size_class, expected->size_class);
}

/* At the edges of every block, beside them and in between. */
static void compare(void)
{
	for (size_t i = 0; i < model.nr; i++) {
		__u64 start = model.blocks[i].start, end = model.blocks[i].end;

		compare_at(start - 1);
		compare_at(start);
		compare_at(start + 1);
		for (__u64 part = 1; part < 16; part++)
			compare_at(start + (end - start) / 16 * part);
		compare_at(end - 1);
		compare_at(end);
	}
	assert_int_equal(losses, 0);
}

/* No slot holds anything: nothing can be found by mistake later. */
static void assert_all_empty(void)
{
	for (size_t i = 0; i < GRANULES_ROOM; i++)
		for (int slot = 0; slot < 2; slot++)
			assert_int_equal(granules.granules[i].block[slot].start, 0);
}

static void nothing_is_found_in_an_empty_map(void **state)
{
	struct granule_find found = { .block.start = 1 };

	(void)state;
	assert_int_equal(granule__find(&process, BASE, &found), 0);
	assert_int_equal(found.block.start, 0);
	granule__remove(&process, BASE, BASE + PAGE);
	granule__insert(&process, BASE, BASE, REGION_ARENA, 0);
	assert_int_equal(granules.nr, 0);
}

static void blocks_of_all_lengths_are_found(void **state)
{
	static const __u64 bases[] = { BASE, BASE + PAGE, BASE + 8 * MIB - PAGE,
				       BASE + 64 * GIB - PAGE };

	(void)state;
	for (__u64 length = PAGE; length <= TIB; length *= 2)
		for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
			for (int odd = -1; odd <= 1; odd++) {
				__u64 bytes = length + (__u64)odd * PAGE;

				if (!bytes)
					continue;
				insert(bases[i], bytes, REGION_OWN_MAPPING, 17);
				compare();
				unmap(bases[i], bytes);
				assert_int_equal(model.nr, 0);
				compare_at(bases[i]);
				compare_at(bases[i] + bytes - 1);
			}
	assert_all_empty();
	assert_int_equal(losses, 0);
}

/* The bound that the table of maps and the loops count on. */
static void a_block_takes_nine_granules_at_most(void **state)
{
	(void)state;
	for (__u64 length = PAGE; length <= TIB; length = length / PAGE * 9 / 8 * PAGE + PAGE) {
		__u64 before = nr_granules;

		granules.nr = 0;
		memset(granules.used, 0, sizeof(granules.used));
		granule__insert(&process, BASE - PAGE, BASE - PAGE + length, REGION_ARENA, 0);
		assert_true(granules.nr >= 1 && granules.nr <= 9);
		assert_int_equal(nr_granules - before, granules.nr);
	}
	assert_int_equal(losses, 0);
}

/* Two that meet in one granule: 132 KiB each, as two mallocs of 128 KiB get them. */
static void neighbours_share_a_granule(void **state)
{
	(void)state;
	insert(BASE, 132 * KIB, REGION_OWN_MAPPING, 1);
	insert(BASE + 132 * KIB, 132 * KIB, REGION_OWN_MAPPING, 2);
	insert(BASE + 264 * KIB, 132 * KIB, REGION_OWN_MAPPING, 3);
	insert(BASE - 132 * KIB, 132 * KIB, REGION_OWN_MAPPING, 4);
	compare();
	unmap(BASE + 132 * KIB, 132 * KIB);
	compare();
	insert(BASE + 132 * KIB, 132 * KIB, REGION_ARENA, 5);
	compare();
}

static void a_partial_munmap_keeps_the_rest(void **state)
{
	static const __u64 lengths[] = { 12 * KIB, 132 * KIB, MIB, 64 * MIB, 3 * GIB, TIB };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		__u64 length = lengths[i];

		insert(BASE, length, REGION_ARENA, 3);
		unmap(BASE, PAGE); /* at the start */
		compare();
		unmap(BASE + length - PAGE, PAGE); /* at the end */
		compare();
		unmap(BASE + length / 2 / PAGE * PAGE, PAGE); /* a hole */
		compare();
		assert_int_equal(model.nr, length > 12 * KIB ? 2 : 0);
		unmap(BASE, length / 2 / PAGE * PAGE);
		unmap(BASE + length / 2 / PAGE * PAGE, length - length / 2 / PAGE * PAGE - PAGE);
		assert_int_equal(model.nr, 0);
		assert_all_empty();
	}
	assert_int_equal(losses, 0);
}

/* As glibc does for an arena's heap: twice as much as it wants, then both ends given back. */
static void an_aligned_heap_is_cut_out(void **state)
{
	(void)state;
	insert(BASE + 3 * MIB, 128 * MIB, REGION_ARENA, 0);
	unmap(BASE + 3 * MIB, 61 * MIB);
	unmap(BASE + 128 * MIB, 3 * MIB);
	assert_int_equal(model.nr, 1);
	compare();
	compare_at(BASE + 63 * MIB);
	compare_at(BASE + 129 * MIB);
}

static void a_munmap_over_neighbours_takes_both(void **state)
{
	(void)state;
	insert(BASE, 132 * KIB, REGION_OWN_MAPPING, 1);
	insert(BASE + 132 * KIB, 264 * KIB, REGION_OWN_MAPPING, 2);
	insert(BASE + 396 * KIB, 8 * KIB, REGION_STACK, 3);
	unmap(BASE + 100 * KIB, 300 * KIB);
	assert_int_equal(model.nr, 2);
	compare();
	unmap(BASE - MIB, MIB + 4 * KIB);
	compare();
}

static void another_process_has_blocks_of_its_own(void **state)
{
	struct process other = { .identity.id = 8 };
	struct granule_find found = {};

	(void)state;
	insert(BASE, MIB, REGION_ARENA, 1);
	assert_int_equal(granule__find(&other, BASE, &found), 0);
	granule__insert(&other, BASE, BASE + MIB, REGION_STACK, 2);
	granule__remove(&process, BASE, BASE + MIB);
	assert_int_equal(granule__find(&process, BASE, &found), 0);
	assert_int_equal(granule__find(&other, BASE, &found), 1);
	assert_int_equal(found.block.kind, REGION_STACK);
}

static void a_full_map_is_a_counted_loss(void **state)
{
	struct granule_find found = {};

	(void)state;
	insert(BASE, 132 * KIB, REGION_OWN_MAPPING, 1);
	granules.max = granules.nr;
	granule__insert(&process, BASE + MIB, BASE + 2 * MIB, REGION_ARENA, 1);
	assert_int_equal(losses, 1);
	assert_int_equal(granule__find(&process, BASE + MIB, &found), 0);
	granule__remove(&process, BASE + MIB, BASE + 2 * MIB);
	losses = 0;
	compare();
}

/* Two mappings at one place: the second came without the end of the first having been seen. */
static void what_overlaps_is_lost_but_harmless(void **state)
{
	struct granule_find found = {};

	(void)state;
	for (int i = 0; i < 3; i++)
		granule__insert(&process, BASE, BASE + MIB, REGION_ARENA, 1);
	assert_int_equal(losses, 1);
	granule__remove(&process, BASE, BASE + MIB);
	assert_int_equal(granule__find(&process, BASE, &found), 0);
	assert_all_empty();
}

static __u64 random_state = 88172645463325252ULL;

static __u64 random_below(__u64 bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % bound;
}

/* Pages, as many short ones as long ones on a logarithmic scale. */
static __u64 random_length(unsigned int bits)
{
	__u64 length = 1ULL << random_below(bits);

	return (length + random_below(length)) * PAGE;
}

/*
 * A munmap is followed from block to block as long as they touch, from its start and once from
 * its end; four at most. A range that asks for more is none that an allocator gives back.
 */
static bool is_within_reach(__u64 start, __u64 end)
{
	size_t met = 0, reached = 0;

	for (size_t i = 0; i < model.nr; i++)
		met += start < model.blocks[i].end && end > model.blocks[i].start;
	for (__u64 at = start; at < end; reached++) {
		const struct granule_block *block = model__find(at);

		if (!block)
			block = model__find(end - 1);
		if (!block)
			break;
		at = block->end;
	}
	return met == reached && met <= 4;
}

static void random_unmap(__u64 room)
{
	const struct granule_block *block = &model.blocks[random_below(model.nr)];
	__u64 pages = (block->end - block->start) / PAGE, start = block->start, end = block->end;

	switch (random_below(5)) {
	case 0: /* all of it */
		break;
	case 1: /* its start, and perhaps what is before */
		end = start + (1 + random_below(pages)) * PAGE;
		start -= random_below(3) * PAGE;
		break;
	case 2: /* its end, and perhaps what follows */
		start += random_below(pages) * PAGE;
		end += random_below(3) * PAGE;
		break;
	case 3: /* a part of it */
		start += random_below(pages) * PAGE;
		end = start + (1 + random_below((end - start) / PAGE)) * PAGE;
		break;
	default: /* anywhere */
		start = BASE + random_below(room / PAGE) * PAGE;
		end = start + random_length(16);
	}
	if (is_within_reach(start, end))
		unmap(start, end - start);
}

/* room: bytes of address space; bits: the longest block has about 2^bits pages. */
static void random_operations(__u64 room, unsigned int bits, int nr)
{
	for (int i = 0; i < nr; i++) {
		__u64 start = BASE + random_below(room / PAGE) * PAGE;
		__u64 length = random_length(bits);

		/* Half of them right behind another, as the kernel places them. */
		if (model.nr && random_below(2))
			start = model.blocks[random_below(model.nr)].end;
		if (model.nr < MODEL_ROOM / 4 && random_below(2)) {
			if (model__is_free(start, start + length))
				insert(start, length, REGION_OWN_MAPPING + random_below(3),
				       (__u32)random_below(NR_SIZE_CLASSES));
		} else if (model.nr) {
			random_unmap(room);
		}
		compare();
		for (int probe = 0; probe < 8; probe++)
			compare_at(BASE + random_below(room));
	}
	while (model.nr)
		unmap(model.blocks[0].start, model.blocks[0].end - model.blocks[0].start);
	assert_all_empty();
	assert_int_equal(losses, 0);
}

static void random_operations_agree(void **state)
{
	for (int round = 0; round < 8; round++) {
		set_up(state);
		random_operations(MIB, 6, 1000);
		set_up(state);
		random_operations(64 * MIB, 12, 500);
		set_up(state);
		random_operations(32 * TIB, 28, 500);
	}
}

#define granule_test(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		granule_test(nothing_is_found_in_an_empty_map),
		granule_test(blocks_of_all_lengths_are_found),
		granule_test(a_block_takes_nine_granules_at_most),
		granule_test(neighbours_share_a_granule),
		granule_test(a_partial_munmap_keeps_the_rest),
		granule_test(an_aligned_heap_is_cut_out),
		granule_test(a_munmap_over_neighbours_takes_both),
		granule_test(another_process_has_blocks_of_its_own),
		granule_test(a_full_map_is_a_counted_loss),
		granule_test(what_overlaps_is_lost_but_harmless),
		granule_test(random_operations_agree),
	};

	return cmocka_run_group_tests_name("granule", tests, NULL, NULL);
}

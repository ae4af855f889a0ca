/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an address to the mapping that holds it. A block of n bytes is entered in the granules of
 * level l, the greatest with 2^shift(l) <= n, so it meets at most nine of them, and a granule
 * meets at most two blocks of its own level: blocks are disjoint and not shorter than a granule.
 * A block cut by a partial munmap is entered anew with its new length.
 *
 * There are two spaces of them, in maps of their own: own mappings and the like,
 * and sampled blocks of the program's (origin.bpf.h), whose kind is the number of a stack with
 * GRANULE_ORIGIN set.
 */
#define GRANULE_LEVELS 10 /* the last: blocks up to 4 TiB */
#define GRANULE_SHIFT(level) (12 + 3 * (level))
#define GRANULES_PER_BLOCK 9
#define GRANULE_ORIGIN_SHIFT 16 /* of the second space's bits in granule_levels */
#define GRANULE_ORIGIN (1U << 31)

struct granule_find {
	struct granule_block block; /* start 0: none */
};

static const struct granule empty_granule = {}; /* not on the stack: see alloc.bpf.h */

static __always_inline __u32 granule__level(__u64 length)
{
	__u32 bit = size_class__msb(length | 1);
	__u32 level = bit < 12 ? 0 : (bit - 12) / 3;

	return level < GRANULE_LEVELS ? level : GRANULE_LEVELS - 1;
}

/* The space is a constant to the compiler in all of these: each is verified with one map. */
static __always_inline struct granule *granule__at(struct granule_key *key, bool origin)
{
	if (origin)
		return bpf_map_lookup_elem(&origins, key);
	return bpf_map_lookup_elem(&granules, key);
}

static __always_inline struct granule *granule__make(struct granule_key *key, bool origin)
{
	struct granule *granule = granule__at(key, origin);

	if (granule)
		return granule;
	if (origin)
		bpf_map_update_elem(&origins, key, &empty_granule, BPF_NOEXIST);
	else if (!bpf_map_update_elem(&granules, key, &empty_granule, BPF_NOEXIST))
		ADD(nr_granules, 1);
	return granule__at(key, origin);
}

/* Enters one block in one granule. 0, or 1 when there is no room. */
static __always_inline int granule__enter(struct granule_key *key, __u64 start, __u64 end,
					  __u32 kind, __u32 size_class, bool origin)
{
	struct granule *granule = granule__make(key, origin);

	if (!granule)
		return 1;
	for (int i = 0; i < 2; i++) {
		struct granule_block *block = &granule->block[i];

		/* A reader tests end too, which is 0 until the block is complete. */
		if (__sync_val_compare_and_swap(&block->start, 0, start))
			continue;
		block->kind = kind;
		block->size_class = size_class;
		*(volatile __u64 *)&block->end = end;
		return 0;
	}
	return 1;
}

/* Apart, for the stack of programs on uprobes. */
static __attribute__((noinline)) int granule__enter_origin(struct granule_key *key, __u64 start,
							   __u64 end, __u32 kind, __u32 size_class)
{
	if (!key)
		return 1;
	return granule__enter(key, start, end, kind, size_class, true);
}

static __always_inline int granule__insert_into(struct process *process, __u64 start, __u64 end,
						__u32 kind, __u32 size_class, bool origin)
{
	__u32 level, shift, full = 0;
	struct granule_key key = {};
	__u64 last;

	if (!process || end <= start)
		return 0;
	level = granule__level(end - start);
	shift = GRANULE_SHIFT(level);
	last = (end - 1) >> shift;
	key.id = process->identity.id;
	key.level = level;
	key.index = start >> shift;
	__sync_fetch_and_or(&process->identity.granule_levels,
			    1ULL << (origin ? level + GRANULE_ORIGIN_SHIFT : level));
	for (int i = 0; i < GRANULES_PER_BLOCK; i++) {
		if (key.index > last)
			break;
		full |= origin ? granule__enter_origin(&key, start, end, kind, size_class) :
				 granule__enter(&key, start, end, kind, size_class, false);
		key.index++;
	}
	if (full || key.index <= last)
		count__loss(origin ? LOSS_ORIGINS_FULL : LOSS_GRANULES_FULL);
	return 0;
}

__noinline int granule__insert(struct process *process, __u64 start, __u64 end, __u32 kind,
			       __u32 size_class)
{
	return granule__insert_into(process, start, end, kind, size_class, false);
}

static __always_inline int granule__find_in(struct process *process, __u64 address,
					    struct granule_find *found, bool origin)
{
	__u64 levels;
	struct granule_key key = {};

	if (!process || !found)
		return 0;
	found->block.start = 0;
	levels = process->identity.granule_levels >> (origin ? GRANULE_ORIGIN_SHIFT : 0);
	key.id = process->identity.id;
	for (int level = 0; level < GRANULE_LEVELS; level++) {
		struct granule *granule;

		if (!(levels & (1ULL << level)))
			continue;
		key.level = level;
		key.index = address >> GRANULE_SHIFT(level);
		granule = granule__at(&key, origin);
		if (!granule)
			continue;
		for (int i = 0; i < 2; i++) {
			struct granule_block *block = &granule->block[i];

			if (block->start && address >= block->start && address < block->end) {
				found->block = *block;
				return 1;
			}
		}
	}
	return 0;
}

/* The block that holds an address. Levels that the process never used cost a bit test. */
__noinline int granule__find(struct process *process, __u64 address, struct granule_find *found)
{
	return granule__find_in(process, address, found, false);
}

static __always_inline int granule__erase_from(struct process *process, __u64 start, __u64 end,
					       bool origin)
{
	struct granule_key key = {};
	__u32 level, shift;
	__u64 last;

	if (!process || end <= start)
		return 0;
	level = granule__level(end - start);
	shift = GRANULE_SHIFT(level);
	last = (end - 1) >> shift;
	key.id = process->identity.id;
	key.level = level;
	key.index = start >> shift;
	for (int i = 0; i < GRANULES_PER_BLOCK; i++) {
		struct granule *granule;

		if (key.index > last)
			break;
		granule = granule__at(&key, origin);
		if (!granule)
			goto next;
		for (int j = 0; j < 2; j++) {
			if (granule->block[j].start != start)
				continue;
			*(volatile __u64 *)&granule->block[j].end = 0;
			*(volatile __u64 *)&granule->block[j].start = 0;
		}
		/* One entered here meanwhile is gone: its touches will be no request's. */
		if (origin && !granule->block[0].start && !granule->block[1].start)
			bpf_map_delete_elem(&origins, &key);
next:
		key.index++;
	}
	return 0;
}

/* Takes the block [start, end) out, entered with these ends. */
__noinline int granule__erase(struct process *process, __u64 start, __u64 end)
{
	return granule__erase_from(process, start, end, false);
}

/*
 * Removes what lies in [start, end), keeping what sticks out. Blocks that lie wholly inside
 * without following one another from either end are left; munmap gives back one block at a time.
 */
__noinline int granule__remove(struct process *process, __u64 start, __u64 end)
{
	struct granule_find found = {};
	__u64 at = start;

	if (!process || !process->identity.granule_levels)
		return 0;
	for (int i = 0; i < 4; i++) {
		if (at >= end)
			break;
		if (!granule__find(process, at, &found)) {
			if (at == end - 1 || !granule__find(process, end - 1, &found))
				break;
		}
		granule__erase(process, found.block.start, found.block.end);
		if (found.block.start < start)
			granule__insert(process, found.block.start, start, found.block.kind,
					found.block.size_class);
		if (found.block.end > end)
			granule__insert(process, end, found.block.end, found.block.kind,
					found.block.size_class);
		if (found.block.end > at)
			at = found.block.end;
	}
	return 0;
}

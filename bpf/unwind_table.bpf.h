/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unwind tables of files, and the look-up of an instruction's rule in them. */

/* unwind_rules: number -> rule. Written by the user side through a memory mapping. Full: see there. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_UNWIND_RULES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps");

/*
 * unwind_pages: entry -> rows of a page of 4 KiB of a file. Written by the user side through a
 * memory mapping. Full: the least used table goes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_UNWIND_PAGES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct unwind_page);
} unwind_pages SEC(".maps");

#define NO_TABLE (~0U)

struct unwind_chunk {
	__u32 rows[UNWIND_CHUNK_ROWS];
};

/*
 * unwind_parts: part -> map of 256 chunks of rows, 16 KiB each. The user side makes a part when it
 * is needed and writes its chunks. Full (64 MiB; 32 MiB at depth full): the least used table goes.
 */
struct unwind_part {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_PART_CHUNKS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_chunk));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_UNWIND_PARTS);
	__type(key, __u32);
	__array(values, struct unwind_part);
} unwind_parts SEC(".maps");

/*
 * unwind_seen: element 0, rules that were looked up: place << 16 | rule, at a hash of the place. A
 * word is written at once, so that a reader never meets half of one; a rule's number and a file's
 * stay what they are. Written and read where a stack is taken. Full: the later place stays.
 */
struct unwind_seen {
	__u64 places[UNWIND_SEEN_PLACES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unwind_seen);
} unwind_seen SEC(".maps");

/* The rule for a place in a file, NO_TABLE where that has no table. */
__noinline __u32 unwind__rule_at(__u32 number, __u32 page, __u32 offset)
{
	struct unwind_page *rows;
	struct unwind_chunk *chunk;
	struct unwind_file *file;
	__u32 part, inner, base, nr, entry;
	void *parts;
	__s64 key;

	file = bpf_map_lookup_elem(&unwind_tables, &number);
	if (!file)
		return NO_TABLE;
	if (file->used != unwind_clock)
		file->used = unwind_clock;
	if (!file->nr_pages) {
		if (file->state == UNWIND_FILE_EVICTED &&
		    __sync_val_compare_and_swap(&file->state, UNWIND_FILE_EVICTED,
						UNWIND_FILE_WANTED) == UNWIND_FILE_EVICTED)
			unwind_file__announce(number, 0, NULL);
		return NO_TABLE;
	}
	page -= file->first_page;
	if (page >= file->nr_pages)
		return UNWIND_NO_RULE;
	entry = file->first_entry + page;
	rows = bpf_map_lookup_elem(&unwind_pages, &entry);
	if (!rows || !rows->nr_rows)
		return UNWIND_NO_RULE;
	part = rows->chunk / UNWIND_PART_CHUNKS;
	inner = rows->chunk % UNWIND_PART_CHUNKS;
	parts = bpf_map_lookup_elem(&unwind_parts, &part);
	if (!parts)
		return NO_TABLE;
	chunk = bpf_map_lookup_elem(parts, &inner);
	if (!chunk)
		return NO_TABLE;
	base = rows->start;
	nr = rows->nr_rows;
	key = UNWIND_ROW(offset, 0xffff);
	for (int i = 0; i < 12; i++) {
		__u32 half = nr >> 1;
		__s64 below;

		if (nr <= 1)
			break;
		/* All ones or 0, and no branch, which the processor would foretell wrongly. */
		below = chunk->rows[(base + half) & (UNWIND_CHUNK_ROWS - 1)];
		below = (below - key - 1) >> 63;
		base += half & below;
		nr -= half;
	}
	return UNWIND_ROW_RULE(chunk->rows[base & (UNWIND_CHUNK_ROWS - 1)]);
}

/*
 * The same by way of unwind_seen. The clock is in the hash: when it goes on, each place is looked
 * up once more, which notes that its table is in use.
 */
static __always_inline __u32 unwind__rule_of(__u32 number, __u64 offset)
{
	__u64 place = ((__u64)number << 32 | (__u32)offset) << 16, hash, found;
	struct unwind_seen *seen;
	__u32 zero = 0, rule;

	seen = bpf_map_lookup_elem(&unwind_seen, &zero);
	if (!seen || offset >> 32)
		return unwind__rule_at(number, offset >> UNWIND_PAGE_SHIFT,
				       offset & (UNWIND_PAGE_BYTES - 1));
	hash = (place ^ unwind_clock) * HASH_FACTOR >> 32 & (UNWIND_SEEN_PLACES - 1);
	found = *(volatile __u64 *)&seen->places[hash] ^ place;
	if (!(found >> 16))
		return found;
	rule = unwind__rule_at(number, offset >> UNWIND_PAGE_SHIFT,
			       offset & (UNWIND_PAGE_BYTES - 1));
	if (rule != NO_TABLE)
		*(volatile __u64 *)&seen->places[hash] = place | rule;
	return rule;
}

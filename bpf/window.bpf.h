/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows of a budget: what was asked for in the one that is open, and the pass that closes what is
 * open in tasks when it ends.
 */

/*
 * window_rows: (process, size class) -> requests of this window. Written by window__count with
 * atomic adds, emptied by the user side after each window. 16,384 rows of 72 bytes with a budget, 1
 * otherwise. Full: counted as window_rows_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_WINDOW_ROWS);
	__type(key, struct size_key);
	__type(value, struct window_row);
} window_rows SEC(".maps");

__noinline int window__count(__u32 id, __u64 size)
{
	struct size_key key = { .id = id, .size_class = size_class__of(size) };
	struct window_row empty = {};
	struct window_row *row;

	row = bpf_map_lookup_elem(&window_rows, &key);
	if (!row) {
		bpf_map_update_elem(&window_rows, &key, &empty, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&window_rows, &key);
	}
	if (!row) {
		count__loss(LOSS_WINDOW_ROWS_FULL);
		return 1;
	}
	ADD(row->count, 1);
	ADD(row->bytes, size);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asked: requests by their return address, while recording. What finds no room is counted as
 * call_rows_full; its request stands in size_rows, so that a reader knows what is missing.
 */

/*
 * call_rows: (process, size class, path, function, caller) -> requests. Written by caller__count
 * with atomic adds, read by the user side, which deletes those of folded processes. 262,144 rows
 * of 96 bytes while recording, 1 otherwise. Full: counted as call_rows_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALL_ROWS);
	__type(key, struct call_key);
	__type(value, struct call_row);
} call_rows SEC(".maps");

__noinline int caller__count(__u32 id, struct open_call *call, __u32 path)
{
	struct call_key key = {};
	struct call_row empty = {};
	struct call_row *row;

	if (!call)
		return 1;
	key.caller = call->ret;
	key.id = id;
	key.size_class = size_class__of(call->size);
	key.path = path;
	key.function = call->function;
	row = bpf_map_lookup_elem(&call_rows, &key);
	if (!row) {
		bpf_map_update_elem(&call_rows, &key, &empty, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&call_rows, &key);
	}
	if (!row) {
		count__loss(LOSS_CALL_ROWS_FULL);
		return 1;
	}
	ADD(row->count, 1);
	ADD(row->bytes, call->size);
	return 0;
}

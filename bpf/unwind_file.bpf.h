/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of code: the numbers that they get, and where their unwind tables lie. */

/*
 * unwind_files: file of code -> its number. Written here at first sight, and by the user side for
 * a command's files before it runs. Full: counted as unwind_files_full, stacks end in that file.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_UNWIND_FILES);
	__type(key, struct unwind_file_key);
	__type(value, __u32);
} unwind_files SEC(".maps");

/*
 * unwind_tables: file's number -> where its table is. Written by the user side through a memory
 * mapping; the programs note use and wishes. As many as numbers: never full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_UNWIND_FILES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct unwind_file);
} unwind_tables SEC(".maps");

static __noinline int unwind_file__announce(__u32 number, __u32 tgid, struct mapping_found *found)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count__loss(LOSS_RING_FULL);
		return 1;
	}
	event->type = EVENT_MAPPING;
	event->id = number;
	event->slot = 0;
	event->tgid = tgid;
	event->parent_id = 0;
	event->pad = 0;
	event->address = found ? found->start : 0;
	event->end = found ? found->end : 0;
	event->filename[0] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* The number of a mapping's file, which is announced to the user side once. */
__noinline __u32 unwind_file__number(struct mapping_found *found, __u32 tgid)
{
	struct unwind_file_key key;
	struct unwind_file *file;
	__u32 *known, number;

	if (!found)
		return UNWIND_ANONYMOUS;
	/* Up to 6.1 a key in memory of the caller is refused. */
	key = found->key;
	known = bpf_map_lookup_elem(&unwind_files, &key);
	if (!known) {
		number = __sync_fetch_and_add(&nr_unwind_files, 1) + UNWIND_FIRST_FILE;
		if (number >= MAX_UNWIND_FILES ||
		    bpf_map_update_elem(&unwind_files, &key, &number, BPF_NOEXIST)) {
			/* No room, or another CPU was first. */
			known = bpf_map_lookup_elem(&unwind_files, &key);
			if (!known) {
				count__loss(LOSS_UNWIND_FILES_FULL);
				return UNWIND_UNKNOWN_FILE;
			}
			number = *known;
		}
	} else {
		number = *known;
	}
	file = bpf_map_lookup_elem(&unwind_tables, &number);
	/* Without a tgid it is the user side that asks, and does the rest. */
	if (file && tgid && file->state == UNWIND_FILE_NEW &&
	    __sync_val_compare_and_swap(&file->state, UNWIND_FILE_NEW, UNWIND_FILE_WAITS) ==
		    UNWIND_FILE_NEW &&
	    unwind_file__announce(number, tgid, found))
		file->state = UNWIND_FILE_NEW;
	return number;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and releases: what an open call becomes when it closes. The only writer of a process's
 * allocation counters, of size_rows and of live_blocks.
 */
static __always_inline __u32 call__release(struct open_call *call)
{
	if (call->did & DID_REMAP)
		return RELEASE_REMAP;
	if (call->did & DID_MUNMAP)
		return RELEASE_MUNMAP;
	if (call->did & DID_TRIM)
		return RELEASE_TRIM;
	if (call->did & DID_MADVISE)
		return RELEASE_MADVISE;
	return RELEASE_KEPT;
}

static __always_inline bool size__is_filtered(__u64 size)
{
	return size < min_size || size > max_size;
}

static const struct size_row empty_row = {}; /* not on the stack: see alloc.bpf.h */

static __noinline struct size_row *size_row__make(__u32 id, __u32 size_class)
{
	struct size_key key = { .id = id, .size_class = size_class };

	if (!bpf_map_update_elem(&size_rows, &key, &empty_row, BPF_NOEXIST))
		ADD(nr_size_rows, 1);
	return bpf_map_lookup_elem(&size_rows, &key);
}

static __always_inline struct size_row *size_row__of(__u32 id, __u32 size_class)
{
	struct size_key key = { .id = id, .size_class = size_class };
	struct size_row *row;

	row = bpf_map_lookup_elem(&size_rows, &key);
	return row ? row : size_row__make(id, size_class);
}

/* A request that succeeded. Returns 0 and books it, or 1: no room for its row, booked as lost. */
static __always_inline int request__take(struct process *process, struct open_call *call)
{
	struct path_limits *limits;
	struct size_row *row;
	__u32 path;
	__u64 size;

	if (!process || !call)
		return 1;
	path = call__path(call);
	size = call->size;
	if (size__is_filtered(size)) {
		count__filtered(KIND_ALLOC);
		return 1;
	}
	row = size_row__of(process->identity.id, size_class__of(size));
	if (!row || path >= NR_PATHS) {
		count__lost(KIND_ALLOC, LOSS_SIZE_ROWS_FULL);
		return 1;
	}
	ADD(row->count[path], 1);
	ADD(row->bytes, size);
	if (path == PATH_MMAP)
		ADD(row->own_requested_bytes, size);
	else if (path == PATH_REMAP && size > call->remapped_from)
		ADD(row->own_requested_bytes, size - call->remapped_from);
	ADD(process->counters.paths[path].count, 1);
	ADD(process->counters.paths[path].bytes, size);
	limits = &process->limits[epoch & 1][path];
	limit__raise(&limits->min_inverted, ~size);
	limit__raise(&limits->max_plus_one, size + 1);
	if (samples_stacks && call->sampled)
		sample__request(process->identity.id, call, path);
	/* After its size row: who reads callers first never finds more of them than requests. */
	if (recording)
		caller__count(process->identity.id, call, path);
	if (budgeted)
		window__count(process->identity.id, size);
	count__recorded(KIND_ALLOC);
	return 0;
}

/* The same where a call more is not worth its instructions. */
__noinline int request__record(struct process *process, struct open_call *call)
{
	return request__take(process, call);
}

/* A release that happened: by its kind, and out of the live figures if the block was known. */
__noinline int release__record(struct process *process, struct open_call *call)
{
	__u32 kind;

	if (!process || !call)
		return 1;
	kind = call__release(call);
	if (kind >= NR_RELEASES || call->old_hidden)
		return 1;
	ADD(process->counters.releases[kind], 1);
	if (!call->old_known) {
		ADD(process->counters.release_of_unknown, 1);
		return 0;
	}
	ADD(process->counters.release_bytes, call->old_size);
	ADD(process->counters.live_removed_count, 1);
	ADD(process->counters.live_removed_bytes, call->old_size);
	return 0;
}

/*
 * Takes a block that is about to be given back out of the live set. At entry: once the allocator
 * has it, another thread may get the same address.
 */
__noinline int live__take(__u32 id, __u64 address, struct live_block *taken)
{
	struct live_key key = { .address = address, .id = id };
	struct live_block *block;

	block = bpf_map_lookup_elem(&live_blocks, &key);
	if (!block || !taken)
		return 0;
	*taken = *block;
	if (bpf_map_delete_elem(&live_blocks, &key))
		return 0; /* another thread took it: a double free of the program's */
	ADD(nr_live_blocks, -1);
	return 1;
}

/* The same at the entry of the call that gives the block back. */
__noinline int live__take_into(__u32 id, __u64 address, struct open_call *call)
{
	struct live_block block = {};

	if (!call)
		return 0;
	call->old_known = live__take(id, address, &block);
	call->old_size = block.size;
	call->old_class = block.size_class;
	call->own_function = block.function;
	call->old_path = block.path;
	call->old_home = block.home;
	call->old_hidden = block.hidden;
	call->old_stack = block.stack;
	return call->old_known;
}

static __noinline int live__put(__u32 id, __u64 address, struct live_block *block)
{
	struct live_key key = { .address = address, .id = id };

	if (bpf_map_update_elem(&live_blocks, &key, block, BPF_ANY)) {
		count__loss(LOSS_LIVE_BLOCKS_FULL);
		return 1;
	}
	ADD(nr_live_blocks, 1);
	return 0;
}

/* Enters a block that was given out. */
__noinline int live__add(struct process *process, struct open_call *call, __u64 address, __u32 home)
{
	struct live_block block = {};

	if (!process || !call)
		return 1;
	if (live__take(process->identity.id, address, &block)) {
		/* Given out again without a release seen: the old one is no longer live. */
		count__loss(LOSS_FREE_MISSED);
		origin__remove(process, address, block.size, block.stack);
		if (!block.hidden) {
			ADD(process->counters.live_removed_count, 1);
			ADD(process->counters.live_removed_bytes, block.size);
		}
	}
	__builtin_memset(&block, 0, sizeof(block));
	block.size = call->size;
	block.time_ns = bpf_ktime_get_ns();
	block.weight = 1;
	block.stack = call->stack;
	block.size_class = size_class__of(call->size);
	block.function = call->function;
	block.path = call__path(call);
	block.home = home;
	block.hidden = size__is_filtered(call->size);
	if (live__put(process->identity.id, address, &block))
		return 1;
	if (origins__are_kept())
		origin__add(process, call, address, home);
	if (!block.hidden) {
		ADD(process->counters.live_added_count, 1);
		ADD(process->counters.live_added_bytes, call->size);
	}
	return 0;
}

/* realloc failed: its old block is still the program's. */
__noinline int live__put_back(__u32 id, struct open_call *call)
{
	struct live_block block = {};

	if (!call || !call->old_known)
		return 0;
	block.size = call->old_size;
	block.time_ns = bpf_ktime_get_ns();
	block.weight = 1;
	block.size_class = call->old_class;
	block.function = call->own_function;
	block.path = call->old_path;
	block.home = call->old_home;
	block.hidden = call->old_hidden;
	return live__put(id, call->argument, &block);
}

/*
 * Closes a call without having seen its return. Kernel calls that ended in a failure leave open
 * whether the request was served from elsewhere in the end.
 */
__noinline int call__close(struct process *process, struct open_call *call)
{
	if (!call)
		return 1;
	if (!process) { /* its slot was folded away in between */
		count__lost(call->function == FUNCTION_FREE ? KIND_FREE : KIND_ALLOC,
			    LOSS_PROCESS_TABLE_FULL);
		return 1;
	}
	if (call->function == FUNCTION_FREE) {
		if (call->old_hidden)
			count__filtered(KIND_FREE);
		else
			count__recorded(KIND_FREE);
		return release__record(process, call);
	}
	if (depth == DEPTH_FULL && (call->did & DID_DOOM) && call->function == FUNCTION_MALLOC) {
		/* operator new has thrown: it never came to its end. */
		ADD(process->counters.failed, 1);
		count__recorded(KIND_ALLOC);
		return 0;
	}
	if (depth == DEPTH_FULL) {
		ADD(process->counters.unknown_result, 1);
		count__lost(KIND_ALLOC, LOSS_RETURN_MISSED);
		return 0;
	}
	if (!(call->did & (DID_FAIL | DID_DOOM)))
		return request__take(process, call);
	if (call->did & DID_DOOM)
		ADD(process->counters.failed, 1);
	else
		ADD(process->counters.unknown_result, 1);
	count__recorded(KIND_ALLOC);
	return 0;
}

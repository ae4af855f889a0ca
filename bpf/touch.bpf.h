/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A first touch and the request that it is due to. Inside a call it is that call's: the allocator
 * writes its headers, clears or copies. Outside it is the block's that holds the address.
 *
 * A block smaller than a page stands for so many others, where requests are sampled, that one
 * page of it says nothing. So there a touch inside the call for it is taken with its own stack, at
 * the rate of the faults, and one outside is no request's; glibc touches all pages of small blocks
 * itself, since it writes headers into them.
 */
#define SMALL_BLOCK_STEPS 32 /* of 16 bytes: how far below a touch its block is looked for */

/* The call that the task is in; a free closes late, and touches nothing. */
static __always_inline struct open_call *touch__call(struct task *record)
{
	struct open_call *call;

	if (!record->nr_open)
		return NULL;
	call = &record->open[OPEN_INDEX(record->nr_open - 1)];
	return call->function == FUNCTION_FREE ? NULL : call;
}

static __always_inline bool touch__is_large(__u64 size)
{
	return size >= page_size || !sample_bytes;
}

static __noinline int touch__count(struct process *process, __u32 stack, __u32 packed, __u64 size,
				   __u64 bytes)
{
	struct sample_key key = {};

	key.id = process->identity.id;
	key.stack = stack;
	sample_key__set_origin(&key, packed);
	return origin__count(&key, size, bytes);
}

/* The small block at or below an address, where each one's stack is taken. */
static __noinline int touch__small(struct process *process, __u64 address, __u64 bytes)
{
	struct live_key key = { .id = process->identity.id };

	for (int i = 0; i < SMALL_BLOCK_STEPS; i++) {
		struct live_block *block;

		key.address = (address & ~15ULL) - i * 16;
		block = bpf_map_lookup_elem(&live_blocks, &key);
		if (!block)
			continue;
		if (block->stack && address - key.address < block->size)
			touch__count(process, block->stack,
				     ORIGIN_PACK(block->size_class, block->path, block->function),
				     block->size, bytes);
		break;
	}
	return 0;
}

/* Bytes that became resident at an address, in a region that an allocator may have filled. */
__noinline int touch__origin(struct process *process, struct task *record, __u64 bytes)
{
	struct granule_find found = {};
	struct open_call *call;

	if (!process || !record)
		return 0;
	call = touch__call(record);
	if (call) {
		if (call->sampled && touch__is_large(call->size))
			touch__count(process, call->stack,
				     ORIGIN_PACK(size_class__of(call->size), call__path(call),
						 call->function),
				     call->size ? call->size : 1, bytes);
		return 0;
	}
	if (origin__find(process, record->fault.address, &found))
		return touch__count(process, found.block.kind & ~GRANULE_ORIGIN,
				    found.block.size_class, found.block.end - found.block.start,
				    bytes);
	if (!sample_bytes)
		return touch__small(process, record->fault.address, bytes);
	return 0;
}

/* What a touch's own stack stands for as well: ORIGIN_PACK of the small request made now, or 0. */
static __always_inline __u32 touch__small_call(struct task *record)
{
	struct open_call *call = origins__are_kept() ? touch__call(record) : NULL;

	if (!call || touch__is_large(call->size))
		return 0;
	return ORIGIN_PACK(size_class__of(call->size), call__path(call), call->function);
}

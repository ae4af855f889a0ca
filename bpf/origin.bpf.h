/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asked for memory that is touched first. Where keeps_origins is set, at depth full, a sampled
 * block of a page or more is found by any address in it, in a space of its own among the granules;
 * each of its pages that is touched counts as often as the block stands for others. A smaller
 * block shares its pages, see touch.bpf.h.
 *
 * Memory that nobody has touched is known as such where a request got a mapping of its own, and
 * in the heap from heap_untouched on: no fault was met above it since the run or the heap began.
 */
static __always_inline bool origins__are_kept(void)
{
	return keeps_origins;
}

__noinline int origin__insert(struct process *process, __u64 start, __u64 end, __u32 kind,
			      __u32 size_class)
{
	return granule__insert_into(process, start, end, kind, size_class, true);
}

__noinline int origin__find(struct process *process, __u64 address, struct granule_find *found)
{
	return granule__find_in(process, address, found, true);
}

__noinline int origin__erase(struct process *process, __u64 start, __u64 end)
{
	return granule__erase_from(process, start, end, true);
}

/* Counts bytes of one block of size bytes that was sampled, for all those like it. */
static __noinline int origin__count(struct sample_key *key, __u64 size, __u64 bytes)
{
	__u64 stands_for;

	if (!key || !size)
		return 1;
	stands_for = sample__bytes(size);
	return sample__count(key, stands_for * SAMPLE_COUNT_UNIT / size, bytes * stands_for / size);
}

/* Of a request's block, the bytes that nobody can have touched before. */
static __always_inline __u64 origin__fresh(struct open_call *call, __u32 path, __u64 address,
					   __u32 home)
{
	__u64 end = address + call->size, from = call->heap_untouched;

	if (path == PATH_MMAP)
		return call->size;
	if (path == PATH_REMAP)
		return call->size > call->remapped_from ? call->size - call->remapped_from : 0;
	if (home != HOME_HEAP || end <= from)
		return 0;
	return end - (from > address ? from : address);
}

/* A sampled block was given out. */
__noinline int origin__add(struct process *process, struct open_call *call, __u64 address,
			   __u32 home)
{
	struct sample_key key = {};
	__u64 fresh;

	if (!process || !call || !call->sampled || call->size < page_size)
		return 0;
	key.id = process->identity.id;
	key.stack = call->stack;
	key.size_class = size_class__of(call->size);
	key.path = call__path(call);
	key.function = call->function;
	key.kind = SAMPLE_FRESH;
	fresh = origin__fresh(call, key.path, address, home);
	if (fresh)
		origin__count(&key, call->size, fresh);
	if (!call->stack)
		return 0;
	return origin__insert(process, address, address + call->size, call->stack | GRANULE_ORIGIN,
			      ORIGIN_PACK(key.size_class, key.path, key.function));
}

/* A block is given back: by its address, size and stack as they were added. */
static __always_inline void origin__remove(struct process *process, __u64 address, __u64 size,
					   __u32 stack)
{
	if (origins__are_kept() && stack && size >= page_size)
		origin__erase(process, address, address + size);
}

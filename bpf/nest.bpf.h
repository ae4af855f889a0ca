/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries that are no requests of their own: the function of an open call jumps to this one, or
 * hands its request on to the allocator of another file.
 */
/*
 * realloc(NULL, n) and memalign with an alignment that malloc gives anyway jump to malloc: same
 * stack pointer, same return address, exactly once for each such call.
 */
static __always_inline bool call__jumps_to_malloc(struct open_call *call, struct alloc_entry *entry)
{
	if (entry->function != FUNCTION_MALLOC || call->tailed || call->sp != entry->sp ||
	    call->size != entry->size || !call__stands(entry->ret, call->ret))
		return false;
	switch (call->function) {
	case FUNCTION_REALLOC:
		return !call->argument;
	case FUNCTION_MEMALIGN:
	case FUNCTION_POSIX_MEMALIGN:
		return call->alignment <= 16;
	}
	return false;
}

/* A realloc to nothing was entered as the free that it is. */
static __always_inline bool call__may_become(struct open_call *call, struct alloc_entry *entry)
{
	return (call->function == FUNCTION_FREE) == (entry->function == FUNCTION_FREE) ||
	       (entry->function == FUNCTION_REALLOC && !entry->size);
}

/*
 * Cheap, for every entry: can call__jumps_to say yes? Most often the same function is called from the
 * same frame again. flags: those of the entry's file.
 */
static __always_inline bool call__may_jump(struct open_call *call, struct alloc_entry *entry,
					   __u32 flags)
{
	return call->sp == entry->sp &&
	       (call->site != entry->site || call->file != entry->file || (flags & FILE_REENTERS));
}

/*
 * The innermost open call has jumped to this function, which its code is known to do, or that of
 * another file, whose address no call instruction of this caller has: same stack pointer, same
 * return address. What it jumps to goes on for it.
 */
static __noinline int call__jumps_to(struct open_call *call, struct alloc_entry *entry)
{
	struct tail_jump jump = {};

	if (!call || !entry || !call__may_become(call, entry) ||
	    !call__stands(entry->ret, call->ret))
		return 0;
	if (call->site == entry->site) {
		if (call->function == FUNCTION_FREE || call->size != entry->size || call->tailed ||
		    !(file__flags(call->file) & FILE_REENTERS))
			return 0;
		call->tailed = 1;
		return 1;
	}
	if (call->file != entry->file) {
		if (call->handed_on)
			return 0;
	} else {
		jump.file = call->file;
		jump.from = call->site;
		jump.to = entry->site;
		if (!bpf_map_lookup_elem(&tail_jumps, &jump))
			return 0;
	}
	call->site = entry->site;
	return 1;
}

/* The call that this one is made for is open in another file, which hands requests on. */
static __always_inline bool call__hands_on_to(struct open_call *call, struct alloc_entry *entry)
{
	return call->file != entry->file && call->sp > entry->sp &&
	       address__is_in_allocator(call->file, entry->ret - call->bias);
}

static __always_inline void call__hand_on(struct open_call *call, struct alloc_entry *entry)
{
	if (call->file == entry->file)
		return;
	call->inner_file = entry->file;
	call->inner_bias = entry->bias;
	call->handed_on = 1;
}

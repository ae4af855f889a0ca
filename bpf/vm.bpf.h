/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The six memory system calls. Entry keeps the break, exit knows the result: it counts, charges
 * the call to the request that made it, and keeps the granules of own mappings.
 */
#define PROT_WRITE_BIT 2
#define PROT_EXEC_BIT 4
#define MAP_FIXED_BIT 0x10
#define MAP_ANONYMOUS_BIT 0x20
#define MAP_GROWSDOWN_BIT 0x100
#define MAP_LOCKED_BIT 0x2000
#define MAP_POPULATE_BIT 0x8000
#define MAP_STACK_BIT 0x20000
#define MAP_HUGETLB_BIT 0x40000
#define ADVICE_DONTNEED 4
#define ADVICE_FREE 8
#define MREMAP_DONTUNMAP_BIT 4

struct vm_call {
	long nr;
	__u64 arg[5];
	__u64 result;
	__u64 sp;
	__u64 ip;
	__u64 old_brk;
	__u32 failed;
	__u32 pad;
	struct granule_block taken; /* the block that the range began in, start 0: none known */
};

/*
 * A range that is about to go leaves granules now: at the exit another thread may have been given
 * the same addresses already, and its exit may have come first.
 */
__noinline int range__take(struct task *record, struct process *process, __u64 start, __u64 length)
{
	struct granule_find found = {};

	if (!record || !process || !process->identity.granule_levels)
		return 0;
	granule__find(process, start, &found);
	record->taken = found.block;
	granule__remove(process, start, start + PAGE_ALIGNED(length));
	return 0;
}

/* Index + 1 of the open call that made this system call, innermost first; 0: none. */
__noinline int calls__owner(struct task *record, __u64 ip, __u64 sp)
{
	__u32 nr_open;

	if (!record)
		return 0;
	nr_open = record->nr_open;
	for (int i = 0; i < MAX_OPEN_CALLS; i++) {
		struct open_call *call;
		__u64 slot = 0, jumped = 0;

		if (!nr_open)
			break;
		nr_open--;
		call = &record->open[OPEN_INDEX(nr_open)];
		/* What has a result to keep calls its wrappers. */
		if (call->function == FUNCTION_FREE && file__flags(call->file) & FILE_FREE_JUMPS)
			jumped = call->sp;
		if (sp >= call->sp && sp != jumped)
			continue;
		if (RETURN_ADDRESS_ON_STACK) {
			bpf_probe_read_user(&slot, sizeof(slot), (void *)call->sp);
			if (!call__stands(slot, call->ret))
				continue;
		}
		if (caller__is_allocator(call->file, call->bias, ip, sp, jumped))
			return nr_open + 1;
		if (call->handed_on &&
		    caller__is_allocator(call->inner_file, call->inner_bias, ip, sp, jumped))
			return nr_open + 1;
	}
	return 0;
}

/* A decommit maps PROT_NONE over what was there: nothing grows. */
static __always_inline bool vm_call__is_decommit(struct vm_call *vm)
{
	return vm->nr == NR_MMAP && (vm->arg[3] & MAP_FIXED_BIT) && !vm->arg[2];
}

static __always_inline bool vm_call__grows(struct vm_call *vm)
{
	switch (vm->nr) {
	case NR_BRK:
		return vm->arg[0] > vm->old_brk;
	case NR_MMAP:
		return !vm_call__is_decommit(vm);
	case NR_MREMAP:
		return true;
	case NR_MPROTECT:
		return vm->arg[2] & PROT_WRITE_BIT;
	}
	return false;
}

/*
 * Does the mapping hold this block and nothing else? A pool's growth takes at least glibc's
 * top pad (128 KiB), or 1 MiB, more than was asked for; a mapping of its own at most the header,
 * the alignment and the rounding to pages. Where a pool grows by less, the file says from which
 * size on blocks have mappings of their own.
 */
static __always_inline bool mapping__is_own(struct open_call *call, struct vm_call *vm)
{
	__u32 file = call->handed_on ? call->inner_file : call->file;
	struct file_range *range = bpf_map_lookup_elem(&files, &file);
	__u64 slack;

	if (!range || !vm->arg[2]) /* PROT_NONE: a reserve */
		return false;
	slack = vm->arg[3] & MAP_HUGETLB_BIT ? 1ULL << 30 : range->own_slack;
	return call->size >= range->own_from && vm->arg[1] >= call->size &&
	       vm->arg[1] <= call->size + call->alignment + slack;
}

static __always_inline __u32 vm_call__did(struct open_call *call, struct vm_call *vm)
{
	if (vm_call__grows(vm)) {
		if (vm->failed)
			return DID_FAIL;
		switch (vm->nr) {
		case NR_BRK:
			return DID_BRK;
		case NR_MMAP:
			return mapping__is_own(call, vm) ? DID_MMAP : DID_ARENA;
		case NR_MREMAP:
			return DID_REMAP;
		}
		return DID_ARENA; /* mprotect */
	}
	if (vm->failed)
		return 0;
	switch (vm->nr) {
	case NR_BRK:
		return vm->arg[0] && vm->arg[0] < vm->old_brk ? DID_TRIM : 0;
	case NR_MUNMAP:
		/* The ends of an arena's reserve are cut off in the call that made it. */
		if (vm->arg[0] >= call->mapped_start && vm->arg[0] < call->mapped_end)
			return 0;
		return DID_MUNMAP;
	case NR_MADVISE:
		return vm->arg[2] == ADVICE_DONTNEED || vm->arg[2] == ADVICE_FREE ? DID_MADVISE : 0;
	case NR_MMAP:
		return DID_MADVISE;
	}
	return 0;
}

__noinline int vm_call__track(struct process *process, struct open_call *call, struct vm_call *vm,
			      __u32 did)
{
	__u32 size_class = 0, kind = NR_REGIONS;
	__u64 length;

	if (!process || !vm)
		return 0;
	length = PAGE_ALIGNED(vm->arg[1]);
	switch (vm->nr) {
	case NR_MMAP:
		if (vm->arg[3] & MAP_STACK_BIT)
			kind = REGION_STACK;
		else if (did & DID_MMAP)
			kind = REGION_OWN_MAPPING;
		else if (did & DID_ARENA)
			kind = REGION_ARENA;
		/* What a munmap of many blocks at once has left there. */
		granule__remove(process, vm->result, vm->result + length);
		if (kind == NR_REGIONS)
			break;
		if (call && kind == REGION_OWN_MAPPING)
			size_class = size_class__of(call->size);
		granule__insert(process, vm->result, vm->result + length, kind, size_class);
		break;
	case NR_MREMAP:
		/* One that we did not see mapped is the block's own if the allocator moves it. */
		if (!vm->taken.start && !(did & DID_REMAP))
			break;
		kind = vm->taken.start ? vm->taken.kind : REGION_OWN_MAPPING;
		size_class = vm->taken.size_class;
		if (call && (did & DID_REMAP))
			size_class = size_class__of(call->size);
		granule__insert(process, vm->result, vm->result + PAGE_ALIGNED(vm->arg[2]), kind,
				size_class);
		break;
	}
	return 0;
}

__noinline int vm_call__charge(struct task *record, struct process *process, struct vm_call *vm)
{
	struct open_call *call = NULL;
	__u32 did = 0;
	int owner;

	if (!record || !process || !vm)
		return 0;
	/* Between windows a call that is still open is one that the window's end has missed. */
	if (depth != DEPTH_KERNEL && probing && window) {
		owner = calls__owner(record, vm->ip, vm->sp);
		if (owner) {
			call = &record->open[OPEN_INDEX(owner - 1)];
			did = vm_call__did(call, vm);
			if (follows_rule && (did & DID_FAIL))
				did |= DID_HAS_FAILED | (vm->nr == NR_MMAP ? DID_MMAP_FAILED : 0);
			if (did & DID_GROW)
				call->did &= ~DID_FAIL; /* only the last one's failure tells */
			/* A realloc gives the old block back when it has the new one. */
			if ((did & DID_MUNMAP) && call->function == FUNCTION_REALLOC)
				call->did &= ~DID_FAIL;
			if (follows_rule && (call->did & DID_MOVE) && vm->nr == NR_MUNMAP) {
				call->did &= ~DID_MOVE;
				rule__end_write(process, record);
			}
			call->did |= did;
			if (!vm->failed && vm->nr == NR_MMAP) {
				call->mapped_start = vm->result;
				call->mapped_end = vm->result + vm->arg[1];
			}
			if (did & DID_REMAP)
				call->remapped_from = vm->arg[1];
		} else if (!vm->failed && vm_call__grows(vm) && record->entered &&
			   process->identity.file &&
			   caller__is_allocator(process->identity.file - 1, process->identity.bias,
						vm->ip, vm->sp, 0)) {
			ADD(process->counters.orphans, 1);
		}
	}
	if (!vm->failed)
		vm_call__track(process, call, vm, did);
	else if (vm->taken.start)
		granule__insert(process, vm->taken.start, vm->taken.end, vm->taken.kind,
				vm->taken.size_class);
	return 0;
}

__noinline int vm_call__count_mmap(struct process *process, struct vm_call *vm)
{
	struct process_counters *counters;
	__u64 length;

	if (!process || !vm)
		return 0;
	length = PAGE_ALIGNED(vm->arg[1]);
	counters = &process->counters;
	ADD(counters->mmap_calls, 1);
	if (vm->failed)
		ADD(counters->mmap_failed, 1);
	else if (!(vm->arg[3] & MAP_ANONYMOUS_BIT))
		ADD(counters->mmap_file_bytes, length);
	else if (vm->arg[3] & (MAP_STACK_BIT | MAP_GROWSDOWN_BIT))
		ADD(counters->mmap_stack_bytes, length);
	else if (vm->arg[3] & (MAP_POPULATE_BIT | MAP_LOCKED_BIT))
		ADD(counters->mmap_populated_bytes, length);
	else
		ADD(counters->mmap_anon_bytes, length);
	return 0;
}

__noinline int vm_call__count_brk(struct process *process, struct vm_call *vm)
{
	struct process_counters *counters;

	if (!process || !vm)
		return 0;
	counters = &process->counters;
	ADD(counters->brk_calls, 1);
	if (follows_rule && !vm->failed && vm->arg[0] && vm->arg[0] != vm->old_brk)
		rule__break(process, vm->old_brk, vm->arg[0]);
	if (vm->failed) {
		ADD(counters->brk_failed, 1);
	} else if (vm->arg[0] > vm->old_brk) {
		ADD(counters->brk_grown_bytes, vm->arg[0] - vm->old_brk);
	} else if (vm->arg[0]) {
		ADD(counters->brk_shrunk_bytes, vm->old_brk - vm->arg[0]);
		if (vm->arg[0] < process->identity.brk_base)
			process->identity.brk_base = vm->arg[0];
	}
	return 0;
}

__noinline int vm_call__count(struct process *process, struct vm_call *vm)
{
	struct process_counters *counters;

	if (!process || !vm)
		return 0;
	counters = &process->counters;
	switch (vm->nr) {
	case NR_BRK:
		return vm_call__count_brk(process, vm);
	case NR_MMAP:
		return vm_call__count_mmap(process, vm);
	case NR_MUNMAP:
		ADD(counters->munmap_calls, 1);
		if (vm->failed)
			ADD(counters->munmap_failed, 1);
		else
			ADD(counters->munmap_bytes, PAGE_ALIGNED(vm->arg[1]));
		break;
	case NR_MREMAP:
		ADD(counters->mremap_calls, 1);
		if (vm->failed)
			ADD(counters->mremap_failed, 1);
		else if (PAGE_ALIGNED(vm->arg[2]) > PAGE_ALIGNED(vm->arg[1]))
			ADD(counters->mremap_grown_bytes,
			    PAGE_ALIGNED(vm->arg[2]) - PAGE_ALIGNED(vm->arg[1]));
		else
			ADD(counters->mremap_shrunk_bytes,
			    PAGE_ALIGNED(vm->arg[1]) - PAGE_ALIGNED(vm->arg[2]));
		break;
	case NR_MPROTECT:
		ADD(counters->mprotect_calls, 1);
		if (vm->failed)
			ADD(counters->mprotect_failed, 1);
		else
			ADD(counters->mprotect_bytes, PAGE_ALIGNED(vm->arg[1]));
		break;
	case NR_MADVISE:
		ADD(counters->madvise_calls, 1);
		if (vm->failed)
			ADD(counters->madvise_failed, 1);
		else if (vm->arg[2] == ADVICE_DONTNEED)
			ADD(counters->madvise_dontneed_bytes, PAGE_ALIGNED(vm->arg[1]));
		else if (vm->arg[2] == ADVICE_FREE)
			ADD(counters->madvise_free_bytes, PAGE_ALIGNED(vm->arg[1]));
		break;
	}
	return 0;
}

/* Where code is mapped now, and who asked for memory. */
static __noinline int vm_call__sample(struct process *process, struct vm_call *vm)
{
	__u64 grown = 0;

	switch (vm->nr) {
	case NR_BRK:
		if (vm->arg[0] <= vm->old_brk)
			return 0;
		return sample__call(process->identity.id, SAMPLE_GROWN, vm->arg[0] - vm->old_brk);
	case NR_MMAP:
		mappings__follow(vm->result, vm->arg[1], vm->arg[2] & PROT_EXEC_BIT);
		/* What mmap_anon_bytes counts. */
		if ((vm->arg[3] & MAP_ANONYMOUS_BIT) &&
		    !(vm->arg[3] &
		      (MAP_STACK_BIT | MAP_GROWSDOWN_BIT | MAP_POPULATE_BIT | MAP_LOCKED_BIT)))
			grown = PAGE_ALIGNED(vm->arg[1]);
		break;
	case NR_MPROTECT:
		return mappings__follow(vm->arg[0], vm->arg[1], vm->arg[2] & PROT_EXEC_BIT);
	case NR_MUNMAP:
		return mappings__follow(vm->arg[0], vm->arg[1], 0);
	case NR_MREMAP:
		if (vm->result != vm->arg[0])
			mappings__follow(vm->arg[0], vm->arg[1], 0);
		break;
	}
	if (!grown)
		return 0;
	return sample__call(process->identity.id, SAMPLE_MAPPED, grown);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes on allocation functions. Entry pushes an open call and closes those that have returned;
 * kernel calls are charged to it in vm.bpf.h; at depth full the return decides and closes it.
 *
 * From 6.13 on (and in Debian's 6.12) a function of a uprobe program whose stack takes 64 bytes,
 * in steps of 16, gets it from the CPU and not from the task, and nothing keeps a second task that
 * is scheduled in between from writing over it. So no function that these programs call may have
 * more than 48 bytes on the stack (tests/e2e/test_object.py); what is larger lies in the record.
 */

/* The verifier loses the bound of an index that clang keeps unmasked in another register. */
#define OPEN_INDEX(index)                                                                          \
	({                                                                                         \
		__u64 bounded = (index);                                                           \
		asm volatile("%0 &= %1" : "+r"(bounded) : "i"(MAX_OPEN_CALLS - 1));                \
		bounded;                                                                           \
	})

#define CALL_WORDS (int)(sizeof(struct open_call) / sizeof(__u64))

/* Without a hint address mmap stays below this, also where the hardware has five levels. */
#define USER_ADDRESS_BITS 47

/*
 * Does the return address still stand where the call put it? A return probe, ours or that of
 * another profiler, puts the trampoline there, which is at the start of its page.
 */
static __always_inline bool call__stands(__u64 slot, __u64 ret)
{
	if (slot == ret)
		return true;
	if (slot & (page_size - 1))
		return false;
	return slot && slot == mm__uprobe_page(bpf_get_current_task_btf()->mm);
}

static __always_inline bool call__has_returned(struct open_call *call, __u64 sp)
{
	__u64 slot = 0;

	if (call->sp <= sp)
		return true;
	if (!RETURN_ADDRESS_ON_STACK)
		return false;
	bpf_probe_read_user(&slot, sizeof(slot), (void *)call->sp);
	return !call__stands(slot, call->ret);
}

static __always_inline bool address__is_in_allocator(__u32 file, __u64 address)
{
	struct file_range *range;

	range = bpf_map_lookup_elem(&files, &file);
	return range && address >= range->low && address < range->high;
}

static __always_inline __u32 file__flags(__u32 file)
{
	struct file_range *range = bpf_map_lookup_elem(&files, &file);

	return range ? range->flags : 0;
}

#include "nest.bpf.h"
#include "rule.bpf.h"

/* Closes what has returned, from the innermost outwards. */
__noinline int calls__close_returned(struct task *record, struct process *process, __u64 sp)
{
	if (!record)
		return 0;
	for (int i = 0; i < MAX_OPEN_CALLS; i++) {
		struct open_call *call;

		if (!record->nr_open)
			break;
		call = &record->open[OPEN_INDEX(record->nr_open - 1)];
		if (!call__has_returned(call, sp))
			break;
		record->nr_open--;
		call__close(process, call);
	}
	return 0;
}

/*
 * At a return: calls deeper than this one cannot be open any more. Slots say nothing now, the
 * return trampoline has pushed over this one's.
 */
__noinline int calls__close_deeper(struct task *record, struct process *process, __u64 sp)
{
	if (!record)
		return 0;
	for (int i = 0; i < MAX_OPEN_CALLS; i++) {
		struct open_call *call;

		if (!record->nr_open)
			break;
		call = &record->open[OPEN_INDEX(record->nr_open - 1)];
		if (call->sp >= sp)
			break;
		record->nr_open--;
		call__close(process, call);
	}
	return 0;
}

/*
 * Makes room by closing the outermost call. Frames that were left without being overwritten keep
 * their slot standing, so what lies there has returned, but for more than MAX_OPEN_CALLS calls
 * nested in earnest; at depth full such a one is booked as return_missed.
 */
static __noinline int calls__close_outermost(struct task *record, struct process *process)
{
	__u64 *words = (__u64 *)record->open;

	call__close(process, &record->open[0]);
	/*
	 * Word by word, and the barrier keeps clang from making one move of it: that would pass
	 * over the stack, of which all callers together have 512 bytes.
	 */
	for (int i = 0; i < (MAX_OPEN_CALLS - 1) * CALL_WORDS; i++) {
		words[i] = words[i + CALL_WORDS];
		barrier();
	}
	record->nr_open = MAX_OPEN_CALLS - 1;
	return 0;
}

static __always_inline void call__take_stack(struct task *record, struct open_call *call)
{
	if (call->function == FUNCTION_FREE || size__is_filtered(call->size) ||
	    !sample__wants(record, call->size))
		return;
	call->sampled = 1;
	call->stack = stack__take(STACK_AT_ENTRY);
}

__noinline int call__push(struct task *record, struct process *process)
{
	struct alloc_entry *entry;
	struct open_call *call;

	if (!record)
		return 1;
	entry = &record->entry;
	if (record->nr_open >= MAX_OPEN_CALLS)
		calls__close_outermost(record, process);
	call = &record->open[OPEN_INDEX(record->nr_open)];
	__builtin_memset(call, 0, sizeof(*call));
	call->sp = entry->sp;
	call->ret = entry->ret;
	call->bias = entry->bias;
	call->size = entry->size;
	call->argument = entry->argument;
	call->alignment = entry->alignment;
	call->file = entry->file;
	call->site = entry->site;
	call->function = entry->function;
	call->did = entry->impossible ? DID_DOOM : 0;
	if (origins__are_kept() && process)
		call->heap_untouched = process->identity.heap_untouched;
	if (follows_rule) {
		if (record->entered == 1) {
			call->did |= DID_FIRST;
			record->entered = 2;
		}
		if (!record->nr_open && process)
			rule__note_begin(process, record);
	}
	if (samples_stacks)
		call__take_stack(record, call);
	if (depth == DEPTH_FULL && process &&
	    (entry->function == FUNCTION_FREE || entry->function == FUNCTION_REALLOC) &&
	    entry->argument) {
		live__take_into(process->identity.id, entry->argument, call);
		origin__remove(process, entry->argument, call->old_size, call->old_stack);
		if (follows_rule && rule__release(process, call)) {
			if (stacks)
				call->stack = stack__take(STACK_AT_ENTRY);
			rule__move(process, record, call);
		}
	}
	record->nr_open++;
	return 0;
}

static __always_inline void entry__read_arguments(struct alloc_entry *entry, struct pt_regs *ctx)
{
	__u64 first = PT_REGS_PARM1(ctx), second = PT_REGS_PARM2(ctx);
	__u64 most;

	switch (entry->function) {
	case FUNCTION_CALLOC:
product:
		entry->size = first * second;
		most = first ? ~0ULL / first : ~0ULL;
		/* Hidden from clang, which would make it a 128-bit product that BPF lacks. */
		asm volatile("" : "+r"(most));
		entry->impossible = second > most;
		break;
	case FUNCTION_REALLOC:
		entry->argument = first;
		entry->size = second;
		break;
	case FUNCTION_REALLOCARRAY:
		entry->argument = first;
		first = second;
		second = PT_REGS_PARM3(ctx);
		entry->function = FUNCTION_REALLOC;
		goto product;
	case FUNCTION_MEMALIGN:
		entry->alignment = first;
		entry->size = second;
		entry->impossible = first >> USER_ADDRESS_BITS != 0;
		break;
	case FUNCTION_POSIX_MEMALIGN:
		entry->argument = first;
		entry->alignment = second;
		entry->size = PT_REGS_PARM3(ctx);
		/* EINVAL unless a power of two and a multiple of the pointer's size. */
		entry->impossible = second < 8 || (second & (second - 1)) ||
				    second >> USER_ADDRESS_BITS;
		break;
	case FUNCTION_FREE:
		entry->argument = first;
		break;
	default: /* malloc, valloc, pvalloc */
		entry->size = first;
		if (entry->function != FUNCTION_MALLOC)
			entry->alignment = page_size;
	}
	if (entry->size >> USER_ADDRESS_BITS)
		entry->impossible = 1;
}

/* 0: an open call was pushed and its return is wanted; 1: not. */
static __noinline int entry__begin(struct task *record, __u32 kind)
{
	struct alloc_entry *entry = &record->entry;
	struct process *process;
	bool in_allocator;
	__u32 flags;

	process = process__of(record);
	if (!process) {
		count__no_process(kind, record);
		return 1;
	}
	if (!follows_rule || !record->entered)
		record->entered = 1;
	if (!process->identity.file) {
		process->identity.bias = entry->bias;
		process->identity.file = entry->file + 1;
	}
	if (record->nr_open &&
	    call__jumps_to_malloc(&record->open[OPEN_INDEX(record->nr_open - 1)], entry)) {
		record->open[OPEN_INDEX(record->nr_open - 1)].tailed = 1;
		goto internal;
	}
	flags = file__flags(entry->file);
	if (record->nr_open) {
		struct open_call *call = &record->open[OPEN_INDEX(record->nr_open - 1)];

		if (call__may_jump(call, entry, flags) && call__jumps_to(call, entry)) {
			call__hand_on(call, entry);
			goto internal;
		}
	}
	/* A caller inside the allocator: nested, or the cache of an exiting thread given back. */
	in_allocator = address__is_in_allocator(entry->file, entry->ret - entry->bias);
	if (in_allocator && !(flags & FILE_APPROXIMATE))
		goto internal;
	calls__close_returned(record, process, entry->sp);
	if (record->nr_open) {
		struct open_call *call = &record->open[OPEN_INDEX(record->nr_open - 1)];

		if ((in_allocator && call->file == entry->file) || call__hands_on_to(call, entry)) {
			call__hand_on(call, entry);
			goto internal;
		}
	}
	if (kind == KIND_FREE && !entry->argument) {
		count__filtered(kind);
		return 1;
	}
	if (entry->function == FUNCTION_REALLOC && entry->argument && !entry->size &&
	    !(flags & FILE_ZERO_IS_BLOCK)) {
		/* A free. At depth entry frees are not looked at. */
		count__filtered(KIND_ALLOC);
		if (depth != DEPTH_FULL)
			return 1;
		count__seen(KIND_FREE);
		entry->function = FUNCTION_FREE;
		call__push(record, process);
		return 1;
	}
	return call__push(record, process);

internal:
	ADD(process->counters.internal, 1);
	count__filtered(kind);
	return 1;
}

static __always_inline __u32 block__home(struct process *process, __u64 address)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct granule_find found = {};

	if (mm && address >= mm->start_brk && address < mm->brk)
		return HOME_HEAP;
	if (granule__find(process, address, &found) && found.block.kind == REGION_OWN_MAPPING)
		return HOME_MAPPING;
	return HOME_ARENA;
}

/* The innermost call has returned: it succeeded with a block at address, or failed (0). */
__noinline int return__decide(struct process *process, struct open_call *call, __u64 address)
{
	__u32 home;

	if (!process || !call)
		return 0;
	if (!address) {
		ADD(process->counters.failed, 1);
		count__recorded(KIND_ALLOC);
		live__put_back(process->identity.id, call);
		return 0;
	}
	if (call->function == FUNCTION_REALLOC && call->argument)
		release__record(process, call);
	home = block__home(process, address);
	if (follows_rule)
		rule__judge(process, call, address);
	live__add(process, call, address, home);
	if (!request__record(process, call) && home < NR_HOMES)
		ADD(process->counters.home[home], 1);
	return 0;
}

static __noinline int return__end(__u64 sp, __u64 result)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	struct process *process;
	struct open_call *call;

	if (!record) {
		count__filtered(KIND_RETURN);
		return 0;
	}
	process = process__of(record);
	if (!process) {
		count__no_process(KIND_RETURN, record);
		return 0;
	}
	if (follows_rule && record->setting_sp == sp) {
		rule__end_writing(process, record);
		goto internal;
	}
	calls__close_deeper(record, process, sp);
	if (!record->nr_open)
		goto internal;
	call = &record->open[OPEN_INDEX(record->nr_open - 1)];
	if (call->sp != sp || call->function == FUNCTION_FREE)
		goto internal;
	record->nr_open--;
	count__recorded(KIND_RETURN);
	if (call->function == FUNCTION_POSIX_MEMALIGN) {
		__u64 where = call->argument;

		call->argument = 0;
		if (result) {
			result = 0;
		} else if (bpf_probe_read_user(&result, sizeof(result), (void *)where)) {
			count__lost(KIND_ALLOC, LOSS_ARGUMENT_UNREADABLE);
			return 0;
		}
	}
	return return__decide(process, call, result);

internal:
	count__filtered(KIND_RETURN);
	return 0;
}

static __always_inline void probe__return_from(__u64 sp, __u64 result)
{
	int begun;

	if (!active)
		return;
	begun = work__begin();
	count__seen(KIND_RETURN);
	return__end(sp, result);
	if (begun)
		work__end(begun);
}

/* The return has popped its address. */
static __always_inline void probe__return(struct pt_regs *ctx)
{
	probe__return_from(PT_REGS_SP(ctx) - RETURN_SLOT_BYTES, PT_REGS_RC(ctx));
}

/* The ret of a function that no return probe may stand on: its address is not popped yet. */
static __always_inline void probe__return_at(struct pt_regs *ctx)
{
	probe__return_from(PT_REGS_SP(ctx), PT_REGS_RC(ctx));
}

/* 1: its return is not wanted. */
static __always_inline int mallopt__enter(struct pt_regs *ctx, __u32 flags)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	struct process *process = record ? process__of(record) : NULL;
	__s32 parameter = (__s32)PT_REGS_PARM1(ctx), value = (__s32)PT_REGS_PARM2(ctx);
	__u64 caller = 0;

	if (!process)
		return 1;
	ADD(process->counters.mallopt_calls, 1);
	if (!follows_rule || !(flags & FILE_GLIBC))
		return 1;
	rule__end_writing(process, record);
	entry__return_address(ctx, &caller);
	record->move.caller = caller;
	record->move.stack = 0;
	if (stacks && parameter <= M_TRIM_THRESHOLD && parameter >= M_MMAP_MAX)
		record->move.stack = stack__take(STACK_AT_ENTRY);
	record->setting_sp = PT_REGS_SP(ctx);
	return rule__begin_setting(process, record, parameter, value, flags);
}

/* 1: its return is not wanted. */
static __always_inline int request__enter(struct pt_regs *ctx, __u64 cookie, __u32 kind)
{
	struct task *record = task__make_record(bpf_get_current_task_btf());
	struct alloc_entry *entry;
	__u64 ret = 0;

	count__seen(kind);
	if (!record) {
		count__lost(kind, LOSS_NO_TASK_STORAGE);
		return 1;
	}
	entry = &record->entry;
	__builtin_memset(entry, 0, sizeof(*entry));
	entry->function = COOKIE_FUNCTION(cookie);
	entry->file = COOKIE_FILE(cookie);
	entry->site = COOKIE_ADDRESS(cookie);
	entry->bias = PT_REGS_IP(ctx) - COOKIE_ADDRESS(cookie);
	entry->sp = PT_REGS_SP(ctx);
	/* Read to the stack: a hardened kernel looks up what any other memory belongs to. */
	if (entry__return_address(ctx, &ret)) {
		count__lost(kind, LOSS_ARGUMENT_UNREADABLE);
		return 1;
	}
	entry->ret = ret;
	entry__read_arguments(entry, ctx);
	return entry__begin(record, kind);
}

static __always_inline int probe__enter(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 function = COOKIE_FUNCTION(cookie);
	int begun, declined;

	if (function == FUNCTION_CALIBRATE) {
		ADD(nr_calibrations, 1);
		return 1;
	}
	if (function == FUNCTION_RETURN) {
		probe__return_at(ctx);
		return 1;
	}
	if (!active || !probing || !window)
		return 1;
	if (function == FUNCTION_MALLOPT)
		return mallopt__enter(ctx, file__flags(COOKIE_FILE(cookie)));
	begun = work__begin();
	declined = request__enter(ctx, cookie, function == FUNCTION_FREE ? KIND_FREE : KIND_ALLOC);
	if (begun)
		work__end(begun);
	return declined;
}

/* Entry alone: depth entry, free, and depth full where there are no sessions. */
SEC("uprobe")
int alloc_entry(struct pt_regs *ctx)
{
	probe__enter(ctx);
	return 0;
}

SEC("uretprobe")
int alloc_return(struct pt_regs *ctx)
{
	probe__return(ctx);
	return 0;
}

/* Entry and return in one: 1 from the entry declines the return, and its trap is not paid. */
SEC("?uprobe")
int alloc_session(struct pt_regs *ctx)
{
	if (session__is_return()) {
		probe__return(ctx);
		return 0;
	}
	if (probe__enter(ctx))
		return 1;
	return 0;
}

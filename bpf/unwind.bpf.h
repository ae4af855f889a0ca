/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwinding a user stack by the tables of unwind.h: one step a frame, in a function of its own that
 * the verifier sees once. Called from programs on uprobes too: see alloc.bpf.h for the stack.
 */

/* Words of a signal frame that are read: general registers, stack pointer, pc. */
#define SIGNAL_WORDS 33

/* A frame pointer that no table vouches for leads at most this far up. */
#define MOST_FRAME_BYTES (1 << 20)

/* Of the stack, read at once. At least SIGNAL_WORDS. */
#define WINDOW_BYTES 512

/* A stack that is being taken. */
struct unwind {
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u64 fp_at; /* where the caller's fp was saved; 0: fp holds it. Read when it is needed */
	__u64 bx;
	__u64 bx_at;
	__u64 lr; /* arm64 */
	__u64 r10, r13; /* of the frame whose registers are exact */
	__u64 mapping_start; /* the last one that was met */
	__u64 mapping_end;
	__u64 mapping_offset; /* of its start, in the file */
	__u64 uprobe_page;
	__u64 hash;
	__u64 cfa;
	__u64 window_at; /* of which place of the stack words is a copy */
	__u64 words[WINDOW_BYTES / 8]; /* or SIGNAL_WORDS of a signal frame */
	__u32 file;
	__u32 exact; /* pc is an instruction about to run, not a return address */
	__u32 heuristic;
	__u32 busy;
	__u32 begins;
	__u32 window_bytes; /* 0: words holds something else */
	struct stack_record record;
	__u64 frames[MAX_STACK_FRAMES + 1];
};

/*
 * unwinds: stacks that are being taken on this CPU. A program claims one and gives it back; where
 * it finds none, as many others were preempted in theirs, and the stack is lost as unwinds_busy.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_UNWINDS);
	__type(key, __u32);
	__type(value, struct unwind);
} unwinds SEC(".maps");

/* How a stack begins. */
enum stack_begin {
	STACK_AT_ENTRY, /* at a function's first instructions: the return address lies at sp */
	STACK_AT_FAULT, /* at an instruction about to run */
	STACK_AT_SYSCALL, /* behind the instruction */
	STACK_IN_KERNEL, /* in kernel_stacks, and then behind the instruction */
};

struct return_instance___read {
	unsigned long stack;
	unsigned long orig_ret_vaddr;
	struct return_instance___read *next;
} __attribute__((preserve_access_index));

#define MAX_RETURN_INSTANCES 64

/* What stood at a stack slot before a return probe put its trampoline there; 0: nothing known. */
__noinline __u64 unwind__return_address(__u64 slot)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct return_instance___read *instance;

	instance = (void *)BPF_CORE_READ(current, utask, return_instances);
	for (int i = 0; i < MAX_RETURN_INSTANCES; i++) {
		if (!instance)
			break;
		if (BPF_CORE_READ(instance, stack) == slot)
			return BPF_CORE_READ(instance, orig_ret_vaddr);
		instance = BPF_CORE_READ(instance, next);
	}
	return 0;
}

/* Makes the mapping that holds the address the current one. */
__noinline int unwind__find_mapping(struct mappings *table, __u32 slot, __u64 address)
{
	struct unwind *unwind = bpf_map_lookup_elem(&unwinds, &slot);
	struct mapping *found;
	__u64 start, end;

	if (!unwind || !table || !table->nr)
		return 0;
	if (table->mm != (__u64)bpf_get_current_task_btf()->mm)
		return 0;
	found = &table->mapping[MAPPING_INDEX(mappings__search(table, address))];
	start = MAPPING_START(found->place);
	end = mapping__end(found);
	if (address < start || address >= end)
		return 0;
	unwind->mapping_start = start;
	unwind->mapping_end = end;
	unwind->mapping_offset = (__u64)found->page_offset << UNWIND_PAGE_SHIFT;
	unwind->file = MAPPING_FILE(found->place);
	return 1;
}

static __always_inline int unwind__end(struct unwind *unwind, __u32 status)
{
	unwind->record.status = status | (unwind->heuristic ? STACK_HEURISTIC : 0);
	return 1;
}

static __always_inline bool unwind__read(__u64 *into, __u64 address)
{
	return bpf_probe_read_user(into, sizeof(*into), (void *)address) == 0;
}

/* A register that a frame has saved: mostly the words above its frame have been read. */
static __always_inline bool unwind__read_saved(struct unwind *unwind, __u64 *into, __u64 address)
{
	__u64 at = address - unwind->window_at;

	if (at >= unwind->window_bytes || at & 7)
		return unwind__read(into, address);
	*into = unwind->words[at >> 3 & (WINDOW_BYTES / 8 - 1)];
	return true;
}

static __always_inline bool unwind__need_fp(struct unwind *unwind)
{
	if (!unwind->fp_at)
		return true;
	if (!unwind__read_saved(unwind, &unwind->fp, unwind->fp_at))
		return false;
	unwind->fp_at = 0;
	return true;
}

static __always_inline bool unwind__need_bx(struct unwind *unwind)
{
	if (!unwind->bx_at)
		return true;
	if (!unwind__read_saved(unwind, &unwind->bx, unwind->bx_at))
		return false;
	unwind->bx_at = 0;
	return true;
}

static __always_inline void unwind__push(struct unwind *unwind, __u64 frame)
{
	__u32 nr = unwind->record.nr_frames;
	__u64 mixed = frame * HASH_FACTOR;

	unwind->frames[nr & MAX_STACK_FRAMES] = frame;
	unwind->record.nr_frames = nr + 1;
	mixed ^= mixed >> 47;
	unwind->hash = (unwind->hash ^ mixed * HASH_FACTOR) * HASH_FACTOR;
}

/* On to the caller, whose frame begins at cfa. */
static __always_inline int unwind__caller(struct unwind *unwind, __u64 ra)
{
	ra = CODE_ADDRESS(ra);
	if (!ra)
		return unwind__end(unwind, STACK_COMPLETE);
	unwind->sp = unwind->cfa;
	unwind->pc = ra;
	unwind->exact = 0;
	return 0;
}

/*
 * A word of the stack that a return address is in. The words above it are read with it, for the
 * next frames; not beyond its page, which may be the last one.
 */
static __always_inline bool unwind__read_stack(struct unwind *unwind, __u64 *into, __u64 address)
{
	__u64 at = address - unwind->window_at;
	__u32 bytes;

	if (at >= unwind->window_bytes || at & 7) {
		bytes = UNWIND_PAGE_BYTES - (address & (UNWIND_PAGE_BYTES - 1));
		if (bytes > WINDOW_BYTES)
			bytes = WINDOW_BYTES;
		if (bytes < sizeof(*into)) /* across two pages */
			return unwind__read(into, address);
		unwind->window_bytes = 0;
		if (bpf_probe_read_user(unwind->words, bytes, (void *)address))
			return false;
		unwind->window_at = address;
		unwind->window_bytes = bytes & ~7U;
		at = 0;
	}
	*into = unwind->words[at >> 3 & (WINDOW_BYTES / 8 - 1)];
	return true;
}

/* Where no table speaks: the frame pointer, if it is believable. What is above it may be wrong. */
static __always_inline int unwind__by_frame_pointer(struct unwind *unwind, __u32 status)
{
	__u64 ra;

	if (!unwind__need_fp(unwind) || unwind->fp < unwind->sp ||
	    unwind->fp - unwind->sp > MOST_FRAME_BYTES || unwind->fp & 7 ||
	    !unwind__read_stack(unwind, &ra, unwind->fp + 8) || !ra)
		return unwind__end(unwind, status);
	unwind->cfa = unwind->fp + 16;
	if (!unwind__read(&unwind->fp, unwind->fp))
		return unwind__end(unwind, status);
	unwind->heuristic = 1;
	return unwind__caller(unwind, ra);
}

/* All registers lie in the frame that the kernel made, and the pc is exact. */
static __always_inline int unwind__signal(struct unwind *unwind)
{
	unwind->window_bytes = 0;
	if (bpf_probe_read_user(unwind->words, SIGNAL_READ_WORDS * 8,
				(void *)(unwind->sp + SIGNAL_REGISTERS)))
		return unwind__end(unwind, STACK_UNREADABLE);
	unwind->fp = unwind->words[SIGNAL_FP];
	unwind->fp_at = 0;
	unwind->sp = unwind->words[SIGNAL_SP];
	unwind->pc = unwind->words[SIGNAL_PC];
#ifdef SIGNAL_BX
	unwind->bx = unwind->words[SIGNAL_BX];
	unwind->bx_at = 0;
	unwind->r10 = unwind->words[SIGNAL_R10];
	unwind->r13 = unwind->words[SIGNAL_R13];
#else
	unwind->lr = unwind->words[SIGNAL_LR];
#endif
	unwind->exact = 1;
	return 0;
}

/* Finds cfa. 0, or the status that the stack ends with. */
static __always_inline __u32 unwind__find_cfa(struct unwind *unwind, struct unwind_rule *rule)
{
	__u64 at;

	switch (rule->kind) {
	case UNWIND_SP:
		unwind->cfa = unwind->sp + rule->cfa_offset;
		return 0;
	case UNWIND_FP:
		if (!unwind__need_fp(unwind))
			return STACK_UNREADABLE;
		unwind->cfa = unwind->fp + rule->cfa_offset;
		return 0;
	case UNWIND_BX:
		if (!unwind__need_bx(unwind))
			return STACK_UNREADABLE;
		unwind->cfa = unwind->bx + rule->cfa_offset;
		return 0;
	case UNWIND_PLT:
		unwind->cfa = unwind->sp + rule->cfa_offset +
			      ((unwind->pc & 15) >= (__u64)rule->cfa_add ? 8 : 0);
		return 0;
	case UNWIND_DEREF_SP:
	case UNWIND_DEREF_FP:
		at = unwind->sp;
		if (rule->kind == UNWIND_DEREF_FP) {
			if (!unwind__need_fp(unwind))
				return STACK_UNREADABLE;
			at = unwind->fp;
		}
		if (!unwind__read(&unwind->cfa, at + rule->cfa_offset))
			return STACK_UNREADABLE;
		unwind->cfa += rule->cfa_add;
		return 0;
	case UNWIND_REGISTER:
		if (!unwind->exact)
			return STACK_UNSUPPORTED;
		if (rule->cfa_add == DWARF_R10)
			unwind->cfa = unwind->r10 + rule->cfa_offset;
		else if (rule->cfa_add == DWARF_R13)
			unwind->cfa = unwind->r13 + rule->cfa_offset;
		else
			return STACK_UNSUPPORTED;
		return 0;
	}
	return STACK_UNSUPPORTED;
}

/* Steps by a rule that has a cfa. */
static __always_inline int unwind__by_rule(struct unwind *unwind, struct unwind_rule *rule)
{
	__u64 ra = unwind->lr, slot;
	__u32 status;

	if ((rule->fp_slot == UNWIND_AT_FP || rule->bx_slot == UNWIND_AT_FP) &&
	    !unwind__need_fp(unwind))
		return unwind__end(unwind, STACK_UNREADABLE);
	status = unwind__find_cfa(unwind, rule);
	if (status)
		return unwind__end(unwind, status);
	if (unwind->cfa < unwind->sp + RETURN_SLOT_BYTES)
		return unwind__end(unwind, STACK_BAD_FRAME);
	if (RETURN_ADDRESS_ON_STACK || rule->ra_slot != UNWIND_SAME) {
		slot = unwind->cfa + (RETURN_ADDRESS_ON_STACK ? -8 : rule->ra_offset);
		if (!unwind__read_stack(unwind, &ra, slot))
			return unwind__end(unwind, STACK_UNREADABLE);
		if (unwind->uprobe_page && ra - unwind->uprobe_page < page_size) {
			__u64 original = unwind__return_address(slot);

			if (original)
				ra = original;
		}
	} else if (!unwind->exact) {
		return unwind__end(unwind, STACK_UNSUPPORTED);
	}
	/* With this frame's fp, which need_fp has read. */
	if (rule->bx_slot == UNWIND_AT_CFA)
		unwind->bx_at = unwind->cfa + rule->bx_offset;
	else if (rule->bx_slot == UNWIND_AT_FP)
		unwind->bx_at = unwind->fp + rule->bx_offset;
	if (rule->fp_slot == UNWIND_AT_CFA)
		unwind->fp_at = unwind->cfa + rule->fp_offset;
	else if (rule->fp_slot == UNWIND_AT_FP)
		unwind->fp_at = unwind->fp + rule->fp_offset;
	return unwind__caller(unwind, ra);
}

/* One frame. 0: there is another one; 1: the stack has ended, and its status says how. */
__noinline int unwind__step(struct mappings *table, __u32 slot)
{
	struct unwind *unwind = bpf_map_lookup_elem(&unwinds, &slot);
	struct unwind_rule *rule;
	__u64 pc, offset;
	__u32 number;

	if (!unwind)
		return 1;
	pc = unwind->exact ? unwind->pc : unwind->pc - 1;
	if ((pc < unwind->mapping_start || pc >= unwind->mapping_end) &&
	    !unwind__find_mapping(table, slot, pc))
		return unwind__end(unwind, STACK_NO_MAPPING);
	if (unwind->record.nr_frames >= max_frames || unwind->record.nr_frames >= MAX_STACK_FRAMES)
		return unwind__end(unwind, STACK_TOO_DEEP);
	if (unwind->file == UNWIND_ANONYMOUS) {
		unwind__push(unwind, FRAME_MAKE(UNWIND_ANONYMOUS, pc));
		number = UNWIND_NO_RULE;
	} else {
		offset = pc - unwind->mapping_start + unwind->mapping_offset;
		unwind__push(unwind, FRAME_MAKE(unwind->file, offset));
		number = UNWIND_NO_RULE;
		if (unwind->begins != STACK_AT_ENTRY)
			number = unwind__rule_of(unwind->file, offset);
	}
	if (unwind->begins == STACK_AT_ENTRY) {
		unwind->begins = STACK_AT_FAULT;
		unwind->cfa = unwind->sp + RETURN_SLOT_BYTES;
		if (RETURN_ADDRESS_ON_STACK && !unwind__read_stack(unwind, &unwind->lr, unwind->sp))
			return unwind__end(unwind, STACK_UNREADABLE);
		if (unwind->uprobe_page && unwind->lr - unwind->uprobe_page < page_size)
			unwind->lr = unwind__return_address(unwind->sp);
		return unwind__caller(unwind, unwind->lr);
	}
	if (number == NO_TABLE)
		return unwind__end(unwind, STACK_NO_TABLE);
	if (number == UNWIND_NO_RULE)
		return unwind__by_frame_pointer(
			unwind, unwind->file == UNWIND_ANONYMOUS ? STACK_ANONYMOUS : STACK_NO_RULE);
	rule = bpf_map_lookup_elem(&unwind_rules, &number);
	if (!rule)
		return unwind__end(unwind, STACK_NO_TABLE);
	if (rule->kind == UNWIND_SIGNAL)
		return unwind__signal(unwind);
	if (rule->kind == UNWIND_END)
		return unwind__end(unwind, STACK_COMPLETE);
	return unwind__by_rule(unwind, rule);
}

/* From the user registers of the current task. */
static __always_inline void unwind__begin(struct unwind *unwind, __u32 begins)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(current);
	struct mm_struct *mm = current->mm;

	unwind->pc = PT_REGS_IP(regs);
	unwind->sp = PT_REGS_SP(regs);
	unwind->fp = PT_REGS_FP(regs);
	unwind->fp_at = 0;
	unwind->bx_at = 0;
#ifdef SIGNAL_BX
	unwind->bx = regs->bx;
	unwind->r10 = regs->r10;
	unwind->r13 = regs->r13;
#else
	unwind->lr = regs->regs[30];
#endif
	unwind->mapping_start = 1;
	unwind->mapping_end = 0;
	unwind->uprobe_page = mm ? mm__uprobe_page(mm) : 0;
	unwind->window_bytes = 0;
	unwind->hash = HASH_SEED;
	unwind->exact = begins < STACK_AT_SYSCALL;
	unwind->heuristic = 0;
	unwind->begins = begins;
	unwind->record.nr_frames = 0;
	unwind->record.status = STACK_TOO_DEEP;
	unwind->record.pad = 0;
	/* A copy of a probed instruction that faults: it stands for the one that it was copied from. */
	if (begins == STACK_AT_FAULT && unwind->uprobe_page &&
	    unwind->pc - unwind->uprobe_page < page_size)
		unwind->pc = BPF_CORE_READ(current, utask, vaddr);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own frames, of a fault that it meets itself: a read(2) into fresh memory, say. They
 * begin at the instruction that faults, not at what handles it.
 */

struct kernel_stack {
	__u64 nr;
	__u64 frames[MAX_KERNEL_FRAMES];
};

/*
 * kernel_stacks: element 0, the kernel's frames of the fault that ends now. Written and read by one
 * run of a program on a perf event, which nothing on its CPU comes between.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_stack);
} kernel_stacks SEC(".maps");

/* ctx: of a fault's end, whose registers are those of the fault. False: there are no frames. */
static __always_inline bool kernel_stack__take(struct bpf_perf_event_data *ctx)
{
	struct kernel_stack *stack;
	__u32 zero = 0;
	long size;

	stack = bpf_map_lookup_elem(&kernel_stacks, &zero);
	if (!stack)
		return false;
	size = bpf_get_stack(ctx, stack->frames, sizeof(stack->frames), 0);
	stack->nr = size > 0 ? (__u64)size / sizeof(__u64) : 0;
	return stack->nr;
}

/* They are the innermost of the stack that begins now. */
__noinline int kernel_stack__push(__u32 slot)
{
	struct unwind *unwind = bpf_map_lookup_elem(&unwinds, &slot);
	struct kernel_stack *stack;
	__u32 zero = 0;

	stack = bpf_map_lookup_elem(&kernel_stacks, &zero);
	if (!unwind || !stack)
		return 0;
	for (__u32 i = 0; i < MAX_KERNEL_FRAMES; i++) {
		if (i >= stack->nr || i >= max_frames)
			break;
		/* All but the first are where a call returns to. */
		unwind__push(unwind,
			     FRAME_MAKE(UNWIND_KERNEL, FRAME_OFFSET(stack->frames[i] - !!i)));
	}
	return 0;
}

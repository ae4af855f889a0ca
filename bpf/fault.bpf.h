/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults: four small events joined in the task's record. Begin brackets, mm_page_alloc gives
 * the order, rss_stat says that the mm really gained pages (a fault that lost a race, a COW of an
 * anonymous page or a zero page gains none), end classifies. A fault sleeps, so the join is per
 * task, never per CPU.
 */
enum vma_kind {
	VMA_KNOWN = 1 << 0,
	VMA_FILE = 1 << 1,
	VMA_HUGETLB = 1 << 2,
	VMA_SPECIAL = 1 << 3, /* vdso and the like: no file, but operations of its own */
	VMA_KINDS = 15,
};

#define VM_HUGETLB_FLAG 0x00400000
#define PF_EXITING_FLAG 0x00000004

/* __GFP_HIGHMEM | __GFP_MOVABLE: pages for user memory. Same bits from 5.15 to 7.3. */
#define GFP_USER_PAGE_BITS 0xa

static __always_inline bool address__is_user(__u64 address)
{
	return (__s64)address >= 0;
}

static __always_inline int fault__begin(__u64 address, __u32 error, __u32 kernel_mode)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct open_fault *fault;
	struct process *process;
	struct task *record;

	if (!active || !address__is_user(address))
		return 0;
	count__seen(KIND_FAULT);
	/* With interrupts off the kernel may have no memory at hand: made before, but for the rest. */
	record = task__record(current);
	if (!record && target_mode == TARGET_COMMAND) {
		count__filtered(KIND_FAULT); /* the command's tasks got theirs at fork and exec */
		return 0;
	}
	if (!record)
		record = task__make_record(current);
	if (!record) {
		count__lost(KIND_FAULT, LOSS_NO_TASK_STORAGE);
		return 0;
	}
	process = process__of(record);
	if (!process) {
		count__no_process(KIND_FAULT, record);
		return 0;
	}
	fault = &record->fault;
	if (fault->state == FAULT_OPEN) {
		/* It ended in a signal or an exception table: no fault was completed. */
		ADD(process->counters.faults_unended, 1);
		count__recorded(KIND_FAULT);
	}
	fault->address = address;
	fault->error = error;
	fault->kernel_mode = kernel_mode;
	fault->pages = 0;
	fault->order = 0;
	fault->allocated = 0;
	fault->saw_file = 0;
	fault->saw_anon = 0;
	fault->saw_swap = 0;
	fault->saw_shmem = 0;
	if (rss__is_cached_in_task())
		rss__populated(process, fault);
	fault->state = FAULT_OPEN;
	fault->begun = 1;
	return 0;
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault__begin(address, error, 0);
}

SEC("?tp_btf/page_fault_kernel")
int BPF_PROG(fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault__begin(address, error, 1);
}

/*
 * Begin where there are no exceptions tracepoints: the software event has no error code, so a
 * write to a zero page shows as a first touch and a protection fault as raced.
 */
SEC("?perf_event")
int fault_software(struct bpf_perf_event_data *ctx)
{
	return fault__begin(ctx->addr, 0, 0);
}

SEC("tp_btf/mm_page_alloc")
int page_allocated(__u64 *ctx)
{
	struct task *record;

	if ((ctx[2] & GFP_USER_PAGE_BITS) != GFP_USER_PAGE_BITS || !ctx[0] || !active)
		return 0;
	record = task__record(bpf_get_current_task_btf());
	if (!record)
		return 0;
	record->fault.order = ctx[1];
	record->fault.allocated = 1;
	return 0;
}

/* Pages that another task made resident in mm: process_vm_writev, ptrace, a kernel thread. */
static __always_inline void fault__foreign(struct task_struct *current, struct task *record,
					   struct mm_struct *mm)
{
	struct task_struct *owner;
	struct process *process;
	struct task *owner_record;

	if ((current->flags & PF_EXITING_FLAG) || (__u32)current->tgid == self_tgid)
		return;
	if (BPF_CORE_READ_BITFIELD_PROBED(current, in_execve))
		return; /* the new program's first stack pages */
	if (!bpf_core_field_exists(mm->owner))
		return;
	owner = mm->owner;
	if (!owner)
		return;
	owner_record = bpf_task_storage_get(&tasks, owner, 0, 0);
	if (!owner_record || owner_record->state != TASK_MEASURED)
		return;
	process = number__process(owner_record->number);
	if (process && process->identity.mm == (__u64)mm)
		ADD(process->counters.foreign_bytes, page_size << (record->fault.order & 15));
}

/*
 * Outside a fault the mm gains pages by its own system calls, or gives some back; only the former
 * allocates. While a file is being mapped it is probes that are written into it, even where it
 * is mapped without PROT_EXEC at first.
 */
static __noinline int fault__outside(struct task_struct *current, struct task *record, int member)
{
	struct open_fault *fault = &record->fault;
	struct process *process;
	bool maps_file;
	__u64 bytes;

	if (member != MM_ANON || !fault->allocated ||
	    BPF_CORE_READ_BITFIELD_PROBED(current, in_execve))
		return 0;
	/* Cached single pages are looked at; what comes at once is huge, or a probe's. */
	maps_file = record->syscall && record->maps_file;
	if (rss__is_cached_in_task() && fault->order < 9 && !maps_file)
		return 0;
	bytes = page_size << (fault->order & 15);
	fault->allocated = 0;
	process = process__of(record);
	if (!process)
		return 0;
	if (maps_file)
		ADD(process->counters.probe_bytes, bytes);
	else
		ADD(process->counters.populated_bytes, bytes);
	return 0;
}

static long vma__found(struct task_struct *task, struct vm_area_struct *vma, void *context)
{
	struct vma_known *found = context;

	found->start = vma->vm_start | VMA_KNOWN;
	found->end = vma->vm_end;
	if (vma->vm_file)
		found->start |= VMA_FILE;
	else if (vma->vm_ops)
		found->start |= VMA_SPECIAL;
	if (vma->vm_flags & VM_HUGETLB_FLAG)
		found->start |= VMA_HUGETLB;
	return 0;
}

/*
 * Kind of the mapping around the fault. At a fault's end bpf_find_vma takes 10 us (an interrupt to
 * itself for unlocking), so its answer is kept for as long as the address space does not change.
 */
__noinline __u32 fault__vma(struct open_fault *fault, __u64 generation)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct vma_known found = {};

	if (!fault)
		return 0;
	for (int i = 0; i < NR_VMAS_KNOWN && fault->vma_generation == generation; i++) {
		__u64 start = fault->vmas[i].start;

		if (fault->address >= (start & ~VMA_KINDS) && fault->address < fault->vmas[i].end)
			return start & VMA_KINDS;
	}
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		return 0;
	if (bpf_find_vma(current, fault->address, vma__found, &found, 0))
		return 0;
	if (fault->vma_generation != generation)
		fault->vmas[0].end = 0;
	fault->vmas[1] = fault->vmas[0];
	fault->vmas[0] = found;
	fault->vma_generation = generation;
	return found.start & VMA_KINDS;
}

static __always_inline bool fault__is_in_heap(struct open_fault *fault, struct mm_struct *mm)
{
	return fault->address >= mm->start_brk && fault->address < PAGE_ALIGNED(mm->brk);
}

/* Where a page is gained interrupts are on: asked here, the end need not. */
static __always_inline void fault__ask_ahead(struct open_fault *fault, struct mm_struct *mm)
{
	if (fault->address < mm->mmap_base && !fault__is_in_heap(fault, mm))
		fault__vma(fault, mm__generation(mm, 0));
}

SEC("tp_btf/rss_stat")
int BPF_PROG(rss_changed, struct mm_struct *mm, int member)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct open_fault *fault;
	struct task *record;

	if (!active)
		return 0;
	record = task__record(current);
	if (!record)
		return 0;
	fault = &record->fault;
	if (current->mm != mm) {
		if (member == MM_ANON && fault->allocated) {
			fault->allocated = 0;
			fault__foreign(current, record, mm);
		}
		return 0;
	}
	if (rss__fold(fault, member))
		return 0;
	if (fault->state != FAULT_OPEN)
		return fault__outside(current, record, member);
	switch (member) {
	case MM_FILE:
		fault->saw_file = 1;
		break;
	case MM_ANON:
		/* Where single pages are cached in the task, only a huge page comes here at once. */
		if (rss__is_cached_in_task() && fault->order < 9)
			break;
		fault->saw_anon = 1;
		fault->pages += 1U << (fault->order & 15);
		fault__ask_ahead(fault, mm);
		break;
	case MM_SWAP:
		fault->saw_swap = 1;
		break;
	case MM_SHMEM:
		fault->saw_shmem = 1;
		break;
	}
	return 0;
}

/* Fills the block that was met last; kind REGION_ANON where none holds the address. */
__noinline __u32 fault__block(struct process *process, struct open_fault *fault, __u64 generation)
{
	struct granule_find found = {};

	if (!process || !fault)
		return REGION_ANON;
	if (!process->identity.granule_levels)
		return REGION_ANON;
	if (fault->block_end && fault->block_generation == generation &&
	    fault->address >= fault->block_start && fault->address < fault->block_end)
		return fault->block_kind;
	if (!granule__find(process, fault->address, &found))
		return REGION_ANON;
	fault->block_start = found.block.start;
	fault->block_end = found.block.end;
	fault->block_generation = generation;
	fault->block_kind = found.block.kind;
	fault->block_class = found.block.size_class;
	return found.block.kind;
}

static __always_inline __u32 fault__region(struct process *process, struct open_fault *fault,
					   struct mm_struct *mm, __u64 generation)
{
	if (fault__is_in_heap(fault, mm))
		return REGION_HEAP;
	if (fault->address >= mm->mmap_base)
		return REGION_STACK;
	return fault__block(process, fault, generation);
}

static __always_inline __u32 fault__class(struct open_fault *fault, struct mm_struct *mm,
					  __u64 generation)
{
	__u32 vma;

	if (fault->saw_swap)
		return FAULT_SWAP_IN;
	if (fault->saw_anon) {
		if (fault->saw_file || fault->saw_shmem)
			return FAULT_FILE_PRIVATE;
		return FAULT_FIRST_TOUCH; /* unless the mapping is a file's: asked by the caller */
	}
	if (fault->saw_file)
		return FAULT_FILE;
	if (fault->saw_shmem)
		return FAULT_SHMEM;
	if (fault->error & FAULT_PROTECTION_BIT)
		return fault->allocated ? FAULT_COW : FAULT_PROTECTION;
	vma = fault__is_in_heap(fault, mm) ? VMA_KNOWN : fault__vma(fault, generation);
	if (vma & VMA_HUGETLB)
		return FAULT_HUGETLB;
	if (vma & VMA_SPECIAL)
		return FAULT_FILE;
	if ((vma & VMA_FILE) || (fault->error & FAULT_WRITE_BIT) || fault->allocated)
		return FAULT_RACED;
	return FAULT_ZERO_READ;
}

static __always_inline void fault__raise_touched(struct process *process, __u64 address,
						 __u64 bytes)
{
	__u64 end = (address & ~(bytes - 1)) + bytes;

	if (end > process->identity.heap_untouched)
		process->identity.heap_untouched = end;
}

__noinline int fault__first_touch(struct process *process, struct task *record, __u32 region)
{
	struct open_fault *fault;
	struct size_row *row;
	__u64 bytes;
	__u32 order;

	if (!process || !record)
		return 0;
	fault = &record->fault;
	bytes = (__u64)fault->pages * page_size;
	order = size_class__msb(fault->pages | 1);
	ADD(process->counters.first_touch_bytes, bytes);
	if (region < NR_REGIONS)
		ADD(process->counters.first_touch_region_bytes[region], bytes);
	if (order < NR_FAULT_ORDERS)
		ADD(process->counters.first_touch_orders[order], 1);
	if (region == REGION_HEAP && fault->address >= process->identity.brk_base)
		ADD(process->counters.growth_touched_bytes, bytes);
	if (region == REGION_HEAP)
		fault__raise_touched(process, fault->address, bytes);
	if (origins__are_kept() && region != REGION_STACK && region != REGION_ANON)
		touch__origin(process, record, bytes);
	if (region != REGION_OWN_MAPPING)
		return 0;
	row = size_row__of(process->identity.id, fault->block_class);
	if (row)
		ADD(row->own_touched_bytes, bytes);
	else
		count__loss(LOSS_SIZE_ROWS_FULL);
	return 0;
}

/* What the rss_stat events tell on later kernels. Pages of a huge one were told by its event. */
static __always_inline void fault__look(struct open_fault *fault)
{
	__s32 gained[NR_RSS_MEMBERS] = {};

	rss__look(fault, gained);
	if (gained[MM_FILE])
		fault->saw_file = 1;
	if (gained[MM_SWAP])
		fault->saw_swap = 1;
	if (gained[MM_SHMEM])
		fault->saw_shmem = 1;
	if (gained[MM_ANON] > 0) {
		fault->saw_anon = 1;
		fault->pages += gained[MM_ANON];
	}
}

static __noinline int fault__sample(struct bpf_perf_event_data *ctx, struct process *process,
				    struct task *record, __u32 class, __u32 region)
{
	__u64 bytes = class == FAULT_FIRST_TOUCH ? (__u64)record->fault.pages * page_size : 0;
	__u32 origin = bytes && region != REGION_STACK ? touch__small_call(record) : 0;
	__u32 begins = record->fault.kernel_mode ? STACK_AT_SYSCALL : STACK_AT_FAULT;
	__u64 weight = sample__weight(SAMPLE_FAULT);

	if (!weight)
		return 0;
	/* Who asked for memory is told without them. */
	if (kernel_frames && record->fault.kernel_mode && !origin && kernel_stack__take(ctx))
		begins = STACK_IN_KERNEL;
	return sample__fault(process->identity.id, weight, bytes, begins, origin);
}

static __noinline int fault__end(struct bpf_perf_event_data *ctx, __u32 major)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct mm_struct *mm = current->mm;
	struct process_counters *counters;
	struct open_fault *fault;
	struct process *process;
	__u32 class, region = REGION_STACK;
	struct task *record;
	__u64 generation, uprobe_page;

	if (!active || !mm)
		return 0;
	record = task__record(current);
	if (!record || record->fault.state != FAULT_OPEN) {
		/* Begun before the run; of a task that we know nothing of it says nothing. */
		if (!record || record->state != TASK_MEASURED || !record->fault.begun)
			return 0;
		count__seen(KIND_FAULT);
		count__lost(KIND_FAULT, LOSS_FAULT_ENTRY_MISSED);
		return 0;
	}
	fault = &record->fault;
	fault->state = FAULT_IDLE;
	process = process__of(record);
	if (!process) {
		count__no_process(KIND_FAULT, record);
		return 0;
	}
	/* A vfork child in its exec: the number is its parent's still, the memory no longer. */
	if (process->identity.tgid != (__u32)current->tgid && process->identity.mm != (__u64)mm) {
		count__filtered(KIND_FAULT);
		return 0;
	}
	counters = &process->counters;
	count__recorded(KIND_FAULT);
	uprobe_page = mm__uprobe_page(mm);
	if (uprobe_page && fault->address - uprobe_page < page_size) {
		ADD(counters->faults_probe, 1);
		return 0;
	}
	if (rss__is_cached_in_task())
		fault__look(fault);
	generation = mm__generation(mm, process->identity.map_generation);
	class = fault__class(fault, mm, generation);
	if (class == FAULT_FIRST_TOUCH) {
		region = fault__region(process, fault, mm, generation);
		if (region == REGION_ANON && (fault__vma(fault, generation) & VMA_FILE))
			class = FAULT_FILE_PRIVATE;
		else
			fault__first_touch(process, record, region);
	}
	if (samples_stacks)
		fault__sample(ctx, process, record, class, region);
	if (class == FAULT_FILE_PRIVATE)
		ADD(counters->file_private_bytes, (__u64)fault->pages * page_size);
	if (class < NR_FAULT_CLASSES)
		ADD(counters->faults[class], 1);
	if (major)
		ADD(counters->faults_major, 1);
	if (fault->kernel_mode)
		ADD(counters->faults_kernel_mode, 1);
	fault->allocated = 0;
	return 0;
}

SEC("perf_event")
int fault_minor_end(struct bpf_perf_event_data *ctx)
{
	fault__end(ctx, 0);
	return 0;
}

SEC("perf_event")
int fault_major_end(struct bpf_perf_event_data *ctx)
{
	fault__end(ctx, 1);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs on system calls. Entry keeps what the exit cannot know any more; the exit knows the
 * result, and has it counted, charged and sampled.
 *
 * Where the kernel has trampolines they stand on the six calls themselves, and other calls cost
 * nothing. Elsewhere they are on the tracepoints of all calls, and pass over the others.
 */
static __always_inline bool syscall__is_memory(long nr)
{
	return nr == NR_BRK || nr == NR_MMAP || nr == NR_MUNMAP || nr == NR_MREMAP ||
	       nr == NR_MPROTECT || nr == NR_MADVISE;
}

static __always_inline int syscall__begin(struct pt_regs *regs, long nr)
{
	struct task_struct *current;
	struct task *record;

	if (!active)
		return 0;
	current = bpf_get_current_task_btf();
	if (syscall__is_compat(current))
		return 0;
	record = task__make_record(current);
	if (!record)
		return 0; /* booked at the exit */
	record->fault.allocated = 0;
	if (!syscall__is_memory(nr))
		return 0;
	if (record->syscall) {
		count__seen(KIND_SYSCALL);
		count__lost(KIND_SYSCALL, LOSS_SYSCALL_EXIT_MISSED);
	}
	record->syscall = nr + 1;
	record->maps_file = nr == NR_MMAP && !(SYSCALL_ARG(regs, 4) & MAP_ANONYMOUS_BIT);
	record->taken.start = 0;
	if (nr == NR_BRK && current->mm)
		record->old_brk = current->mm->brk;
	if (nr == NR_MUNMAP || (nr == NR_MREMAP && !(SYSCALL_ARG(regs, 4) & MREMAP_DONTUNMAP_BIT)))
		range__take(record, process__of(record), SYSCALL_ARG(regs, 1),
			    SYSCALL_ARG(regs, 2));
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(syscall_enter, struct pt_regs *regs, long nr)
{
	if (!syscall__is_memory(nr) && nr != NR_CLONE && nr != NR_FORK && nr != NR_VFORK &&
	    nr != NR_CLONE3)
		return 0;
	return syscall__begin(regs, nr);
}

static __always_inline bool result__is_error(long result)
{
	return result < 0 && result >= -4095;
}

/* Tells the user side of a file that is mapped to be executed, once. */
static __noinline int file__announce(struct vm_call *vm)
{
	struct file_key key = {};
	struct event *event;
	struct file *file;
	__u32 one = 1;

	if (!vm)
		return 0;
	file = descriptor__file(vm->arg[4]);
	if (!file)
		return 0;
	key.inode = BPF_CORE_READ(file, f_inode, i_ino);
	key.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	if (bpf_map_lookup_elem(&known_files, &key))
		return 0;
	bpf_map_update_elem(&known_files, &key, &one, BPF_ANY);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count__loss(LOSS_RING_FULL);
		return 0;
	}
	event->type = EVENT_FILE;
	event->id = 0;
	event->slot = 0;
	event->tgid = bpf_get_current_pid_tgid() >> 32;
	event->parent_id = 0;
	event->pad = 0;
	event->address = vm->result;
	event->end = vm->result + PAGE_ALIGNED(vm->arg[1]);
	event->filename[0] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/*
 * What the entry would have kept, where it was not seen: begun before the run, or its program
 * skipped (on preemptible kernels, for the task that runs where another was preempted inside it).
 * 1: it cannot be known.
 */
static __noinline int syscall__make_up(struct task *record, struct process *process,
				       struct vm_call *vm)
{
	record->taken.start = 0;
	record->maps_file = 0;
	if (vm->nr == NR_BRK) {
		record->old_brk = process->identity.brk_now;
		/* First seen at this very exit: what it was before is gone. */
		return vm->arg[0] && record->old_brk == vm->result;
	}
	if (vm->nr == NR_MUNMAP || (vm->nr == NR_MREMAP && !(vm->arg[3] & MREMAP_DONTUNMAP_BIT)))
		range__take(record, process, vm->arg[0], vm->arg[1]);
	return 0;
}

static __always_inline int syscall__end(struct pt_regs *regs, long result)
{
	struct task_struct *current;
	struct process *process;
	struct vm_call vm = {};
	struct task *record;
	__u32 entered;
	bool trapped, missed;

	vm.nr = SYSCALL_NUMBER(regs);
	if (!syscall__is_memory(vm.nr) || !active)
		return 0;
	current = bpf_get_current_task_btf();
	if (syscall__is_compat(current))
		return 0;
	count__seen(KIND_SYSCALL);
	record = task__make_record(current);
	if (!record) {
		count__lost(KIND_SYSCALL, LOSS_NO_TASK_STORAGE);
		return 0;
	}
	entered = record->syscall;
	record->syscall = 0;
	process = process__of(record);
	if (!process) {
		count__no_process(KIND_SYSCALL, record);
		return 0;
	}
	/* A call that seccomp refuses has an exit and no entry; with SIGSYS its result is its number. */
	trapped = entered != vm.nr + 1 && result == (long)vm.nr;
	missed = entered != vm.nr + 1 && !result__is_error(result) && !trapped;
	vm.arg[0] = SYSCALL_ARG(regs, 1);
	vm.arg[1] = SYSCALL_ARG(regs, 2);
	vm.arg[2] = SYSCALL_ARG(regs, 3);
	vm.arg[3] = SYSCALL_ARG(regs, 4);
	vm.arg[4] = SYSCALL_ARG(regs, 5);
	vm.result = result;
	vm.sp = PT_REGS_SP(regs);
	vm.ip = PT_REGS_IP(regs);
	if (missed && syscall__make_up(record, process, &vm)) {
		count__lost(KIND_SYSCALL, LOSS_SYSCALL_ENTRY_MISSED);
		return 0;
	}
	vm.old_brk = record->old_brk;
	vm.taken = record->taken;
	/* brk returns the break that stands: not the one asked for means that it failed. */
	if (vm.nr == NR_BRK)
		process__set_break(process, vm.result);
	if (vm.nr == NR_BRK && (entered || missed))
		vm.failed = vm.arg[0] && vm.result != vm.arg[0];
	else
		vm.failed = trapped || result__is_error(result);
	ADD(process->identity.map_generation, 1);
	if (rss__is_cached_in_task())
		rss__populated(process, &record->fault);
	vm_call__count(process, &vm);
	vm_call__charge(record, process, &vm);
	if (vm.nr == NR_MMAP && !vm.failed && !(vm.arg[3] & MAP_ANONYMOUS_BIT) &&
	    (vm.arg[2] & PROT_EXEC_BIT))
		file__announce(&vm);
	if (stacks && !vm.failed)
		vm_call__sample(process, &vm);
	count__recorded(KIND_SYSCALL);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long result)
{
	return syscall__end(regs, result);
}

/*
 * On the calls themselves. A program on a function is loaded for that function alone, and what jumps
 * to it has to be on one of the same prototype. BTF has two for these six, which differ in the name
 * of their parameter: so there are two of each, and the user side makes the programs that jump here.
 */
#define CALL_BODIES(name)                                                                          \
	SEC("?fentry/" SYSCALL_FUNCTION("brk"))                                                    \
	int BPF_PROG(call_begin_##name, struct pt_regs *regs)                                      \
	{                                                                                          \
		return syscall__begin(regs, SYSCALL_NUMBER(regs));                                 \
	}                                                                                          \
	SEC("?fexit/" SYSCALL_FUNCTION("brk"))                                                     \
	int BPF_PROG(call_end_##name, struct pt_regs *regs, long result)                           \
	{                                                                                          \
		return syscall__end(regs, result);                                                 \
	}

CALL_BODIES(first)
CALL_BODIES(second)

/* What the kernel allocates for a child is none of the parent's faults. */
SEC("?fentry/kernel_clone")
int clone_begin(void *ctx)
{
	struct task *record;

	if (!active)
		return 0;
	record = task__record(bpf_get_current_task_btf());
	if (record)
		record->fault.allocated = 0;
	return 0;
}

static long file__answer(struct task_struct *task, struct vm_area_struct *vma,
			 struct file_question *question)
{
	if (!vma->vm_file)
		return 0;
	question->key.inode = BPF_CORE_READ(vma, vm_file, f_inode, i_ino);
	question->key.device = BPF_CORE_READ(vma, vm_file, f_inode, i_sb, s_dev);
	return 0;
}

/*
 * Run by the user side on a mapping of its own: which inode the kernel has for a file. On an
 * overlay stat() tells another one, and two overlays of one file tell two.
 */
SEC("?syscall")
int identify_file(struct file_question *question)
{
	struct file_question answer = { .address = question->address };

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		bpf_find_vma(bpf_get_current_task_btf(), answer.address, file__answer, &answer, 0);
	question->key.inode = answer.key.inode;
	question->key.device = answer.key.device;
	return 0;
}

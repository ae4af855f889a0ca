/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between architectures and kernels, one macro or function each. */

/* Of bpf_find_vma. */
#define BUSY 16 /* EBUSY */
#define MAX_FIND_TRIES 16

/* Of stacks: murmur's. */
#define HASH_FACTOR 0xc6a4a7935bd1e995ULL
#define HASH_SEED 0x9e3779b97f4a7c15ULL

#if defined(__TARGET_ARCH_x86)

#define NR_MMAP 9
#define NR_MPROTECT 10
#define NR_MUNMAP 11
#define NR_BRK 12
#define NR_MREMAP 25
#define NR_MADVISE 28
#define NR_CLONE 56
#define NR_FORK 57
#define NR_VFORK 58
#define NR_CLONE3 435

#define SYSCALL_FUNCTION(name) "__x64_sys_" name
#define SYSCALL_NUMBER(regs) ((long)(regs)->orig_ax)
#define SYSCALL_ARG(regs, n) SYSCALL_ARG_##n(regs)
#define SYSCALL_ARG_1(regs) ((regs)->di)
#define SYSCALL_ARG_2(regs) ((regs)->si)
#define SYSCALL_ARG_3(regs) ((regs)->dx)
#define SYSCALL_ARG_4(regs) ((regs)->r10)
#define SYSCALL_ARG_5(regs) ((regs)->r8)

/* TS_COMPAT: the system call came by the 32-bit entry and its number is another one. */
static __always_inline bool syscall__is_compat(struct task_struct *task)
{
	return task->thread_info.status & 2;
}

/* The return address of a call lies at the stack pointer of its first instruction. */
#define RETURN_ADDRESS_ON_STACK 1
#define RETURN_SLOT_BYTES 8
#define CODE_ADDRESS(address) (address)

/* The frame that a signal's handler returns to: its registers, from the stack pointer there. */
#define SIGNAL_REGISTERS 40
#define SIGNAL_READ_WORDS 17
#define SIGNAL_R10 2
#define SIGNAL_R13 5
#define SIGNAL_FP 10
#define SIGNAL_BX 11
#define SIGNAL_SP 15
#define SIGNAL_PC 16

/* DWARF's numbers of the registers that prologues keep a frame's address in. */
#define DWARF_R10 10
#define DWARF_R13 13

/* Page fault error code. */
#define FAULT_PROTECTION_BIT 1
#define FAULT_WRITE_BIT 2

#elif defined(__TARGET_ARCH_arm64)

#define NR_MMAP 222
#define NR_MPROTECT 226
#define NR_MUNMAP 215
#define NR_BRK 214
#define NR_MREMAP 216
#define NR_MADVISE 233
#define NR_CLONE 220
#define NR_FORK -1
#define NR_VFORK -2
#define NR_CLONE3 435

#define SYSCALL_FUNCTION(name) "__arm64_sys_" name
#define SYSCALL_NUMBER(regs) ((long)(regs)->syscallno)
#define SYSCALL_ARG(regs, n) SYSCALL_ARG_##n(regs)
#define SYSCALL_ARG_1(regs) ((regs)->orig_x0)
#define SYSCALL_ARG_2(regs) ((regs)->regs[1])
#define SYSCALL_ARG_3(regs) ((regs)->regs[2])
#define SYSCALL_ARG_4(regs) ((regs)->regs[3])
#define SYSCALL_ARG_5(regs) ((regs)->regs[4])

static __always_inline bool syscall__is_compat(struct task_struct *task)
{
	return task->thread_info.flags & (1UL << 22); /* TIF_32BIT */
}

/* The link register holds it, and the callee saves it where it likes: the slot test is void. */
#define RETURN_ADDRESS_ON_STACK 0
#define RETURN_SLOT_BYTES 0
/* Without the pointer signature that the upper bits may carry. */
#define CODE_ADDRESS(address) ((address) & ((1ULL << 48) - 1))

/* Behind siginfo (128 bytes) and what ucontext has before its registers. */
#define SIGNAL_REGISTERS 312
#define SIGNAL_READ_WORDS 33
#define SIGNAL_FP 29
#define SIGNAL_LR 30
#define SIGNAL_SP 31
#define SIGNAL_PC 32

#define DWARF_R10 -1
#define DWARF_R13 -1

#define FAULT_PROTECTION_BIT 1
#define FAULT_WRITE_BIT 2

#else
#error "allocpath knows x86-64 and arm64"
#endif

/*
 * A 32-bit program, whose calls and arguments we do not read: by the end of its address space,
 * which exec sets. The thread flag that says the same has another bit from 6.18 on.
 */
static __always_inline bool task__is_32bit(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	return mm && mm->task_size <= 1ULL << 32;
}

/*
 * Up to 6.1 the resident set was cached in the task and folded into the mm every 64 faults, so
 * rss_stat fired for one page in about 64; from 6.2 on (f1a7941243c1) it fires for every update.
 */
struct task_rss_stat___old {
	int events;
	int count[4];
} __attribute__((preserve_access_index));

struct task_struct___old_rss {
	struct task_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

static __always_inline bool rss__is_cached_in_task(void)
{
	return bpf_core_field_exists(((struct task_struct___old_rss *)0)->rss_stat);
}

/* mm_lock_seq is an int up to 6.12 and a seqcount_t after (eb449bd96954). */
struct mm_struct___int_seq {
	int mm_lock_seq;
} __attribute__((preserve_access_index));

struct seqcount___new {
	unsigned int sequence;
} __attribute__((preserve_access_index));

struct mm_struct___seqcount {
	struct seqcount___new mm_lock_seq;
} __attribute__((preserve_access_index));

/* A number that changes whenever the address space does; fallback where the kernel has none. */
static __always_inline __u64 mm__generation(struct mm_struct *mm, __u64 fallback)
{
	struct mm_struct___seqcount *with_seqcount = (void *)mm;
	struct mm_struct___int_seq *with_int = (void *)mm;

	if (bpf_core_field_exists(with_seqcount->mm_lock_seq.sequence))
		return BPF_CORE_READ(with_seqcount, mm_lock_seq.sequence);
	if (bpf_core_field_exists(with_int->mm_lock_seq))
		return (__u32)BPF_CORE_READ(with_int, mm_lock_seq);
	return fallback;
}

/* The page of out-of-line slots and return trampolines that uprobes add to an address space. */
static __always_inline __u64 mm__uprobe_page(struct mm_struct *mm)
{
	if (!bpf_core_field_exists(mm->uprobes_state.xol_area))
		return 0;
	return mm->uprobes_state.xol_area->vaddr;
}

/*
 * Is the session's program run for the return? Read where bpf_session_is_return() reads it: that
 * one got an argument in 7.0, and libbpf 1.1 refuses the whole object for a function that differs.
 */
struct bpf_session_run_ctx___read {
	bool is_return;
} __attribute__((preserve_access_index));

static __always_inline bool session__is_return(void)
{
	struct bpf_session_run_ctx___read *run = (void *)bpf_get_current_task_btf()->bpf_ctx;

	return BPF_CORE_READ(run, is_return);
}

struct fdtable___read {
	unsigned int max_fds;
	struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct___read {
	struct fdtable___read *fdt;
} __attribute__((preserve_access_index));

/*
 * The file behind a descriptor of the current task. Of a mapping that was just made it is asked
 * this way: bpf_find_vma is newer (5.17), and always busy where preemption is real-time.
 */
static __always_inline struct file *descriptor__file(__u32 fd)
{
	struct files_struct___read *files = (void *)bpf_get_current_task_btf()->files;
	struct fdtable___read *table;
	struct file *file = NULL;

	if (!files)
		return NULL;
	table = BPF_CORE_READ(files, fdt);
	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

struct ns_common___read {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct mnt_namespace___read {
	struct ns_common___read ns;
} __attribute__((preserve_access_index));

struct nsproxy___read {
	struct mnt_namespace___read *mnt_ns;
} __attribute__((preserve_access_index));

struct cred___read {
	kuid_t euid;
} __attribute__((preserve_access_index));

struct task_struct___read {
	struct nsproxy___read *nsproxy;
	const struct cred___read *cred;
} __attribute__((preserve_access_index));

/* Number of the mount namespace that the current task is in, as /proc/PID/ns/mnt has it. */
static __always_inline __u32 current__mount_namespace(void)
{
	struct task_struct___read *current = (void *)bpf_get_current_task_btf();

	return BPF_CORE_READ(current, nsproxy, mnt_ns, ns.inum);
}

static __always_inline __u32 current__effective_user(void)
{
	struct task_struct___read *current = (void *)bpf_get_current_task_btf();

	return BPF_CORE_READ(current, cred, euid.val);
}

/* At a function's entry. 0, or negative: it cannot be read. */
static __always_inline long entry__return_address(struct pt_regs *ctx, __u64 *address)
{
	if (RETURN_ADDRESS_ON_STACK)
		return bpf_probe_read_user(address, sizeof(*address), (void *)PT_REGS_SP(ctx));
	*address = PT_REGS_RET(ctx);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who made a system call: the allocator, through whatever wrappers of its own or of another file? */
struct caller {
	struct file_place place; /* of the file that holds ip, if it is one of ours */
	__u64 ip;
	__u64 bias; /* load bias of that file */
	__u32 found;
	__u32 pad;
};

static long caller__locate(struct task_struct *task, struct vm_area_struct *vma,
			   struct caller *caller)
{
	struct file_key key = {};
	struct file_place *place;

	if (!vma->vm_file)
		return 0;
	key.inode = BPF_CORE_READ(vma, vm_file, f_inode, i_ino);
	key.device = BPF_CORE_READ(vma, vm_file, f_inode, i_sb, s_dev);
	place = bpf_map_lookup_elem(&places, &key);
	if (!place)
		return 0;
	caller->place = *place;
	caller->bias = vma->vm_start - vma->vm_pgoff * page_size - place->shift;
	caller->found = 1;
	return 0;
}

/*
 * Which of our files holds the address. The lookup fails while another thread maps something. The
 * kernel takes what is on the stack of this function only.
 */
static __noinline int caller__find_file(struct caller *caller)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct caller found = {};
	long error = 0;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		return 0;
	for (int i = 0; i < MAX_FIND_TRIES; i++) {
		error = bpf_find_vma(current, caller->ip, caller__locate, &found, 0);
		if (error != -BUSY)
			break;
	}
	if (error == -BUSY)
		count__loss(LOSS_CALLER_UNKNOWN);
	caller->place = found.place;
	caller->bias = found.bias;
	caller->found = found.found;
	return found.found;
}

static __always_inline struct wrapper_site *caller__site(struct caller *caller)
{
	__u64 address = caller->ip - caller->bias;
	struct wrapper_key key = { .file = caller->place.number, .address = address };

	return address >> 32 ? NULL : bpf_map_lookup_elem(&wrapper_sites, &key);
}

/*
 * The wrapper at the address. First in the file where the process's last one was: that needs no
 * lock, which another thread that maps or unmaps would hold.
 */
static __always_inline struct wrapper_site *caller__find(struct caller *caller)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	struct process *process = record ? number__process(record->number) : NULL;
	struct wrapper_site *site;

	if (process && process->identity.calls_file) {
		caller->place.number = process->identity.calls_file - 1;
		caller->bias = process->identity.calls_bias;
		site = caller__site(caller);
		if (site) {
			caller->found = 1;
			return site;
		}
	}
	if (!caller__find_file(caller))
		return NULL;
	site = caller__site(caller);
	/* Two threads may find different files: each word is then of one, and matches no wrapper. */
	if (site && process && !process->identity.calls_file) {
		process->identity.calls_bias = caller->bias;
		process->identity.calls_file = caller->place.number + 1;
	}
	return site;
}

enum caller_answer {
	CALLER_IS_OTHER,
	CALLER_IS_ALLOCATOR,
	CALLER_IS_WRAPPER
};

struct caller_walk {
	struct caller caller;
	__u64 bias; /* of the allocator's file */
	__u64 sp;
	__u64 slot;
	__u32 file; /* the allocator's */
	__u32 asked; /* which file holds the system call */
};

/*
 * A step of its own: in a loop clang enters the body in its middle, which 6.1 refuses. The verifier
 * sees it once.
 */
__noinline int caller__step(struct caller_walk *walk)
{
	struct wrapper_key key = {};
	struct wrapper_site *site;
	__u64 address;

	if (!walk)
		return CALLER_IS_OTHER;
	address = walk->caller.ip - walk->bias;
	key.file = walk->file;
	key.address = address;
	site = address >> 32 ? NULL : bpf_map_lookup_elem(&wrapper_sites, &key);
	if (!site && address__is_in_allocator(walk->file, address))
		return CALLER_IS_ALLOCATOR;
	if (!site && !walk->asked) {
		walk->asked = 1;
		site = caller__find(&walk->caller);
	} else if (!site && walk->caller.found) {
		site = caller__site(&walk->caller);
	}
	if (!site)
		return CALLER_IS_OTHER;
	walk->sp += site->return_slot;
	if (walk->sp == walk->slot)
		return CALLER_IS_ALLOCATOR;
	if (bpf_probe_read_user(&walk->caller.ip, sizeof(walk->caller.ip), (void *)walk->sp))
		return CALLER_IS_OTHER;
	walk->sp += RETURN_SLOT_BYTES;
	return CALLER_IS_WRAPPER;
}

/*
 * Who made the system call: steps from the wrapper's frame outwards until an address that no
 * wrapper has, and asks whether that one is in the allocator's object. Wrappers are those of the
 * allocator's own file, and those of the file in which the system call was made. A wrapper that
 * returns through slot, where an open call's return address stands, was jumped to by that call.
 */
__noinline int caller__is_allocator(__u32 file, __u64 bias, __u64 ip, __u64 sp, __u64 slot)
{
	struct caller_walk walk = {};

	walk.caller.ip = ip;
	walk.bias = bias;
	walk.sp = sp;
	walk.slot = slot;
	walk.file = file;
	walk.asked = !(file__flags(file) & FILE_CALLS_LIBC);
	for (int i = 0; i < MAX_WRAPPER_DEPTH; i++) {
		int answer = caller__step(&walk);

		if (answer != CALLER_IS_WRAPPER)
			return answer == CALLER_IS_ALLOCATOR;
	}
	return 0;
}

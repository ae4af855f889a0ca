/* SPDX-License-Identifier: GPL-2.0-or-later */
#define VM_EXEC_FLAG 4

/* A mapping as the kernel has it. */
struct mapping_found {
	__u64 start;
	__u64 end;
	struct unwind_file_key key;
	__u32 page_offset;
	__u8 executable;
	__u8 has_file;
	__u8 pad[2];
};

static __always_inline void mapping__describe(struct vm_area_struct *vma,
					      struct mapping_found *found)
{
	struct inode *inode;

	found->start = BPF_CORE_READ(vma, vm_start);
	found->end = BPF_CORE_READ(vma, vm_end);
	found->page_offset = BPF_CORE_READ(vma, vm_pgoff);
	found->executable = (BPF_CORE_READ(vma, vm_flags) & VM_EXEC_FLAG) != 0;
	inode = BPF_CORE_READ(vma, vm_file, f_inode);
	found->has_file = inode != NULL;
	if (!inode)
		return;
	found->key.inode = BPF_CORE_READ(inode, i_ino);
	found->key.size = BPF_CORE_READ(inode, i_size);
	found->key.generation = BPF_CORE_READ(inode, i_generation);
	found->key.device = BPF_CORE_READ(inode, i_sb, s_dev);
}

static long mapping__found(struct task_struct *task, struct vm_area_struct *vma,
			   struct mapping_found *found)
{
	mapping__describe(vma, found);
	return 0;
}

/* The current task's mapping at an address. 0, or -errno: none is there, or it cannot be said. */
static __noinline int mapping__find(struct mapping_found *found, __u64 address)
{
	struct task_struct *current = bpf_get_current_task_btf();
	long error = -1;

	if (!found)
		return -1;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		return -1;
	for (int i = 0; i < MAX_FIND_TRIES; i++) {
		error = bpf_find_vma(current, address, mapping__found, found, 0);
		if (error != -BUSY)
			break;
	}
	return error;
}

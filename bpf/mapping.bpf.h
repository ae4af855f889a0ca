/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where processes have code mapped: filled once at the start, then kept by exec, fork, exit and the
 * memory system calls. Nothing here is asked for unless stacks are.
 */

/*
 * mappings: tgid -> its executable mappings, sorted. Written by the programs on lifecycle events
 * and system calls' exits, read where a stack is taken; deleted at the exit. 8,192 of 4.1 KiB with
 * stacks of the whole host, 1,024 with those of chosen processes, else 1. Full: counted as
 * mappings_full, stacks of that process end at their first frame.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_MAPPED_PROCESSES);
	__type(key, __u32);
	__type(value, struct mappings);
} mappings SEC(".maps");

/* empty_mappings: element 0 is what a process begins with. Never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mappings);
} empty_mappings SEC(".maps");

/*
 * unwind_files: file of code -> its number. Written here at first sight, and by the user side for
 * a command's files before it runs. Full: counted as unwind_files_full, stacks end in that file.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_UNWIND_FILES);
	__type(key, struct unwind_file_key);
	__type(value, __u32);
} unwind_files SEC(".maps");

/*
 * unwind_tables: file's number -> where its table is. Written by the user side through a memory
 * mapping; the programs note use and wishes. As many as numbers: never full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_UNWIND_FILES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct unwind_file);
} unwind_tables SEC(".maps");

#define VM_EXEC_FLAG 4
#define MAX_WRITE_TRIES 64
#define MAX_EXEC_MAPPINGS 48
#define MAX_COPY_TRIES 8

/* The verifier is to know the bound of an index, whatever clang knows. */
#define MAPPING_INDEX(index)                                                                       \
	({                                                                                         \
		__u64 masked = (index);                                                            \
		asm volatile("%0 &= %1" : "+r"(masked) : "i"(MAX_MAPPINGS - 1));                   \
		masked;                                                                            \
	})

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

/* What is to be done to a process's mappings; the rest is where the walk keeps its state. */
struct mapping_change {
	__u64 start;
	__u64 end;
	__u64 mm;
	__u32 tgid;
	__u32 file;
	__u32 page_offset;
	__u32 adds; /* 1: a mapping comes; 0: what is there goes */
	struct mapping tail; /* what is behind the range of a mapping that it cuts */
	volatile __u32 has_tail;
	volatile __u32 kept; /* volatile: where they lie, and not in registers */
	volatile __u32 at; /* where the new one belongs */
	__u32 pad;
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

static __noinline int unwind_file__announce(__u32 number, __u32 tgid, struct mapping_found *found)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count__loss(LOSS_RING_FULL);
		return 1;
	}
	event->type = EVENT_MAPPING;
	event->id = number;
	event->slot = 0;
	event->tgid = tgid;
	event->parent_id = 0;
	event->pad = 0;
	event->address = found ? found->start : 0;
	event->end = found ? found->end : 0;
	event->filename[0] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* The number of a mapping's file, which is announced to the user side once. */
__noinline __u32 unwind_file__number(struct mapping_found *found, __u32 tgid)
{
	struct unwind_file_key key;
	struct unwind_file *file;
	__u32 *known, number;

	if (!found)
		return UNWIND_ANONYMOUS;
	/* Up to 6.1 a key in memory of the caller is refused. */
	key = found->key;
	known = bpf_map_lookup_elem(&unwind_files, &key);
	if (!known) {
		number = __sync_fetch_and_add(&nr_unwind_files, 1) + UNWIND_FIRST_FILE;
		if (number >= MAX_UNWIND_FILES ||
		    bpf_map_update_elem(&unwind_files, &key, &number, BPF_NOEXIST)) {
			/* No room, or another CPU was first. */
			known = bpf_map_lookup_elem(&unwind_files, &key);
			if (!known) {
				count__loss(LOSS_UNWIND_FILES_FULL);
				return UNWIND_UNKNOWN_FILE;
			}
			number = *known;
		}
	} else {
		number = *known;
	}
	file = bpf_map_lookup_elem(&unwind_tables, &number);
	/* Without a tgid it is the user side that asks, and does the rest. */
	if (file && tgid && file->state == UNWIND_FILE_NEW &&
	    __sync_val_compare_and_swap(&file->state, UNWIND_FILE_NEW, UNWIND_FILE_WAITS) ==
		    UNWIND_FILE_NEW &&
	    unwind_file__announce(number, tgid, found))
		file->state = UNWIND_FILE_NEW;
	return number;
}

/* Takes the range out, cutting what lies across its ends, and finds where it belongs. */
static __always_inline void mappings__cut(struct mappings *table, struct mapping_change *change)
{
	change->kept = 0;
	change->at = 0;
	change->has_tail = 0;
	for (int i = 0; i < MAX_MAPPINGS; i++) {
		__u64 place, start, end;
		__u32 nr_pages, page_offset, kept;

		if (i >= table->nr)
			break;
		place = table->mapping[i].place;
		nr_pages = table->mapping[i].nr_pages;
		page_offset = table->mapping[i].page_offset;
		start = MAPPING_START(place);
		end = start + ((__u64)nr_pages << UNWIND_PAGE_SHIFT);
		if (start < change->end && end > change->start) {
			if (end > change->end) {
				__u32 cut = (change->end - start) >> UNWIND_PAGE_SHIFT;

				change->tail.place =
					MAPPING_PLACE(change->end, MAPPING_FILE(place));
				change->tail.nr_pages = nr_pages - cut;
				change->tail.page_offset = page_offset + cut;
				change->has_tail = 1;
			}
			if (start >= change->start)
				continue;
			nr_pages = (change->start - start) >> UNWIND_PAGE_SHIFT;
		}
		kept = change->kept;
		table->mapping[MAPPING_INDEX(kept)].place = place;
		table->mapping[MAPPING_INDEX(kept)].nr_pages = nr_pages;
		table->mapping[MAPPING_INDEX(kept)].page_offset = page_offset;
		change->kept = kept + 1;
		if (start < change->start)
			change->at = kept + 1;
	}
}

/* Moves the later ones up and puts the new one in, and the tail behind it. */
static __always_inline void mappings__put(struct mappings *table, struct mapping_change *change)
{
	__u32 nr_new = (change->adds ? 1 : 0) + (change->has_tail ? 1 : 0), at;

	table->nr = change->kept;
	if (change->kept + nr_new > MAX_MAPPINGS) {
		count__loss(LOSS_MAPPINGS_FULL);
		return;
	}
	for (int i = 0; i < MAX_MAPPINGS; i++) {
		__u32 from = change->kept - 1 - i;

		if (!nr_new || i >= change->kept || from < change->at)
			break;
		table->mapping[MAPPING_INDEX(from + nr_new)] = table->mapping[MAPPING_INDEX(from)];
	}
	at = change->at;
	if (change->adds) {
		table->mapping[MAPPING_INDEX(at)].place =
			MAPPING_PLACE(change->start, change->file);
		table->mapping[MAPPING_INDEX(at)].nr_pages = (change->end - change->start) >>
							     UNWIND_PAGE_SHIFT;
		table->mapping[MAPPING_INDEX(at)].page_offset = change->page_offset;
		at++;
	}
	if (change->has_tail)
		table->mapping[MAPPING_INDEX(at)] = change->tail;
	table->nr = change->kept + nr_new;
}

/* What loops carry over lies in change: in registers the verifier would follow every value. */
__noinline int mappings__change(struct mapping_change *change)
{
	struct mappings *table;
	__u32 zero = 0, tgid;

	if (!change)
		return 0;
	tgid = change->tgid;
	table = bpf_map_lookup_elem(&mappings, &tgid);
	if (!table) {
		struct mappings *empty = bpf_map_lookup_elem(&empty_mappings, &zero);

		if (!change->adds || !empty)
			return 0;
		bpf_map_update_elem(&mappings, &tgid, empty, BPF_NOEXIST);
		table = bpf_map_lookup_elem(&mappings, &tgid);
	}
	if (!table) {
		count__loss(LOSS_MAPPINGS_FULL);
		return 0;
	}
	for (int i = 0; i < MAX_WRITE_TRIES; i++) {
		if (!__sync_lock_test_and_set(&table->busy, 1))
			goto claimed;
	}
	count__loss(LOSS_MAPPING_RACED);
	return 0;

claimed:
	__sync_fetch_and_add(&table->seq, 1);
	if (table->mm != change->mm) {
		table->mm = change->mm;
		table->nr = 0;
	}
	mappings__cut(table, change);
	mappings__put(table, change);
	__sync_fetch_and_add(&table->seq, 1);
	__sync_lock_test_and_set(&table->busy, 0);
	return 0;
}

/* Puts one in, if it holds code. */
static __noinline int mapping__add(struct mapping_found *found, __u32 tgid, struct mm_struct *mm)
{
	struct mapping_change change = {};

	if (!found->executable)
		return 0;
	change.start = found->start;
	change.end = found->end;
	change.mm = (__u64)mm;
	change.tgid = tgid;
	change.adds = 1;
	if (found->has_file) {
		change.page_offset = found->page_offset;
		change.file = unwind_file__number(found, tgid);
	} else if ((__u64)BPF_CORE_READ(mm, context.vdso) == found->start) {
		change.file = UNWIND_VDSO;
	}
	return mappings__change(&change);
}

/* The current task's at an address: the end of the mapping that holds it, 0: none does. */
__noinline __u64 mapping__add_at(__u64 address)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct mapping_found found = {};

	if (!address || mapping__find(&found, address))
		return 0;
	mapping__add(&found, current->tgid, current->mm);
	return found.end;
}

/* Up to 6.0 an address space has a list of its mappings, and up to 5.16 nothing else tells them. */
struct vm_area_struct___list {
	struct vm_area_struct___list *vm_next;
} __attribute__((preserve_access_index));

struct mm_struct___list {
	struct vm_area_struct___list *mmap;
} __attribute__((preserve_access_index));

static __noinline int mappings__add_listed(struct task_struct *task)
{
	struct mm_struct___list *mm = (void *)task->mm;
	struct vm_area_struct___list *vma;
	struct mapping_found found = {};

	if (!bpf_core_field_exists(mm->mmap))
		return 0;
	vma = BPF_CORE_READ(mm, mmap);
	for (int i = 0; i < MAX_EXEC_MAPPINGS; i++) {
		if (!vma)
			break;
		mapping__describe((struct vm_area_struct *)vma, &found);
		mapping__add(&found, task->tgid, task->mm);
		vma = BPF_CORE_READ(vma, vm_next);
	}
	return 1;
}

/* A new program: its own code (linkers may cut it into several mappings), its loader's, the vdso. */
static __noinline int mappings__exec(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct mm_struct___list *listed = (void *)mm;
	struct pt_regs *regs;
	__u64 at, end;

	if (!mm)
		return 0;
	if (bpf_core_field_exists(listed->mmap))
		return mappings__add_listed(task);
	at = BPF_CORE_READ(mm, start_code);
	end = BPF_CORE_READ(mm, end_code);
	for (int i = 0; i < MAX_EXEC_MAPPINGS; i++) {
		__u64 next;

		if (at >= end)
			break;
		next = mapping__add_at(at);
		at = next > at ? next : (at & ~4095ULL) + 4096;
	}
	regs = (void *)bpf_task_pt_regs(task);
	mapping__add_at(PT_REGS_IP_CORE(regs));
	mapping__add_at((__u64)BPF_CORE_READ(mm, context.vdso));
	return 0;
}

/* A child begins with its parent's, unless these are being written again and again. */
static __noinline int mappings__fork(struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct mappings *table, *copy;

	if (from == to)
		return 0;
	table = bpf_map_lookup_elem(&mappings, &from);
	if (!table)
		return 0;
	for (int i = 0; i < MAX_COPY_TRIES; i++) {
		__u32 seq = *(volatile __u32 *)&table->seq;

		if (seq & 1)
			continue;
		if (bpf_map_update_elem(&mappings, &to, table, BPF_ANY)) {
			count__loss(LOSS_MAPPINGS_FULL);
			return 0;
		}
		if (*(volatile __u32 *)&table->seq != seq)
			continue;
		copy = bpf_map_lookup_elem(&mappings, &to);
		if (!copy)
			return 0;
		copy->seq = 0;
		copy->busy = 0;
		copy->mm = (__u64)child->mm;
		return 0;
	}
	bpf_map_delete_elem(&mappings, &to);
	count__loss(LOSS_MAPPING_RACED);
	return 0;
}

static __always_inline void mappings__exit(struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (!BPF_CORE_READ(task, signal, live.counter))
		bpf_map_delete_elem(&mappings, &tgid);
}

/* Index of the last mapping that begins at or before the address; 0 where none does. */
static __always_inline __u32 mappings__search(struct mappings *table, __u64 address)
{
	__u64 key = MAPPING_PLACE(address, 0xffff);
	__u32 base = 0, nr = table->nr;

	for (int i = 0; i < 8; i++) {
		__u32 half = nr >> 1;

		if (nr <= 1)
			break;
		if (table->mapping[MAPPING_INDEX(base + half)].place <= key)
			base += half;
		nr -= half;
	}
	return base;
}

/* Takes code away that was unmapped, mapped over, or may not be executed any more. */
static __noinline int mappings__remove(__u64 start, __u64 end)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct mapping_change change = {};
	__u32 tgid = current->tgid;
	struct mapping *last;
	struct mappings *table;

	table = bpf_map_lookup_elem(&mappings, &tgid);
	if (!table || !table->nr || end <= start)
		return 0;
	last = &table->mapping[MAPPING_INDEX(mappings__search(table, end - 1))];
	if (MAPPING_START(last->place) >= end ||
	    MAPPING_START(last->place) + ((__u64)last->nr_pages << UNWIND_PAGE_SHIFT) <= start)
		return 0;
	change.start = start;
	change.end = end;
	change.mm = (__u64)current->mm;
	change.tgid = tgid;
	return mappings__change(&change);
}

/* At the exit of a system call that succeeded. */
static __noinline int mappings__follow(__u64 start, __u64 length, __u32 executable)
{
	length = (length + page_size - 1) & ~(page_size - 1);
	if (executable)
		return mapping__add_at(start) != 0;
	return mappings__remove(start, start + length);
}

/* The start: what is mapped already. */
SEC("?iter/task_vma")
int map_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct mapping_found found = {};
	__u32 tgid;

	if (!task || !vma || task->tgid != task->pid)
		return 0;
	tgid = task->tgid;
	if (tgid == self_tgid || target_mode == TARGET_COMMAND ||
	    (target_mode == TARGET_PIDS && !bpf_map_lookup_elem(&target_pids, &tgid)))
		return 0;
	mapping__describe(vma, &found);
	return mapping__add(&found, tgid, task->mm) & 0;
}

/*
 * Run by the user side on a mapping of its own: which number the file has, given now if it has none
 * yet. Its table can stand before the file is mapped to be executed.
 */
SEC("?syscall")
int identify_code(struct code_question *question)
{
	struct mapping_found found = {};

	question->number = 0;
	if (mapping__find(&found, question->address) || !found.has_file)
		return 0;
	question->number = unwind_file__number(&found, 0);
	return 0;
}

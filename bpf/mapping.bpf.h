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

/* What is to be done to a process's mappings; the rest is where the change keeps its state. */
struct mapping_change {
	__u64 start;
	__u64 end;
	__u64 mm;
	__u32 tgid;
	__u32 file;
	__u32 page_offset;
	__u32 adds; /* 1: a mapping comes; 0: what is there goes */
	struct mapping tail; /* what is behind the range of a mapping that it cuts */
	__u32 has_tail;
	__u32 first; /* of those that go */
	__u32 behind; /* the first one that lies behind it */
	/* Volatile: kept here and not in registers, which the verifier would follow value by value. */
	volatile __u32 from; /* the next one to be moved */
	volatile __u32 step; /* 1 or -1 */
	volatile __u32 moves;
	volatile __u32 distance;
	__u32 pad;
};

/* Index of the last mapping that begins at or before the address; 0 where none does. */
__noinline __u32 mappings__search(struct mappings *table, __u64 address)
{
	__u64 key = MAPPING_PLACE(address, 0xffff);
	__u32 base = 0, nr;

	if (!table)
		return 0;
	nr = table->nr;
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

static __always_inline __u64 mapping__end(struct mapping *mapping)
{
	return MAPPING_START(mapping->place) + ((__u64)mapping->nr_pages << UNWIND_PAGE_SHIFT);
}

/* Which mappings go. One that the range's start cuts is shortened; what its end leaves is kept. */
__noinline int mappings__find_range(struct mappings *table, struct mapping_change *change)
{
	struct mapping *mapping;
	__u32 first, behind;

	if (!table || !change)
		return 0;
	change->first = 0;
	change->behind = 0;
	change->has_tail = 0;
	if (!table->nr)
		return 0;
	first = mappings__search(table, change->start);
	if (mapping__end(&table->mapping[MAPPING_INDEX(first)]) <= change->start)
		first++;
	behind = mappings__search(table, change->end - 1);
	if (MAPPING_START(table->mapping[MAPPING_INDEX(behind)].place) < change->end)
		behind++;
	change->first = first;
	change->behind = behind;
	if (first >= behind)
		return 0;
	mapping = &table->mapping[MAPPING_INDEX(behind - 1)];
	if (mapping__end(mapping) > change->end) {
		__u32 cut = (change->end - MAPPING_START(mapping->place)) >> UNWIND_PAGE_SHIFT;

		change->has_tail = 1;
		change->tail.place = MAPPING_PLACE(change->end, MAPPING_FILE(mapping->place));
		change->tail.nr_pages = mapping->nr_pages - cut;
		change->tail.page_offset = mapping->page_offset + cut;
	}
	mapping = &table->mapping[MAPPING_INDEX(first)];
	if (MAPPING_START(mapping->place) < change->start) {
		mapping->nr_pages = (change->start - MAPPING_START(mapping->place)) >>
				    UNWIND_PAGE_SHIFT;
		change->first = first + 1;
	}
	return 0;
}

/* Moves those behind the range, beginning at the side to which they go. */
__noinline int mappings__move(struct mappings *table, struct mapping_change *change)
{
	if (!table || !change)
		return 0;
	for (int i = 0; i < MAX_MAPPINGS; i++) {
		__u32 from = change->from;

		if (i >= change->moves)
			break;
		table->mapping[MAPPING_INDEX(from + change->distance)] =
			table->mapping[MAPPING_INDEX(from)];
		change->from = from + change->step;
	}
	return 0;
}

/* Puts what is new in place of what met the range. */
static __always_inline void mappings__replace(struct mappings *table, struct mapping_change *change)
{
	__u32 nr = table->nr, kept, at, nr_new;

	kept = nr - (change->behind - change->first);
	nr_new = change->adds + change->has_tail;
	if (kept + nr_new > MAX_MAPPINGS) {
		count__loss(LOSS_MAPPINGS_FULL);
		change->adds = 0;
		change->has_tail = 0;
		nr_new = 0;
	}
	at = change->first;
	change->moves = nr - change->behind;
	change->distance = at + nr_new - change->behind;
	change->step = 1;
	change->from = change->behind;
	if ((__s32)change->distance > 0) {
		change->step = -1;
		change->from = nr - 1;
	}
	if (change->distance)
		mappings__move(table, change);
	if (change->adds) {
		struct mapping *mapping = &table->mapping[MAPPING_INDEX(at++)];

		mapping->place = MAPPING_PLACE(change->start, change->file);
		mapping->nr_pages = (change->end - change->start) >> UNWIND_PAGE_SHIFT;
		mapping->page_offset = change->page_offset;
	}
	if (change->has_tail)
		table->mapping[MAPPING_INDEX(at)] = change->tail;
	table->nr = kept + nr_new;
}

__noinline int mappings__change(struct mapping_change *change)
{
	struct mappings *table;
	__u32 zero = 0, tgid;

	if (!change || change->end <= change->start)
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
		table->tells_jit = 0;
	}
	mappings__find_range(table, change);
	mappings__replace(table, change);
	__sync_fetch_and_add(&table->seq, 1);
	__sync_lock_test_and_set(&table->busy, 0);
	return 0;
}

/*
 * The user side opens the process's perf map, now or, by what it is told here, when the process has
 * ended. At the start it is told nothing more: that process runs still.
 */
__noinline int mappings__tell_jit(__u32 tgid)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct mappings *table = bpf_map_lookup_elem(&mappings, &tgid);
	bool is_own = (__u32)current->tgid == tgid;
	struct event *event;

	if (!table || table->tells_jit)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count__loss(LOSS_RING_FULL);
		return 0;
	}
	table->tells_jit = 1;
	event->type = EVENT_JIT;
	event->id = 0;
	event->slot = 0;
	event->tgid = tgid;
	event->parent_id = is_own ? current__effective_user() : 0;
	event->pad = 0;
	event->address = is_own ? BPF_CORE_READ(current, group_leader, start_boottime) : 0;
	event->end = is_own ? current__mount_namespace() : 0;
	event->filename[0] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Puts one in, if it holds code. */
__noinline int mapping__add(struct mapping_found *found, __u32 tgid, __u64 mm)
{
	struct mapping_change change = {};

	if (!found || !found->executable)
		return 0;
	change.start = found->start;
	change.end = found->end;
	change.mm = mm;
	change.tgid = tgid;
	change.adds = 1;
	if (found->has_file) {
		change.page_offset = found->page_offset;
		change.file = unwind_file__number(found, tgid);
	} else if ((__u64)BPF_CORE_READ((struct mm_struct *)mm, context.vdso) == found->start) {
		change.file = UNWIND_VDSO;
	}
	mappings__change(&change);
	return change.file == UNWIND_ANONYMOUS ? mappings__tell_jit(tgid) : 0;
}

/* The current task's at an address: the end of the mapping that holds it, 0: none does. */
__noinline __u64 mapping__add_at(__u64 address)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct mapping_found found = {};

	if (!address || mapping__find(&found, address))
		return 0;
	mapping__add(&found, current->tgid, (__u64)BPF_CORE_READ(current, mm));
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
		mapping__add(&found, task->tgid, (__u64)BPF_CORE_READ(task, mm));
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
		copy->tells_jit = 0;
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

/* Takes code away that was unmapped, mapped over, or may not be executed any more. */
__noinline int mappings__remove(__u64 start, __u64 end)
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
	if (MAPPING_START(last->place) >= end || mapping__end(last) <= start)
		return 0;
	change.start = start;
	change.end = end;
	change.mm = (__u64)current->mm;
	change.tgid = tgid;
	return mappings__change(&change);
}

/* At the exit of a system call that succeeded. */
__noinline int mappings__follow(__u64 start, __u64 length, __u32 executable)
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
	return mapping__add(&found, tgid, (__u64)BPF_CORE_READ(task, mm)) & 0;
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

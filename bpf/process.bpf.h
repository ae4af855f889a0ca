/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Process numbers: given at first sight, new at exec, never reused. The number lives in the
 * leader's record and is copied into each thread's; vfork and CLONE_VM children copy it at fork.
 */
#define NUMBER_ID(number) ((__u32)(number))
#define NUMBER_SLOT(number) ((__u32)((number) >> 32))

static __always_inline struct task *task__record(struct task_struct *task)
{
	return bpf_task_storage_get(&tasks, task, 0, 0);
}

/* The record, made if need be. A second thread may have made it between: look once more. */
static __always_inline struct task *task__make_record(struct task_struct *task)
{
	struct task *record;

	record = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!record)
		record = bpf_task_storage_get(&tasks, task, 0, 0);
	return record;
}

static __always_inline bool comm__matches(const char *comm)
{
	for (int i = 0; i < MAX_COMM; i++) {
		if (comm[i] != target_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

/* In the middle of an exec a task has the name of the program to come: its exec will tell. */
static __always_inline bool task__is_renamed(struct task_struct *task)
{
	return target_mode == TARGET_COMM && bpf_core_field_exists(task->in_execve) &&
	       BPF_CORE_READ_BITFIELD(task, in_execve);
}

/*
 * Is this one of ours: us, or a child that works for us? By its age too: a shell that started
 * programs may have become us by exec. A command is our child as well, and asked for.
 */
static __always_inline bool process__is_own(struct task_struct *leader)
{
	if ((__u32)leader->tgid == self_tgid)
		return true;
	return target_mode != TARGET_COMMAND && target_mode != TARGET_PIDS &&
	       leader->start_boottime >= self_begun_ns &&
	       (__u32)BPF_CORE_READ(leader, real_parent, tgid) == self_tgid;
}

/* Is this process one of those asked for? Called for the current task only. */
static __noinline bool process__is_target(struct task_struct *leader, struct task *record)
{
	__u32 tgid = leader->tgid;
	char comm[MAX_COMM];

	if (process__is_own(leader))
		return false;
	if (record->inherits)
		return true;
	switch (target_mode) {
	case TARGET_ALL:
		return true;
	case TARGET_PIDS:
		return bpf_map_lookup_elem(&target_pids, &tgid) != NULL;
	case TARGET_COMM:
		bpf_core_read_str(comm, sizeof(comm), &leader->comm);
		return comm__matches(comm);
	case TARGET_CGROUP:
		return bpf_current_task_under_cgroup(&target_cgroup, 0) == 1;
	}
	return false; /* TARGET_COMMAND: by inheritance only */
}

static __noinline int event__send(__u32 type, __u64 number, __u32 tgid, __u32 parent_id,
				  struct linux_binprm *program)
{
	struct event *event;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count__loss(LOSS_RING_FULL);
		return 1;
	}
	event->type = type;
	event->id = NUMBER_ID(number);
	event->slot = NUMBER_SLOT(number);
	event->tgid = tgid;
	event->parent_id = parent_id;
	event->pad = 0;
	event->address = 0;
	event->end = 0;
	event->filename[0] = 0;
	if (program)
		bpf_probe_read_kernel_str(event->filename, sizeof(event->filename),
					  BPF_CORE_READ(program, filename));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline __u32 task__namespace_tgid(struct task_struct *leader)
{
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	if (level > 32)
		return 0;
	bpf_probe_read_kernel(&upid, sizeof(upid),
			      (void *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid));
	return upid.nr;
}

static __noinline int process__fill(struct process *process, __u32 id, struct task_struct *leader,
				    struct task *record)
{
	struct process_identity *identity = &process->identity;

	identity->tgid = leader->tgid;
	identity->ns_tgid = task__namespace_tgid(leader);
	identity->parent_tgid = BPF_CORE_READ(leader, real_parent, tgid);
	identity->parent_id = record->parent_id;
	identity->uid = BPF_CORE_READ(leader, cred, uid.val);
	identity->execs = record->execs;
	identity->start_ns = BPF_CORE_READ(leader, start_boottime);
	identity->cgroup_id = bpf_get_current_cgroup_id();
	identity->mm = (__u64)leader->mm;
	identity->brk_base = BPF_CORE_READ(leader, mm, brk);
	identity->brk_now = identity->brk_base;
	identity->heap_untouched = PAGE_ALIGNED(identity->brk_base);
	bpf_core_read_str(identity->comm, sizeof(identity->comm), &leader->comm);
	identity->unprobed = !probing;
	identity->id = id;
	return 0;
}

/* Memory that a lowered break gives back is untouched when it comes again. */
static __always_inline void process__set_break(struct process *process, __u64 now)
{
	process->identity.brk_now = now;
	now = PAGE_ALIGNED(now);
	if (now < process->identity.heap_untouched)
		process->identity.heap_untouched = now;
}

static __always_inline struct process *number__process(__u64 number)
{
	__u32 slot = NUMBER_SLOT(number);
	struct process *process;

	process = bpf_map_lookup_elem(&processes, &slot);
	if (!process || process->identity.id != NUMBER_ID(number))
		return NULL;
	return process;
}

/*
 * Gives the current process its number. The leader's record is the one that counts: two threads
 * may come here at once, and the loser gives its slot back.
 */
static __noinline int process__first_sight(struct task *record, struct linux_binprm *program)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct task_struct *leader = current->group_leader;
	struct process *process;
	struct task *leader_record = record;
	__u64 number, other;
	__u32 slot, id;

	if (!leader || !current->mm)
		return 0;
	if (leader != current) {
		leader_record = task__record(leader);
		if (!leader_record && !process__is_target(leader, record)) {
			record->state = TASK_IGNORED;
			return 0;
		}
		if (!leader_record)
			leader_record = task__make_record(leader);
		if (!leader_record) {
			count__lost(KIND_PROCESS, LOSS_NO_TASK_STORAGE);
			count__seen(KIND_PROCESS);
			return 0;
		}
	}
	number = leader_record->number;
	if (number && number__process(number))
		goto known;
	if (number) /* folded away */
		__sync_val_compare_and_swap(&leader_record->number, number, 0);
	if (leader_record->state == TASK_IGNORED || (!program && task__is_renamed(current)) ||
	    (!process__is_target(leader, leader_record) && !record->inherits))
		goto ignore;
	if (task__is_32bit(current)) {
		event__send(EVENT_32BIT, 0, leader->tgid, 0, program);
		goto ignore;
	}

	count__seen(KIND_PROCESS);
	if (bpf_map_pop_elem(&free_slots, &slot)) {
		count__lost(KIND_PROCESS, LOSS_PROCESS_TABLE_FULL);
		return 0;
	}
	process = bpf_map_lookup_elem(&processes, &slot);
	if (!process) {
		count__lost(KIND_PROCESS, LOSS_PROCESS_TABLE_FULL);
		return 0;
	}
	id = __sync_fetch_and_add(&last_id, 1) + 1;
	process__fill(process, id, leader, leader_record);
	process->identity.slot = slot;
	number = (__u64)slot << 32 | id;
	other = __sync_val_compare_and_swap(&leader_record->number, 0, number);
	if (other) {
		process->identity.id = 0;
		bpf_map_push_elem(&free_slots, &slot, 0);
		count__filtered(KIND_PROCESS);
		number = other;
		goto known;
	}
	count__recorded(KIND_PROCESS);
	if (follows_rule)
		rule__begin(process, program__begins_rule(program));
	event__send(program ? EVENT_EXEC : EVENT_PROCESS, number, leader->tgid,
		    leader_record->parent_id, program);
known:
	leader_record->state = TASK_MEASURED;
	record->number = number;
	record->state = TASK_MEASURED;
	return 1;
ignore:
	leader_record->state = TASK_IGNORED;
	record->state = TASK_IGNORED;
	return 0;
}

/*
 * The current task's process, or NULL: not measured, or lost. A slot may have been folded away
 * under a child that shares the number; such a child gets a number of its own.
 */
static __always_inline struct process *process__of(struct task *record)
{
	struct process *process;

	if (record->state == TASK_IGNORED)
		return NULL;
	if (record->number) {
		process = number__process(record->number);
		if (process)
			return process;
		record->number = 0;
	}
	if (!process__first_sight(record, NULL))
		return NULL;
	return number__process(record->number);
}

/* Books an event whose task has no process: not asked for, or no room for it. */
static __always_inline void count__no_process(__u32 kind, struct task *record)
{
	if (record->state == TASK_IGNORED || !bpf_get_current_task_btf()->mm)
		count__filtered(kind);
	else
		count__lost(kind, LOSS_NO_PROCESS);
}

/* Raises *limit to value. Bounded: a writer that loses eight times leaves it to the winners. */
static __always_inline void limit__raise(__u64 *limit, __u64 value)
{
	for (int i = 0; i < 8; i++) {
		__u64 old = *(volatile __u64 *)limit;

		if (old >= value || __sync_val_compare_and_swap(limit, old, value) == old)
			return;
	}
}

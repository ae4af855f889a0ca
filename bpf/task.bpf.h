/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifecycle: what a child inherits, a new number at exec, what an exit closes, and the last pass. */

__noinline int task__close_calls(struct task *record)
{
	struct process *process;

	if (!record || !record->nr_open)
		return 0;
	process = number__process(record->number);
	calls__close_returned(record, process, ~0ULL);
	return 0;
}

/*
 * Takes a task's open calls over, for closing: at the end the last pass and the task's own exit
 * may both come to do it.
 */
static __always_inline __u32 task__claim_calls(struct task *record)
{
	__u32 nr_open = __sync_lock_test_and_set(&record->nr_open, 0);

	return nr_open < MAX_OPEN_CALLS ? nr_open : MAX_OPEN_CALLS;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct task *record, *child_record;
	struct process *process;

	if (stacks)
		mappings__fork(parent, child);
	if (!active)
		return 0;
	record = task__make_record(parent);
	if (!record)
		return 0;
	process = process__of(record);
	if (!process)
		return 0;
	if (child->mm == parent->mm) {
		/* A thread, or a vfork child that shares everything until its exec. */
		child_record = task__make_record(child);
		if (!child_record) {
			count__loss(LOSS_NO_TASK_STORAGE);
			return 0;
		}
		child_record->number = record->number;
		child_record->state = TASK_MEASURED;
		child_record->inherits = follow_children;
		child_record->parent_id = NUMBER_ID(record->number);
		return 0;
	}
	child_record = task__make_record(child);
	if (!child_record) {
		count__loss(LOSS_NO_TASK_STORAGE);
		return 0;
	}
	child_record->inherits = follow_children;
	child_record->parent_id = NUMBER_ID(record->number);
	if (follows_rule)
		rule__fork(process, child->tgid);
	return 0;
}

/* Ends a number, once: by exit of its last thread or by exec. */
static __always_inline void process__end(struct process *process, __u64 number)
{
	if (__sync_val_compare_and_swap(&process->identity.ended, 0, 1))
		return;
	event__send(EVENT_END, number, process->identity.tgid, 0, NULL);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *program)
{
	struct process *process;
	struct task *record;
	__u64 number;

	if (!active)
		return 0;
	record = task__make_record(task);
	if (!record) {
		count__loss(LOSS_NO_TASK_STORAGE);
		return 0;
	}
	task__close_calls(record);
	number = record->number;
	process = number ? number__process(number) : NULL;
	record->execs = 1;
	if (process) {
		record->parent_id = NUMBER_ID(number);
		/* A vfork child leaves a number that its parent goes on with. */
		if (process->identity.tgid == (__u32)task->tgid) {
			record->execs = process->identity.execs + 1;
			process__end(process, number);
		}
	}
	if (target_mode == TARGET_COMMAND && (__u32)task->tgid == target_tgid)
		record->inherits = 1;
	record->number = 0;
	record->state = TASK_UNKNOWN;
	record->entered = 0;
	record->setting_sp = 0;
	record->move.begun_ns = 0;
	record->syscall = 0;
	record->fault.state = FAULT_IDLE;
	record->fault.rss_known = 0;
	__builtin_memset(record->fault.vmas, 0, sizeof(record->fault.vmas));
	record->fault.block_end = 0;
	if (process__first_sight(record, program) && stacks)
		mappings__exec(task);
	return 0;
}

static __noinline int task__close_at_exit(struct task *record)
{
	struct process *process = number__process(record->number);
	__u32 nr_open = task__claim_calls(record);

	if (follows_rule && process)
		rule__end_writing(process, record);
	for (int i = 0; i < MAX_OPEN_CALLS; i++) {
		if (!nr_open)
			break;
		nr_open--;
		call__close(process, &record->open[OPEN_INDEX(nr_open)]);
	}
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct task *record = task__record(task);
	struct process *process;

	if (stacks)
		mappings__exit(task);
	if (!record)
		return 0;
	/* After the end of the run too: the last pass does not meet a task that is gone. */
	task__close_at_exit(record);
	if (record->fault.state == FAULT_OPEN) {
		record->fault.state = FAULT_IDLE;
		process = number__process(record->number);
		if (process)
			ADD(process->counters.faults_unended, 1);
		count__recorded(KIND_FAULT);
	}
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	if (follows_rule)
		rule__forget_fork(task->tgid);
	if (!record->number) {
		record = task__record(task->group_leader);
		if (!record)
			return 0;
	}
	process = number__process(record->number);
	if (process && process->identity.tgid == (__u32)task->tgid)
		process__end(process, record->number);
	return 0;
}

/*
 * The first pass, before anything is counted: a record for each task, since where its first event
 * comes there may be no memory for one.
 */
SEC("iter/task")
int make_records(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || !task->mm || target_mode == TARGET_COMMAND)
		return 0;
	bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* What is still open in a task that runs no allocation program now, or leaves one. */
static __noinline int task__close_open(struct task *record, struct process *process)
{
	__u32 nr_open = task__claim_calls(record);

	for (int i = 0; i < MAX_OPEN_CALLS; i++) {
		struct open_call *call;
		bool is_free;

		if (!nr_open)
			break;
		nr_open--;
		call = &record->open[OPEN_INDEX(nr_open)];
		is_free = call->function == FUNCTION_FREE;
		if (process && !record->syscall && (is_free || depth != DEPTH_FULL))
			call__close(process, call);
		else
			count__lost(is_free ? KIND_FREE : KIND_ALLOC, LOSS_OPEN_AT_END);
	}
	return 0;
}

/*
 * The pass at the end of a window, when no request is looked at any more: what is open becomes a
 * request of this window. A task that a program is still at work for keeps its call until its next.
 */
SEC("iter/task")
int close_window(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task *record;

	if (!task)
		return 0;
	record = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!record || !record->nr_open)
		return 0;
	return task__close_open(record, number__process(record->number));
}

/*
 * The last pass, after the allocation probes are detached: what is still open becomes a request (no kernel
 * call was charged: pool), or a loss where the thread was inside the kernel at that moment.
 */
SEC("iter/task")
int close_open(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task *record;

	if (!task)
		return 0;
	record = bpf_task_storage_get(&tasks, task, 0, 0);
	if (!record)
		return 0;
	if (record->fault.state == FAULT_OPEN) {
		record->fault.state = FAULT_IDLE;
		count__lost(KIND_FAULT, LOSS_OPEN_AT_END);
	}
	return task__close_open(record, number__process(record->number));
}

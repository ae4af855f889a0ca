/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Up to 6.1: the resident set as the task caches it. The kernel counts pages in the task and folds
 * them into the mm after 64 faults, so that rss_stat tells of single pages only then. What a task
 * gained is the growth of its own counters since they were last looked at, and what was folded
 * away in between.
 */
#define MM_FILE 0
#define MM_ANON 1
#define MM_SWAP 2
#define MM_SHMEM 3

/* Inside a folding handle_mm_fault, and only there, the task has counted so many faults. */
#define RSS_FOLD_EVENTS 66

/* Pages gained or lost since the last look, by member; the next look starts from here. */
static __noinline int rss__look(struct open_fault *fault, __s32 *gained)
{
	struct task_struct___old_rss *task = (void *)bpf_get_current_task_btf();
	__s32 count[NR_RSS_MEMBERS] = {};

	if (!rss__is_cached_in_task() || !fault || !gained)
		return 0;
	bpf_core_read(count, sizeof(count), &task->rss_stat.count);
	for (int i = 0; i < NR_RSS_MEMBERS; i++) {
		gained[i] =
			fault->rss_known ? fault->rss_folded[i] + count[i] - fault->rss_seen[i] : 0;
		fault->rss_folded[i] = 0;
		fault->rss_seen[i] = count[i];
	}
	fault->rss_known = 1;
	return 0;
}

/* Anonymous pages gained outside a fault: populated by a system call of the task's own. */
static __noinline int rss__populated(struct process *process, struct open_fault *fault)
{
	__s32 gained[NR_RSS_MEMBERS] = {};

	if (!process || !fault)
		return 0;
	rss__look(fault, gained);
	if (gained[MM_ANON] > 0)
		ADD(process->counters.populated_bytes, (__u64)gained[MM_ANON] * page_size);
	return 0;
}

/* At rss_stat: is this the task folding its counter of this member away? Then its part is kept. */
static __always_inline bool rss__fold(struct open_fault *fault, __u32 member)
{
	struct task_struct___old_rss *task = (void *)bpf_get_current_task_btf();
	__s32 count[NR_RSS_MEMBERS] = {};

	if (!rss__is_cached_in_task() || BPF_CORE_READ(task, rss_stat.events) != RSS_FOLD_EVENTS ||
	    member >= NR_RSS_MEMBERS)
		return false;
	bpf_core_read(count, sizeof(count), &task->rss_stat.count);
	fault->rss_folded[member] += count[member] - fault->rss_seen[member];
	fault->rss_seen[member] = 0;
	return true;
}

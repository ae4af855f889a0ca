/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The books. Each event is counted once as seen and once by its outcome. Adds are atomic although
 * the element is per CPU: uprobe programs are preemptible from 6.0 on.
 */
#define ADD(field, value) ((void)__sync_fetch_and_add(&(field), (value)))

static __always_inline void count__event(__u32 kind, __u32 outcome)
{
	struct ledger *ledger;
	__u32 zero = 0;

	ledger = bpf_map_lookup_elem(&books, &zero);
	/* Else clang tests one copy of it and takes another, of which the verifier knows nothing. */
	barrier_var(kind);
	if (ledger && kind < NR_EVENT_KINDS && outcome < NR_OUTCOMES)
		ADD(ledger->events[kind][outcome], 1);
}

static __always_inline void count__loss(__u32 reason)
{
	struct ledger *ledger;
	__u32 zero = 0;

	ledger = bpf_map_lookup_elem(&books, &zero);
	if (ledger && reason < NR_LOSSES)
		ADD(ledger->losses[reason], 1);
}

static __always_inline void count__seen(__u32 kind)
{
	count__event(kind, OUTCOME_SEEN);
}

static __always_inline void count__recorded(__u32 kind)
{
	count__event(kind, OUTCOME_RECORDED);
}

static __always_inline void count__filtered(__u32 kind)
{
	count__event(kind, OUTCOME_FILTERED);
}

/* An event that is gone, with its reason. */
static __always_inline void count__lost(__u32 kind, __u32 reason)
{
	count__event(kind, OUTCOME_LOST);
	count__loss(reason);
}

/*
 * What the allocation programs take of a trap: all that run in one tick of eight are timed. Global
 * functions, which the verifier walks once, and not once more for each path of who calls them.
 */
#define TIMED_TICKS 7

/* 0: it is not timed. */
__noinline int work__begin(void)
{
	return bpf_jiffies64() & TIMED_TICKS ? 0 : (int)bpf_ktime_get_ns() | 1;
}

__noinline int work__end(int begun)
{
	__u32 took_ns = (__u32)bpf_ktime_get_ns() - (__u32)begun, zero = 0;
	struct ledger *ledger = bpf_map_lookup_elem(&books, &zero);

	if (!ledger)
		return 0;
	ADD(ledger->nr_timed, 1);
	ADD(ledger->timed_ns, took_ns);
	return 0;
}

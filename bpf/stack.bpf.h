/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks: taken, given a number that equal ones share whatever process they are of, and sent to the
 * user side once.
 */

/*
 * stack_numbers: hash of frames and status -> number. Written and read where a stack is taken. Of
 * 131,072 stacks two share a hash once in two billion runs. Full: counted as stacks_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_STACKS);
	__type(key, __u64);
	__type(value, __u32);
} stack_numbers SEC(".maps");

/*
 * stack_records: new stacks, struct stack_record and its frames. Full: counted as stack_ring_full,
 * and the stack is sent when it is met again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, STACK_RING_BYTES);
} stack_records SEC(".maps");

/* The user side is woken when so much waits. */
#define STACK_RING_WAKES (STACK_RING_BYTES / 8)

static __always_inline __u32 stack__number(struct unwind *unwind)
{
	__u64 hash = unwind->hash ^ unwind->record.status, flags = BPF_RB_NO_WAKEUP;
	__u32 *known, number, nr = unwind->record.nr_frames;

	hash = (hash ^ hash >> 47) * HASH_FACTOR;
	known = bpf_map_lookup_elem(&stack_numbers, &hash);
	if (known)
		return *known;
	if (*(volatile __u32 *)&nr_stacks >= MAX_STACKS) {
		count__loss(LOSS_STACKS_FULL);
		return 0;
	}
	number = __sync_fetch_and_add(&nr_stacks, 1) + 1;
	unwind->record.number = number;
	if (bpf_ringbuf_query(&stack_records, BPF_RB_AVAIL_DATA) > STACK_RING_WAKES)
		flags = BPF_RB_FORCE_WAKEUP;
	nr &= MAX_STACK_FRAMES;
	if (bpf_ringbuf_output(&stack_records, &unwind->record,
			       sizeof(unwind->record) + nr * sizeof(__u64), flags)) {
		count__loss(LOSS_STACK_RING_FULL);
		return 0;
	}
	if (bpf_map_update_elem(&stack_numbers, &hash, &number, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&stack_numbers, &hash); /* another CPU was first */
		if (known)
			return *known;
	}
	return number;
}

/* Takes the current task's user stack. Its number, or 0: lost, with the reason counted. */
__noinline __u32 stack__take(__u32 begins)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, number, slot, seq;
	struct mappings *table;
	struct unwind *unwind;

	for (int i = 0; i < MAX_UNWINDS; i++) {
		slot = i; /* a copy: the verifier does not keep count of what lies on the stack */
		unwind = bpf_map_lookup_elem(&unwinds, &slot);
		if (!unwind)
			return 0;
		if (!__sync_lock_test_and_set(&unwind->busy, 1))
			goto claimed;
	}
	count__loss(LOSS_UNWINDS_BUSY);
	return 0;

claimed:
	unwind__begin(unwind, begins);
	if (kernel_frames && begins == STACK_IN_KERNEL)
		kernel_stack__push(slot);
	/* Stays this process's: it is deleted when the last thread exits. */
	table = bpf_map_lookup_elem(&mappings, &tgid);
	seq = table ? *(volatile __u32 *)&table->seq : 0;
	for (int i = 0; i < MAX_STACK_FRAMES + 1; i++) {
		if (unwind__step(table, slot))
			break;
	}
	/* Odd while they are being changed. */
	if (table && ((seq & 1) || *(volatile __u32 *)&table->seq != seq))
		unwind__end(unwind, STACK_RACE);
	number = stack__number(unwind);
	__sync_lock_test_and_set(&unwind->busy, 0);
	return number;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the following of a threshold begins: at exec, at fork, or in the middle of a process's
 * life. See rule.bpf.h.
 */
#define RULE_DEFAULT (128ULL << 10)
#define RULE_MAPS_MAX 65536
#define NO_MAPS_PEAK (-(1LL << 62))

/*
 * rules: slot -> what is followed of that process. Written here, read through a memory mapping by
 * the user side, which fills in pending states. 10,240 slots of 312 bytes with threshold or record,
 * 1 otherwise. Never full: as many as processes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PROCESSES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

/*
 * forked_rules: tgid of a child that has no number yet -> its parent's state at the fork. Written
 * at fork, deleted at first sight, exec or exit. 10,240 elements as rules. Full: the child's
 * threshold is not known (late).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct rule_state);
} forked_rules SEC(".maps");

struct environment_text {
	char text[256];
};

/* environment_texts: element 0, per CPU: a part of an environment that is looked through at exec. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct environment_text);
} environment_texts SEC(".maps");

static __always_inline struct rule *rule__of(struct process *process)
{
	__u32 slot = process->identity.slot;

	return bpf_map_lookup_elem(&rules, &slot);
}

static __always_inline bool rule__is_known(struct rule *rule)
{
	return rule->state.low == rule->state.high;
}

/*
 * MALLOC_TRIM_THRESHOLD_, MALLOC_TOP_PAD_, MALLOC_MMAP_THRESHOLD_, MALLOC_MMAP_MAX_ and
 * GLIBC_TUNABLES, by their first 16 and 8 bytes as they lie in memory.
 */
static __always_inline bool text__may_set_rule(const char *text)
{
	__u64 first = *(__u64 *)text, second = *(__u64 *)(text + 8);

	if (first == 0x545f434f4c4c414dULL)
		return second == 0x455248545f4d4952ULL || second == 0x3d5f4441505f504fULL;
	if (first == 0x4d5f434f4c4c414dULL)
		return second == 0x455248545f50414dULL || second == 0x5f58414d5f50414dULL;
	return first == 0x55545f4342494c47ULL;
}

/*
 * Bytes of what stands at a place of the current task's environment, up to and with its end; 0: one
 * of the variables does, where one begins there, or it cannot be read.
 */
__noinline __u32 environment__pass(__u64 at, __u32 begins)
{
	struct environment_text *part;
	__u32 zero = 0;
	long length;

	part = bpf_map_lookup_elem(&environment_texts, &zero);
	if (!part)
		return 0;
	length = bpf_probe_read_user_str(part->text, sizeof(part->text), (void *)at);
	if (length <= 0 || (begins && length > 15 && text__may_set_rule(part->text)))
		return 0;
	return length;
}

/* Does the current task's environment, as exec laid it out, name one of them? 1 where not known. */
__noinline int environment__may_set_rule(void)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	__u32 begins = 1, length;
	__u64 at, end;

	if (!mm)
		return 1;
	at = BPF_CORE_READ(mm, env_start);
	end = BPF_CORE_READ(mm, env_end);
	for (int i = 0; i < MAX_ENVIRONMENT; i++) {
		if (at >= end)
			return 0;
		length = environment__pass(at, begins);
		if (!length)
			return 1;
		/* 1 or 0 without a branch, which the verifier would follow both ways. */
		begins = (length - (__u32)sizeof(struct environment_text)) >> 31;
		at += length + begins - 1;
	}
	return 1;
}

static __always_inline void rule_state__set_default(struct rule_state *state)
{
	state->low = RULE_DEFAULT;
	state->high = RULE_DEFAULT;
	state->trim_threshold = RULE_DEFAULT;
	state->top_pad = RULE_DEFAULT;
	state->maps_max = RULE_MAPS_MAX;
	state->maps = 0;
	state->pins = 0;
}

/* Where the following of a process's threshold begins. */
enum rule_begin {
	RULE_BEGIN_SEEN, /* as a forked child, or in the middle of its life */
	RULE_BEGIN_EXEC,
	RULE_BEGIN_SECURE, /* an exec of a program with rights of its own */
};

static __always_inline __u32 program__begins_rule(struct linux_binprm *program)
{
	if (!program)
		return RULE_BEGIN_SEEN;
	return BPF_CORE_READ_BITFIELD_PROBED(program, secureexec) ? RULE_BEGIN_SECURE :
								    RULE_BEGIN_EXEC;
}

/* A process was given its number. */
__noinline int rule__begin(struct process *process, __u32 begins)
{
	struct rule_state *forked;
	struct rule *rule;
	__u32 tgid;

	if (!process)
		return 0;
	rule = rule__of(process);
	if (!rule)
		return 0;
	tgid = process->identity.tgid;
	rule->brk_peak = process->identity.brk_base;
	rule->maps_peak = NO_MAPS_PEAK;
	rule_state__set_default(&rule->state);
	forked = bpf_map_lookup_elem(&forked_rules, &tgid);
	if (begins != RULE_BEGIN_SEEN) {
		rule->state.origin = RULE_EXEC;
		/* The loader forgets it all for programs with rights of their own. */
		if (begins == RULE_BEGIN_EXEC && environment__may_set_rule()) {
			rule->state = command_rule;
			if (!command_rule.low)
				rule->state.high = ~0ULL;
		}
	} else if (forked) {
		rule->state = *forked;
		if (rule->state.origin != RULE_LATE && rule->state.origin != RULE_PENDING)
			rule->state.origin = RULE_FORK;
	} else {
		rule->state.low = 0;
		rule->state.high = ~0ULL;
		rule->state.origin = RULE_LATE;
	}
	if (forked)
		bpf_map_delete_elem(&forked_rules, &tgid);
	return 0;
}

/* The child's address space is the parent's of this moment. */
static __noinline int rule__fork(struct process *process, __u32 child_tgid)
{
	struct rule *rule = rule__of(process);

	if (rule)
		bpf_map_update_elem(&forked_rules, &child_tgid, &rule->state, BPF_ANY);
	return 0;
}

static __always_inline void rule__forget_fork(__u32 tgid)
{
	bpf_map_delete_elem(&forked_rules, &tgid);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mallopt, and what other threads do meanwhile: until it has returned nobody knows whether they go
 * by what was before or by what it sets. See rule.bpf.h.
 */
#define RULE_LARGEST (32ULL << 20) /* frees of larger ones move nothing */

#define M_TRIM_THRESHOLD (-1)
#define M_TOP_PAD (-2)
#define M_MMAP_THRESHOLD (-3)
#define M_MMAP_MAX (-4)

static __always_inline void rule__note_move(struct rule *rule, __u64 now)
{
	rule->moved_ns = now;
	rule->judged_before = rule->judged;
}

/* mallopt has returned, or its thread goes on without that having been seen. */
static __noinline int rule__end_setting(struct process *process, struct task *record)
{
	struct rule *rule = rule__of(process);

	record->setting_sp = 0;
	if (!rule)
		return 0;
	ADD(rule->settings, 1);
	if (rule->setting)
		ADD(rule->setting, -1);
	if (!rule->setting)
		rule->pinning = 0;
	return 0;
}

/* What is in force when a thread's outermost call begins. */
static __noinline int rule__note_begin(struct process *process, struct task *record)
{
	struct rule *rule = rule__of(process);

	if (record->setting_sp)
		rule__end_setting(process, record);
	if (!rule)
		return 0;
	record->threshold = rule__is_known(rule) ? rule->state.low : 0;
	record->maps_max = rule->state.maps_max;
	record->settings = rule->settings;
	return 0;
}

/* Did another thread's mallopt run at any time of this one's outermost call? */
static __always_inline bool rule__was_set(struct rule *rule, struct task *record)
{
	return rule->setting || (record && record->settings != rule->settings);
}

/* The free of a chunk has come to its munmap: what it did to the threshold is done. */
static __noinline int rule__end_move(struct process *process, struct open_call *call)
{
	struct rule *rule = rule__of(process);

	call->did &= ~DID_MOVE;
	if (rule && rule->moving)
		ADD(rule->moving, -1);
	return 0;
}

/* A free that would move the threshold, while it is pinned: it may have come before the pin. */
static __noinline int rule__doubt_pin(struct rule *rule, __u64 chunk)
{
	struct rule_state *state = &rule->state;

	if (!rule->pinning || chunk <= state->high)
		return 0;
	if (!rule->doubts)
		rule->previous = state->low;
	rule->doubts++;
	state->high = chunk;
	return 0;
}

/* Two thresholds, and a request between them: it is the one or the other. */
static __noinline int rule__end_doubt(struct rule *rule, __u64 chunk, bool mapped)
{
	struct rule_state *state = &rule->state;

	if (mapped)
		state->high = rule->doubts == 1 ? state->low : chunk;
	else
		state->low = rule->doubts == 1 ? state->high : chunk + 1;
	if (!rule__is_known(rule))
		return 0;
	rule->doubts = 0;
	if (!(state->pins & (RULE_PIN_TRIM << RULE_PIN_CALLED)))
		state->trim_threshold = 2 * state->low;
	return 0;
}

/* The first call that pins, and not by setting the threshold itself. */
static __always_inline void rule__begin_pin(struct rule *rule)
{
	struct rule_state *state = &rule->state;

	if (!rule__is_known(rule))
		return;
	rule->pinning = 1;
	/* Frees that have not come to their munmap: the pin may have come before their move. */
	if (rule->moving && rule->previous && rule->previous < state->low) {
		state->low = rule->previous;
		rule->doubts = rule->moving;
	}
}

static __always_inline void rule__set_threshold(struct rule *rule, __u64 value)
{
	struct rule_state *state = &rule->state;

	rule->previous = rule__is_known(rule) ? state->low : 0;
	rule__note_move(rule, bpf_ktime_get_ns());
	rule->pinning = 0;
	rule->doubts = 0;
	state->low = state->high = value;
}

/* mallopt(parameter, value). Any value for these four ends the threshold's moving. */
static __noinline int rule__set(struct rule *rule, __s32 parameter, __s32 value, __u32 flags)
{
	struct rule_state *state = &rule->state;

	if (!state->pins && parameter != M_MMAP_THRESHOLD && parameter <= M_TRIM_THRESHOLD &&
	    parameter >= M_MMAP_MAX)
		rule__begin_pin(rule);
	switch (parameter) {
	case M_TRIM_THRESHOLD:
		state->trim_threshold = (__u64)(__s64)value;
		state->pins |= RULE_PIN_TRIM << RULE_PIN_CALLED;
		break;
	case M_TOP_PAD:
		state->top_pad = (__u64)(__s64)value;
		state->pins |= RULE_PIN_TOP_PAD << RULE_PIN_CALLED;
		break;
	case M_MMAP_THRESHOLD:
		if ((flags & FILE_THRESHOLD_CAPPED) && (__u64)(__s64)value > RULE_LARGEST)
			break;
		rule__set_threshold(rule, (__u64)(__s64)value);
		state->pins |= RULE_PIN_THRESHOLD << RULE_PIN_CALLED;
		break;
	case M_MMAP_MAX:
		state->maps_max = value > 0 ? (__u64)value : 0;
		rule->maps_peak = NO_MAPS_PEAK;
		state->pins |= RULE_PIN_MAPS_MAX << RULE_PIN_CALLED;
		break;
	}
	return 0;
}

/* The entry of mallopt. 1: its return is wanted. */
__noinline int rule__begin_setting(struct process *process, struct task *record, __u64 sp,
				   __u64 arguments, __u32 flags)
{
	struct rule *rule;

	if (!process || !record)
		return 0;
	rule = rule__of(process);
	if (!rule || !(flags & FILE_GLIBC))
		return 0;
	if (record->setting_sp)
		rule__end_setting(process, record);
	record->setting_sp = sp;
	rule->maps_max_before = rule->state.maps_max;
	ADD(rule->setting, 1);
	rule__set(rule, (__s32)arguments, (__s32)(arguments >> 32), flags);
	return 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who writes a threshold: frees and mallopt, each for as long as it may be about to. In that time
 * the threshold is a bracket that holds what was and what will be; when the last of those that
 * overlap is done it lies where one of them has put it. See rule.bpf.h.
 */
#define RULE_LARGEST (32ULL << 20) /* frees of larger ones move nothing */
#define RULE_LOCK_TRIES 64

#define M_TRIM_THRESHOLD (-1)
#define M_TOP_PAD (-2)
#define M_MMAP_THRESHOLD (-3)
#define M_MMAP_MAX (-4)

/* May be taken without success, where its holder is not running: a bracket may be too narrow then. */
static __always_inline bool rule__lock(struct rule *rule)
{
	for (int i = 0; i < RULE_LOCK_TRIES; i++)
		if (!__sync_val_compare_and_swap(&rule->lock, 0, 1))
			return true;
	return false;
}

static __always_inline void rule__unlock(struct rule *rule, bool locked)
{
	if (locked)
		__sync_lock_test_and_set(&rule->lock, 0);
}

static __always_inline struct rule_event *rule_event__reserve(struct process *process, __u32 type)
{
	struct rule_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count__loss(LOSS_RING_FULL);
		return NULL;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->id = process->identity.id;
	event->time_ns = bpf_ktime_get_ns();
	return event;
}

static __noinline int rule_move__send(struct process *process, struct open_move *move, __u64 from)
{
	struct rule_event *event = rule_event__reserve(process, EVENT_MOVE);

	if (!event)
		return 0;
	event->time_ns = move->begun_ns;
	event->from = from;
	event->to = move->to;
	event->caller = move->caller;
	event->stack = move->stack;
	event->by = move->by;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __noinline int rule_move__send_done(struct process *process, __u64 begun_ns, __u64 low,
					   __u64 high)
{
	struct rule_event *event = rule_event__reserve(process, EVENT_MOVED);

	if (!event)
		return 0;
	event->size = begun_ns;
	event->from = low;
	event->to = high;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Was the process met in the middle of its life, and nothing set since what it did before? */
static __always_inline bool rule__is_late(struct rule *rule)
{
	return !rule__is_known(rule) &&
	       (rule->state.origin == RULE_LATE || rule->state.origin == RULE_PENDING);
}

/* Can a free still move it? While the first call that pins it runs, it may come before that. */
static __always_inline bool rule__moves(struct rule *rule)
{
	return !rule->state.pins || rule->pinning;
}

/* What may be written last, of all that overlap. Locked. */
static __always_inline void rule__widen(struct rule *rule, struct open_move *move)
{
	struct rule_state *state = &rule->state;
	__u64 low = move->to, high = move->to;

	if (move->by == RULE_PIN_THRESHOLD) {
		rule->before_low = state->low;
		rule->before_high = state->high;
		rule->sets++;
	}
	if (!rule->writers) {
		rule->final_low = ~0ULL;
		rule->final_high = 0;
		/* Of a bracket nobody knows how many it stands for. */
		rule->candidates = rule__is_known(rule) ? 0 : 2;
	}
	if (move->by && move->by != RULE_PIN_THRESHOLD) {
		low = state->low;
		high = state->high;
	} else if (!move->by && !rule->writers && state->high > high) {
		high = state->high; /* in a bracket: only if it is lower */
	}
	rule->writers++;
	rule->pinning += move->pins;
	if (rule->candidates < 3)
		rule->candidates++;
	if (low < rule->final_low)
		rule->final_low = low;
	if (high > rule->final_high)
		rule->final_high = high;
	if (low < state->low)
		state->low = low;
	if (high > state->high)
		state->high = high;
}

/* record->move is filled in: its free or mallopt is about to write it. */
static __noinline int rule__begin_write(struct process *process, struct task *record)
{
	struct rule *rule = rule__of(process);
	struct open_move *move = &record->move;
	__u64 from;
	bool locked;

	if (!rule)
		return 0;
	locked = rule__lock(rule);
	if (!move->by && !rule__moves(rule)) {
		rule__unlock(rule, locked);
		return 0;
	}
	from = rule__is_known(rule) ? rule->state.low : 0;
	move->begun_ns = bpf_ktime_get_ns();
	rule__widen(rule, move);
	rule__unlock(rule, locked);
	ADD(rule->moves, 1);
	if (rule->moves <= MAX_RULE_MOVES)
		rule_move__send(process, move, from);
	return 0;
}

/* A free has come to its munmap, a mallopt has returned: what it does to the threshold is done. */
__noinline int rule__end_write(struct process *process, struct task *record)
{
	struct open_move *move;
	struct rule *rule;
	__u64 begun_ns;
	struct rule_state *state;
	bool locked;

	if (!process || !record)
		return 0;
	rule = rule__of(process);
	move = &record->move;
	begun_ns = move->begun_ns;
	move->begun_ns = 0;
	if (!rule || !begun_ns)
		return 0;
	state = &rule->state;
	locked = rule__lock(rule);
	if (rule->pinning >= move->pins)
		rule->pinning -= move->pins;
	if (rule->writers)
		rule->writers--;
	if (!rule->writers) {
		state->low = rule->final_low;
		state->high = rule->final_high;
		if (!state->pins && rule__is_known(rule))
			state->trim_threshold = 2 * state->low;
	}
	rule__unlock(rule, locked);
	if (rule->moves <= MAX_RULE_MOVES)
		rule_move__send_done(process, begun_ns, state->low, state->high);
	return 0;
}

/* mallopt or a free has returned, or its thread goes on without that having been seen. */
static __noinline int rule__end_writing(struct process *process, struct task *record)
{
	struct rule *rule = rule__of(process);

	if (record->move.begun_ns)
		rule__end_write(process, record);
	if (!record->setting_sp)
		return 0;
	record->setting_sp = 0;
	if (!rule)
		return 0;
	ADD(rule->settings, 1);
	if (rule->setting)
		ADD(rule->setting, -1);
	return 0;
}

/* What is in force when a thread's outermost call begins. */
static __noinline int rule__note_begin(struct process *process, struct task *record)
{
	struct rule *rule = rule__of(process);

	rule__end_writing(process, record);
	if (!rule)
		return 0;
	record->low = rule->state.low;
	record->high = rule->state.high;
	record->maps_max = rule->state.maps_max;
	record->settings = rule->settings;
	record->sets = rule->sets;
	return 0;
}

/* Did another thread's mallopt run at any time of this one's outermost call? */
static __always_inline bool rule__was_set(struct rule *rule, struct task *record)
{
	return rule->setting || (record && record->settings != rule->settings);
}

/* mallopt(parameter, value). Any value for these four ends the threshold's moving. */
static __noinline int rule__set(struct rule *rule, __s32 parameter, __s32 value)
{
	struct rule_state *state = &rule->state;

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

/* What mallopt does to the threshold itself: it sets it, or is the first to pin it where it is. */
static __always_inline void rule__begin_pin(struct process *process, struct task *record,
					    struct rule *rule, __s32 parameter, __s32 value)
{
	struct open_move *move = &record->move;

	move->by = 1U << (M_TRIM_THRESHOLD - parameter);
	move->pins = rule__moves(rule);
	if (parameter == M_MMAP_THRESHOLD)
		move->to = (__u64)(__s64)value;
	else
		move->to = rule__is_known(rule) ? rule->state.low : 0;
	if (parameter == M_MMAP_THRESHOLD || !rule->state.pins)
		rule__begin_write(process, record);
}

/* The entry of mallopt; record->setting_sp is its. 0: its return is wanted. */
__noinline int rule__begin_setting(struct process *process, struct task *record, __s32 parameter,
				   __s32 value, __u32 flags)
{
	struct rule *rule;

	if (!process || !record)
		return 1;
	rule = rule__of(process);
	if (!rule || parameter > M_TRIM_THRESHOLD || parameter < M_MMAP_MAX ||
	    (parameter == M_MMAP_THRESHOLD && (flags & FILE_THRESHOLD_CAPPED) &&
	     (__u64)(__s64)value > RULE_LARGEST)) {
		record->setting_sp = 0;
		return 1;
	}
	rule->maps_max_before = rule->state.maps_max;
	ADD(rule->setting, 1);
	rule__begin_pin(process, record, rule, parameter, value);
	rule__set(rule, parameter, value);
	return 0;
}

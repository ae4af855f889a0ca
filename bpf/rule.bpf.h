/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glibc's mmap threshold, followed event by event (DESIGN.md 'Words', README 'The 128 KiB rule').
 * A free of a chunk with a mapping of its own that is larger than the threshold and at most 32 MiB
 * moves it there; mallopt and the environment pin it (rule_setting.bpf.h). What is not known is
 * kept as a bracket that holds it. All of it stands behind follows_rule. The only writers of
 * rules, but for pending states.
 */
#define CHUNK_MAPPED 2ULL
#define CHUNK_FLAGS 7ULL
#define CHUNK_ALIGN 15ULL
#define CHUNK_LEAST 32ULL
#define RULE_ARENA_BYTES (64ULL << 20) /* a secondary arena's heap */

/* A request of size was judged. */
static __noinline int rule_event__send(struct process *process, struct open_call *call,
				       struct rule *rule, __u32 weight)
{
	struct rule_event *event = rule_event__reserve(process, EVENT_JUDGED);

	if (!event)
		return 0;
	event->size = call->size;
	event->from = rule__is_known(rule) ? rule->state.low : 0;
	event->to = event->from;
	event->caller = call->ret;
	event->weight = weight;
	event->path = call__path(call);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Is the call one of the glibc that the process uses? Another copy of it has its own threshold. */
static __always_inline bool call__follows_rule(struct process *process, struct open_call *call)
{
	__u32 file = call->handed_on ? call->inner_file : call->file;
	__u64 bias = call->handed_on ? call->inner_bias : call->bias;

	if (!(file__flags(file) & FILE_GLIBC))
		return false;
	return call->handed_on || bias == process->identity.bias;
}

/* The word before a block: the chunk's size and flags. 0: not to be had. */
static __always_inline __u64 block__header(__u64 address)
{
	__u64 header = 0;

	bpf_probe_read_user(&header, sizeof(header), (void *)(address - 8));
	return header;
}

/*
 * The free of a chunk with a mapping of its own: may it move a threshold that is followed? Of one
 * that is not, the bracket gets room for it.
 */
static __noinline int rule__will_move(struct rule *rule, __u64 header)
{
	__u64 chunk = header & ~CHUNK_FLAGS;
	struct rule_state *state;

	if (!rule)
		return 0;
	state = &rule->state;
	/* glibc compares with the flag in it. */
	if (header > RULE_LARGEST || !rule__moves(rule))
		return 0;
	if (rule__is_late(rule) && !rule->writers) {
		if (state->high < chunk)
			state->high = chunk;
		return 0;
	}
	/* With the flag in it a chunk of just that size moves it too, to where it is. */
	return chunk > state->low;
}

/* Its stack was taken. Another thread may have moved the threshold further in the meantime. */
static __noinline int rule__move(struct process *process, struct task *record,
				 struct open_call *call)
{
	__u64 header = block__header(call->argument);

	if (!rule__will_move(rule__of(process), header))
		return 0;
	record->move.to = header & ~CHUNK_FLAGS;
	record->move.caller = call->ret;
	record->move.stack = call->stack;
	record->move.by = 0;
	record->move.pins = 0;
	call->did |= DID_MOVE;
	rule__begin_write(process, record);
	return 0;
}

/* The entry of a free, or of a realloc with an old block. 1: rule__move() has to follow. */
__noinline int rule__release(struct process *process, struct open_call *call)
{
	struct rule *rule;
	__u64 header;

	if (!process || !call || !call__follows_rule(process, call))
		return 0;
	header = block__header(call->argument);
	if (!(header & CHUNK_MAPPED))
		return 0;
	if (call->function != FUNCTION_FREE) {
		call->did |= DID_OLD_MAPPED;
		return 0;
	}
	rule = rule__of(process);
	if (!rule)
		return 0;
	ADD(rule->state.maps, -1);
	ADD(rule->mapped_released, 1);
	if (call->old_known)
		ADD(rule->mapped_live, -(header & ~CHUNK_FLAGS));
	return rule__will_move(rule, header);
}

/* The chunk that glibc looks for: of an aligned block more than it needs, to cut from. */
static __always_inline __u64 call__chunk(struct open_call *call)
{
	__u64 size = call->size, alignment = call->alignment, chunk;

	if (call->function == FUNCTION_PVALLOC)
		size = (size + page_size - 1) & ~(page_size - 1);
	chunk = (size + 8 + CHUNK_ALIGN) & ~CHUNK_ALIGN;
	if (chunk < CHUNK_LEAST)
		chunk = CHUNK_LEAST;
	if (alignment <= CHUNK_ALIGN + 1)
		return chunk;
	if (alignment < CHUNK_LEAST)
		alignment = CHUNK_LEAST;
	return (chunk + alignment + CHUNK_LEAST + 8 + CHUNK_ALIGN) & ~CHUNK_ALIGN;
}

/*
 * Can the threshold have been such that a chunk was below it and not, since its call began? Frees
 * raise it: it was what it was then, what it is, what it was when mallopt set it, or in between.
 */
static __noinline int rule__was_raced(struct rule *rule, __u64 chunk)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	__u64 low = rule->state.low, high = rule->state.high;

	if (record) {
		__u64 sets = rule->sets - record->sets;

		if (sets > 1) /* one may have come and gone */
			return 1;
		if (sets) {
			low = rule->before_low < low ? rule->before_low : low;
			high = rule->before_high > high ? rule->before_high : high;
		}
		low = record->low < low ? record->low : low;
		high = record->high > high ? record->high : high;
	}
	return chunk >= low && chunk < high;
}

/* A request in a bracket in which nobody writes: it tells on which side of it the threshold is. */
static __noinline int rule__end_doubt(struct rule *rule, struct task *record, __u64 chunk,
				      bool mapped)
{
	struct rule_state *state = &rule->state;
	bool locked = rule__lock(rule);

	if (!rule->writers && record->low == state->low && record->high == state->high &&
	    !rule__was_set(rule, record)) {
		if (mapped)
			state->high = rule->candidates == 2 ? state->low : chunk;
		else
			state->low = rule->candidates == 2 ? state->high : chunk + 1;
		/* The higher one of a mallopt and a free is the free's. */
		if (rule__is_known(rule) && (!state->pins || !mapped) &&
		    !(state->pins & (RULE_PIN_TRIM | RULE_PIN_THRESHOLD) << RULE_PIN_CALLED))
			state->trim_threshold = 2 * state->low;
	}
	rule__unlock(rule, locked);
	return 0;
}

/*
 * glibc counts a mapping after it is made, and out before it is unmapped: one off a thread. While
 * another thread sets the limit, the one before may be in force.
 */
static __noinline int rule__was_at_limit(struct rule *rule)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	__u32 nr_threads = BPF_CORE_READ(bpf_get_current_task_btf(), signal, nr_threads);
	__u64 maps = rule->state.maps > 0 ? (__u64)rule->state.maps : 0;
	__u64 limit = rule->state.maps_max;

	if (nr_threads < 2)
		return 0;
	if (rule__was_set(rule, record)) {
		if (rule->maps_max_before < limit)
			limit = rule->maps_max_before;
		if (record && record->maps_max < limit)
			limit = record->maps_max;
	}
	return maps + nr_threads > limit;
}

/* Why a request went against the threshold; NR_RULE_REASONS: nothing explains it. */
static __noinline __u32 rule__reason(struct rule *rule, struct open_call *call, __u64 chunk,
				     bool mapped)
{
	__u64 maps = rule->state.maps > 0 ? (__u64)rule->state.maps : 0;

	if (mapped) {
		if (call->did & DID_REMAP)
			return RULE_REMAPPED;
		if ((call->did & DID_HAS_FAILED) || chunk > RULE_ARENA_BYTES / 2)
			return RULE_SECONDARY_ARENA;
	} else {
		if (call->did & DID_MMAP_FAILED)
			return RULE_MMAP_FAILED;
		if (maps >= rule->state.maps_max)
			return RULE_MAP_LIMIT;
		if (call->did & DID_FIRST)
			return call->did & DID_ARENA ? RULE_SECONDARY_ARENA : RULE_FIRST_GROWTH;
	}
	if (!mapped && rule__was_at_limit(rule))
		return RULE_RACED;
	return rule__was_raced(rule, chunk) ? RULE_RACED : NR_RULE_REASONS;
}

/* What a request tells of a threshold that is not known. */
static __noinline int rule__narrow(struct rule *rule, struct open_call *call, __u64 chunk,
				   bool mapped)
{
	struct rule_state *state = &rule->state;

	ADD(rule->undecided, 1);
	if (mapped && !(call->did & (DID_REMAP | DID_HAS_FAILED)) && chunk < state->high)
		state->high = chunk;
	/* M_MMAP_MAX may have been set before we came: only where more mappings could be made. */
	if (!mapped && state->maps < rule->maps_peak && chunk >= state->low &&
	    !(call->did & (DID_MMAP_FAILED | DID_FIRST)))
		state->low = chunk + 1;
	if (state->low >= state->high) /* the two contradict: it moved in a way that was not seen */
		state->low = mapped ? 0 : state->low;
	if (state->low >= state->high)
		state->high = ~0ULL;
	return 0;
}

/*
 * A request in the bracket: it tells on which side of it the threshold is, unless something else
 * explains how it went. Either way it is not held to be right.
 */
static __noinline int rule__settle(struct rule *rule, struct open_call *call, __u64 chunk,
				   bool mapped)
{
	struct task *record = task__record(bpf_get_current_task_btf());
	__u32 reason = NR_RULE_REASONS;

	/* Where it is mapped, it is asked why it would be below all of them. */
	if (!mapped || (call->did & (DID_REMAP | DID_HAS_FAILED)))
		reason = rule__reason(rule, call, chunk, mapped);
	if (reason < RULE_RACED) {
		ADD(rule->disagree[reason], 1);
		return 0;
	}
	ADD(rule->disagree[RULE_RACED], 1);
	if (record && (mapped || !rule__was_at_limit(rule)))
		rule__end_doubt(rule, record, chunk, mapped);
	return 0;
}

static __noinline int rule__judge_growth(struct rule *rule, struct open_call *call, __u64 chunk,
					 bool mapped)
{
	__u64 threshold = rule->state.low;
	__u32 reason;

	ADD(rule->judged, 1);
	if (rule__is_late(rule))
		return rule__narrow(rule, call, chunk, mapped);
	if (chunk >= threshold && chunk < rule->state.high)
		return rule__settle(rule, call, chunk, mapped);
	/* At the limit no chunk is mapped, whatever its size. */
	if (mapped == (chunk >= threshold)) {
		ADD(rule->agree, 1);
		return 0;
	}
	reason = rule__reason(rule, call, chunk, mapped);
	if (reason < NR_RULE_REASONS)
		ADD(rule->disagree[reason], 1);
	else
		ADD(rule->unexplained, 1);
	return 0;
}

static __always_inline void rule__note_mapping(struct rule *rule, struct open_call *call,
					       __u64 bytes)
{
	__s64 maps;
	__u64 live;

	if (call->did & DID_REMAP) {
		live = __sync_fetch_and_add(&rule->mapped_live, bytes - call->remapped_from) +
		       bytes - call->remapped_from;
	} else {
		maps = __sync_fetch_and_add(&rule->state.maps, 1) + 1;
		if (maps > rule->maps_peak)
			rule->maps_peak = maps;
		ADD(rule->mapped, 1);
		limit__raise(&rule->mapped_largest, bytes);
		live = __sync_fetch_and_add(&rule->mapped_live, bytes) + bytes;
	}
	limit__raise(&rule->mapped_peak, live);
}

/* All of the first requests, then fewer and fewer. 0: this one is not told of. */
static __always_inline __u32 rule__weight(__u64 judged)
{
	__u32 bit = size_class__msb(judged | 1);
	__u32 shift = bit > RULE_POINTS_SHIFT ? bit - RULE_POINTS_SHIFT : 0;

	return judged & ((1ULL << (shift & 63)) - 1) ? 0 : 1U << (shift & 31);
}

/* A request has returned with a block at address. */
__noinline int rule__judge(struct process *process, struct open_call *call, __u64 address)
{
	__u64 header, chunk;
	struct rule *rule;
	bool mapped, grew;
	__u32 weight;

	if (!process || !call || !call__follows_rule(process, call))
		return 0;
	rule = rule__of(process);
	if (!rule)
		return 0;
	header = block__header(address);
	mapped = header & CHUNK_MAPPED;
	grew = call->did & DID_GROW;
	if ((call->did & DID_OLD_MAPPED) && (call->did & DID_MUNMAP)) {
		ADD(rule->state.maps, -1);
		if (call->old_known)
			ADD(rule->mapped_live,
			    -((call->old_size + 16 + page_size - 1) & ~(page_size - 1)));
	}
	if (mapped && grew)
		rule__note_mapping(rule, call, header & ~CHUNK_FLAGS);
	if (!call->alignment) {
		if (mapped)
			limit__raise(&rule->smallest_mapped, ~call->size);
		else
			limit__raise(&rule->largest_not_mapped, call->size + 1);
		if (!mapped && rule->smallest_mapped && call->size >= ~rule->smallest_mapped)
			ADD(rule->crossings, 1);
	}
	if (!grew)
		return 0;
	chunk = call__chunk(call);
	rule__judge_growth(rule, call, chunk, mapped);
	weight = rule__weight(rule->judged);
	if (weight)
		rule_event__send(process, call, rule, weight);
	return 0;
}

/* The break has moved: how far it went to and fro is what another trim threshold would spare. */
static __noinline int rule__break(struct process *process, __u64 from, __u64 to)
{
	struct rule *rule = rule__of(process);

	if (!rule)
		return 0;
	if (to > from) {
		ADD(rule->brk_growths, 1);
		limit__raise(&rule->brk_peak, to);
	} else {
		ADD(rule->brk_trims, 1);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked for, by stack. Requests are sampled by bytes: as if points fell on the bytes asked
 * for, sample_bytes apart on average and independently of each other, and a request is taken if one
 * falls on it. That happens with probability 1 - exp(-size / sample_bytes), and each one taken
 * stands for as many as the inverse of it, so that sums are right on average whatever the sizes.
 * Kernel events are taken whole up to a rate, then one in a power of two.
 */

/*
 * samples: (process, stack, size class, path, function, kind) -> events. Written by sample__count
 * with atomic adds, read by the user side, which deletes those of folded processes. 131,072 rows of
 * 104 bytes with stacks, else 1. Full: counted as samples_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SAMPLES);
	__type(key, struct sample_key);
	__type(value, struct sample_row);
} samples SEC(".maps");

/* sample_tables: element 0, the functions that sampling needs. Written before load, never after. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct sample_tables);
} sample_tables SEC(".maps");

/*
 * sample_rates: kind that a stack is taken of -> how much of it is taken on this CPU, and what has
 * been. Written here, read by the user side.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_TAKEN_KINDS);
	__type(key, __u32);
	__type(value, struct sample_rate);
} sample_rates SEC(".maps");

#define RATE_WINDOW_NS 100000000ULL
#define RATE_WHOLE 500 /* in a window on a CPU: 5,000 a second, some 15 ms of them */
#define RATE_MAX_SHIFT 16

static const struct sample_row empty_sample = {}; /* not on the stack: see alloc.bpf.h */

/* Bytes to the next point: minus log of a random number in (0, 1], times the interval. */
__noinline __u64 sample__draw(void)
{
	struct sample_tables *tables;
	__u64 random = (__u64)bpf_get_prandom_u32() + 1, fraction, log;
	__u32 zero = 0, msb = size_class__msb(random), step;

	tables = bpf_map_lookup_elem(&sample_tables, &zero);
	if (!tables)
		return 1;
	fraction = (random << (32 - (msb & 63))) & 0xffffffff;
	step = fraction >> 24;
	fraction &= 0xffffff;
	log = tables->log2[step & (SAMPLE_LOG_STEPS - 1)];
	log += (tables->log2[(step & (SAMPLE_LOG_STEPS - 1)) + 1] - log) * fraction >> 24;
	/* -log2(random / 2^32), times 1 << 24; then times log(2) */
	log = (32ULL << 24) - ((__u64)msb << 24) - log;
	log = log * 2977044472ULL >> 32;
	return (log * sample_bytes >> 24) + 1;
}

/* Is this request taken? The points fall on what a thread asks for, one after the other. */
static __always_inline bool sample__wants(struct task *record, __u64 size)
{
	if (!sample_bytes)
		return true;
	if (!size)
		size = 1;
	if (!record->until_sample)
		record->until_sample = sample__draw();
	if (record->until_sample > size) {
		record->until_sample -= size;
		return false;
	}
	record->until_sample = sample__draw();
	return true;
}

/* Bytes that one request stands for: size / (1 - exp(-x)) = size + interval * x / (exp(x) - 1). */
__noinline __u64 sample__bytes(__u64 size)
{
	struct sample_tables *tables;
	__u64 x, rest, next;
	__u32 zero = 0, step;

	if (!sample_bytes || size >= SAMPLE_REST_STEPS / 64 * sample_bytes)
		return size;
	tables = bpf_map_lookup_elem(&sample_tables, &zero);
	if (!tables)
		return size;
	x = (size << 16) / sample_bytes;
	step = x >> 10;
	step &= SAMPLE_REST_STEPS - 1;
	rest = tables->rest[step];
	next = tables->rest[step + 1];
	rest -= (rest - next) * (x & 1023) >> 10;
	return size + (sample_bytes * rest >> 31);
}

/* The key's pad is 0. Static: up to 6.1 a key in memory of a global function's caller is refused. */
static __noinline int sample__count(struct sample_key *key, __u64 count, __u64 bytes)
{
	struct sample_row *row;

	if (!key)
		return 1;
	row = bpf_map_lookup_elem(&samples, key);
	if (!row) {
		if (!bpf_map_update_elem(&samples, key, &empty_sample, BPF_NOEXIST))
			ADD(nr_samples, 1);
		row = bpf_map_lookup_elem(&samples, key);
	}
	if (!row) {
		count__loss(LOSS_SAMPLES_FULL);
		return 1;
	}
	ADD(row->samples, 1);
	ADD(row->count, count);
	ADD(row->bytes, bytes);
	return 0;
}

/* A request that succeeded and whose stack was taken at its entry. */
static __noinline int sample__request(__u32 id, struct open_call *call, __u32 path)
{
	__u64 size = call->size ? call->size : 1, bytes = sample__bytes(size);
	struct sample_key key = {};

	key.id = id;
	key.stack = call->stack;
	key.size_class = size_class__of(call->size);
	key.path = path;
	key.function = call->function;
	key.kind = SAMPLE_REQUEST;
	return sample__count(&key, bytes * SAMPLE_COUNT_UNIT / size, call->size ? bytes : 0);
}

/* 0: this event is not taken. Else how many events it stands for. */
__noinline __u64 sample__weight(__u32 kind)
{
	struct sample_rate *rate = bpf_map_lookup_elem(&sample_rates, &kind);
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 shift;

	if (!rate)
		return 0;
	if (now_ns - rate->window_ns > RATE_WINDOW_NS) {
		if (rate->taken < RATE_WHOLE / 2 && rate->shift)
			rate->shift--;
		/* After a pause what was before says nothing. */
		if (now_ns - rate->window_ns > RATE_MAX_SHIFT * RATE_WINDOW_NS)
			rate->shift = 0;
		rate->window_ns = now_ns;
		rate->taken = 0;
	}
	/*
	 * Settled before the event is looked at: so each one's chance is what its weight says. An
	 * event that weighs w with a chance of 1 / w, else 0, has a variance of w - 1.
	 */
	shift = rate->shift & 31;
	rate->sums.seen++;
	rate->sums.variance += (1ULL << shift) - 1;
	if (bpf_get_prandom_u32() & ((1U << shift) - 1))
		return 0;
	if (++rate->taken >= RATE_WHOLE && shift < RATE_MAX_SHIFT) {
		rate->taken = RATE_WHOLE / 2;
		rate->shift = shift + 1;
	}
	rate->sums.taken++;
	rate->sums.weights += 1ULL << shift;
	return 1ULL << shift;
}

/* What is due to a request: of packed, its ORIGIN_PACK. */
static __always_inline void sample_key__set_origin(struct sample_key *key, __u32 packed)
{
	key->kind = SAMPLE_ORIGIN;
	key->size_class = packed;
	key->path = packed >> 16;
	key->function = packed >> 24 & 0x7f;
}

/*
 * The current task's fault, which stands for weight of them. origin: ORIGIN_PACK of the request it
 * is due to, or 0.
 */
static __noinline int sample__fault(__u32 id, __u64 weight, __u64 bytes, __u32 begins, __u32 origin)
{
	struct sample_key key = {};

	key.id = id;
	key.kind = SAMPLE_FAULT;
	key.stack = stack__take(begins);
	sample__count(&key, weight * SAMPLE_COUNT_UNIT, weight * bytes);
	if (!origin)
		return 0;
	sample_key__set_origin(&key, origin);
	return sample__count(&key, weight * SAMPLE_COUNT_UNIT, weight * bytes);
}

/* A system call of the current task. */
static __noinline int sample__call(__u32 id, __u32 kind, __u64 bytes)
{
	struct sample_key key = {};
	__u64 weight = samples_stacks ? sample__weight(kind) : 0;

	if (!weight)
		return 0;
	key.id = id;
	key.kind = kind;
	key.stack = stack__take(STACK_AT_SYSCALL);
	return sample__count(&key, weight * SAMPLE_COUNT_UNIT, weight * bytes);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map_read.h"
#include "options.h"
#include "session.h"
#include "session_bounds.h"
#include "session_stacks.h"

typedef __u32 u32;
typedef __u64 u64;
#include "allocpath.skel.h"

#define CHUNK_BYTES (UNWIND_CHUNK_ROWS * sizeof(__u32))

static void sample_tables__fill(struct sample_tables *tables)
{
	memset(tables, 0, sizeof(*tables));
	for (int i = 0; i <= SAMPLE_LOG_STEPS; i++)
		tables->log2[i] = (__u32)lround(log2(1 + (double)i / SAMPLE_LOG_STEPS) * (1 << 24));
	for (int i = 0; i <= SAMPLE_REST_STEPS; i++) {
		double x = (double)i / 64;

		tables->rest[i] = (__u32)llround((i ? x / expm1(x) : 1) * (1LL << 31));
	}
}

void session__set_stack_switches(struct allocpath_bpf *skeleton, const struct options *options)
{
	bpf_program__set_autoload(skeleton->progs.identify_code, options->takes_stacks);
	bpf_program__set_autoload(skeleton->progs.map_mappings,
				  options->takes_stacks && options->target != TARGET_COMMAND);
	skeleton->rodata->stacks = options->takes_stacks;
	/* A threshold's moves alone need no more. */
	skeleton->rodata->samples_stacks = options->takes_stacks && options->view != VIEW_THRESHOLD;
	skeleton->rodata->keeps_origins = session__keeps_origins(options);
	skeleton->rodata->kernel_frames = options->kernel_frames;
	skeleton->rodata->max_frames = options->max_frames;
	skeleton->rodata->sample_bytes = options->sample_bytes;
}

static void *map__memory(const struct bpf_map *map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int session__map_stacks(struct session *session, struct stack_maps *maps)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct sample_tables tables;
	__u32 zero = 0;

	memset(maps, 0, sizeof(*maps));
	sample_tables__fill(&tables);
	if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.sample_tables), &zero, &tables, 0))
		return -errno;
	maps->files = map__memory(skeleton->maps.unwind_tables,
				  MAX_UNWIND_FILES * sizeof(struct unwind_file));
	maps->pages = map__memory(skeleton->maps.unwind_pages,
				  MAX_UNWIND_PAGES * sizeof(struct unwind_page));
	maps->rules = map__memory(skeleton->maps.unwind_rules,
				  MAX_UNWIND_RULES * sizeof(struct unwind_rule));
	if (!maps->files || !maps->pages || !maps->rules) {
		stack_maps__close(maps);
		return -ENOMEM;
	}
	return 0;
}

void stack_maps__close(struct stack_maps *maps)
{
	if (maps->files)
		munmap(maps->files, MAX_UNWIND_FILES * sizeof(struct unwind_file));
	if (maps->pages)
		munmap(maps->pages, MAX_UNWIND_PAGES * sizeof(struct unwind_page));
	if (maps->rules)
		munmap(maps->rules, MAX_UNWIND_RULES * sizeof(struct unwind_rule));
	for (size_t i = 0; i < MAX_UNWIND_PARTS; i++)
		if (maps->part_fds[i] > 0)
			close(maps->part_fds[i]);
	memset(maps, 0, sizeof(*maps));
}

int session__write_chunk(struct session *session, struct stack_maps *maps, __u32 chunk,
			 const __u32 *rows)
{
	__u32 part = chunk / UNWIND_PART_CHUNKS, inner = chunk % UNWIND_PART_CHUNKS;
	int fd, error;

	if (part >= bpf_map__max_entries(session->skeleton->maps.unwind_parts))
		return -ENOSPC;
	if (maps->part_fds[part] <= 0) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_part", sizeof(__u32), CHUNK_BYTES,
				    UNWIND_PART_CHUNKS, NULL);
		if (fd < 0)
			return fd;
		error = bpf_map_update_elem(bpf_map__fd(session->skeleton->maps.unwind_parts),
					    &part, &fd, 0);
		if (error) {
			close(fd);
			return error;
		}
		maps->part_fds[part] = fd;
	}
	return bpf_map_update_elem(maps->part_fds[part], &inner, rows, 0);
}

int session__number_code(struct session *session, int fd, __u32 *number)
{
	struct code_question question = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &question, .ctx_size_in = sizeof(question));
	int error, program = bpf_program__fd(session->skeleton->progs.identify_code);
	void *mapping;

	if (program < 0)
		return -EOPNOTSUPP;
	/* Mapped and never read: it may be cut short at any time. */
	mapping = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	question.address = (__u64)(unsigned long)mapping;
	error = bpf_prog_test_run_opts(program, &run);
	munmap(mapping, 1);
	if (!error && !question.number)
		error = -ENOENT;
	*number = question.number;
	return error;
}

__u32 session__nr_chunks(const struct session *session)
{
	return bpf_map__max_entries(session->skeleton->maps.unwind_parts) * UNWIND_PART_CHUNKS;
}

void session__tick(struct session *session, __u64 clock)
{
	__atomic_store_n(&session->skeleton->bss->unwind_clock, clock, __ATOMIC_RELAXED);
}

int session__walk_mappings(struct session *session)
{
	if (bpf_program__fd(session->skeleton->progs.map_mappings) < 0)
		return 0;
	return session__iterate(session->skeleton->progs.map_mappings);
}

int session__stacks_fd(const struct session *session)
{
	return bpf_map__fd(session->skeleton->maps.stack_records);
}

static int sample_entry__compare(const void *left, const void *right)
{
	const struct sample_key *a = &((const struct sample_entry *)left)->key;
	const struct sample_key *b = &((const struct sample_entry *)right)->key;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return memcmp(a, b, sizeof(*a));
}

int session__read_samples(struct session *session, struct sample_entry **entries, size_t *nr)
{
	struct map_read read = {
		.fd = bpf_map__fd(session->skeleton->maps.samples),
		.key_size = sizeof(struct sample_key),
		.value_size = sizeof(struct sample_row),
	};
	int error = map_read__sorted(&read, sample_entry__compare);

	*entries = (struct sample_entry *)read.entries;
	*nr = read.nr;
	return error;
}

void session__forget_samples(struct session *session, const struct sample_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!bpf_map_delete_elem(bpf_map__fd(session->skeleton->maps.samples),
					 &entries[i].key))
			__atomic_fetch_sub(&session->skeleton->bss->nr_samples, 1,
					   __ATOMIC_RELAXED);
}

__u64 session__nr_samples(const struct session *session)
{
	return __atomic_load_n(&session->skeleton->bss->nr_samples, __ATOMIC_RELAXED);
}

int session__read_sample_sums(struct session *session, struct sample_sums sums[NR_TAKEN_KINDS])
{
	int nr_cpus = libbpf_num_possible_cpus(), error = 0;
	struct sample_rate *per_cpu;

	memset(sums, 0, NR_TAKEN_KINDS * sizeof(*sums));
	if (nr_cpus < 0)
		return nr_cpus;
	per_cpu = calloc((size_t)nr_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	for (__u32 kind = 0; !error && kind < NR_TAKEN_KINDS; kind++) {
		error = bpf_map_lookup_elem(bpf_map__fd(session->skeleton->maps.sample_rates),
					    &kind, per_cpu);
		for (int cpu = 0; !error && cpu < nr_cpus; cpu++) {
			sums[kind].seen += per_cpu[cpu].sums.seen;
			sums[kind].taken += per_cpu[cpu].sums.taken;
			sums[kind].weights += per_cpu[cpu].sums.weights;
			sums[kind].variance += per_cpu[cpu].sums.variance;
		}
	}
	free(per_cpu);
	return error;
}

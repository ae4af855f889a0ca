/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "allocator_file.h"
#include "map_read.h"
#include "session.h"
#include "session_maps.h"

typedef __u32 u32;
typedef __u64 u64;
#include "allocpath.skel.h"

struct bpf_program *session__program(struct session *session, enum uprobe_kind kind)
{
	switch (kind) {
	case UPROBE_SESSION:
		return session->skeleton->progs.alloc_session;
	case UPROBE_RETURN:
		return session->skeleton->progs.alloc_return;
	default:
		return session->skeleton->progs.alloc_entry;
	}
}

int session__identify_file(struct session *session, int fd, struct file_key *key)
{
	struct file_question question = {};
	/* The kernel writes the answer where the question stood; it refuses another place. */
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &question, .ctx_size_in = sizeof(question));
	int error, program = bpf_program__fd(session->skeleton->progs.identify_file);
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
	if (!error && !question.key.inode)
		error = -ENOENT;
	*key = question.key;
	return error;
}

int session__describe_file(struct session *session, __u32 number, const struct file_key *key,
			   const struct allocator_file *file)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct file_place place = { .shift = file->shift, .number = number };
	struct file_range range = {
		.low = file->low,
		.high = file->high,
		.own_from = file->own_from,
		.own_slack = file->own_slack,
		.flags = file->flags,
	};
	__u32 one = 1;
	int error;

	error = bpf_map_update_elem(bpf_map__fd(skeleton->maps.files), &number, &range, 0);
	for (size_t i = 0; !error && i < file->nr_wrappers; i++) {
		struct wrapper_key wrapper = { .file = number,
					       .address = file->wrappers[i].address };
		struct wrapper_site site = { .return_slot = file->wrappers[i].return_slot };

		error = bpf_map_update_elem(bpf_map__fd(skeleton->maps.wrapper_sites), &wrapper,
					    &site, 0);
	}
	for (size_t i = 0; !error && i < file->nr_jumps; i++) {
		struct tail_jump jump = file->jumps[i];

		jump.file = number;
		error = bpf_map_update_elem(bpf_map__fd(skeleton->maps.tail_jumps), &jump, &one, 0);
	}
	if (!error)
		error = bpf_map_update_elem(bpf_map__fd(skeleton->maps.places), key, &place, 0);
	return error;
}

int session__add_target(struct session *session, pid_t pid)
{
	__u32 tgid = pid, one = 1;

	return bpf_map_update_elem(bpf_map__fd(session->skeleton->maps.target_pids), &tgid, &one,
				   0);
}

void session__set_command(struct session *session, pid_t pid)
{
	session->skeleton->bss->target_tgid = pid;
}

int session__set_cgroup(struct session *session, int cgroup_fd)
{
	__u32 zero = 0;

	return bpf_map_update_elem(bpf_map__fd(session->skeleton->maps.target_cgroup), &zero,
				   &cgroup_fd, 0);
}

static int size_entry__compare(const void *left, const void *right)
{
	const struct size_key *a = &((const struct size_entry *)left)->key;
	const struct size_key *b = &((const struct size_entry *)right)->key;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->size_class != b->size_class)
		return a->size_class < b->size_class ? -1 : 1;
	return 0;
}

static int call_entry__compare(const void *left, const void *right)
{
	const struct call_key *a = &((const struct call_entry *)left)->key;
	const struct call_key *b = &((const struct call_entry *)right)->key;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->caller != b->caller)
		return a->caller < b->caller ? -1 : 1;
	return memcmp(a, b, sizeof(*a));
}

int session__read_sizes(struct session *session, struct size_entry **entries, size_t *nr)
{
	struct map_read read = {
		.fd = bpf_map__fd(session->skeleton->maps.size_rows),
		.key_size = sizeof(struct size_key),
		.value_size = sizeof(struct size_row),
	};
	int error = map_read__sorted(&read, size_entry__compare);

	*entries = (struct size_entry *)read.entries;
	*nr = read.nr;
	return error;
}

int session__read_calls(struct session *session, struct call_entry **entries, size_t *nr)
{
	struct map_read read = {
		.fd = bpf_map__fd(session->skeleton->maps.call_rows),
		.key_size = sizeof(struct call_key),
		.value_size = sizeof(struct call_row),
	};
	int error = map_read__sorted(&read, call_entry__compare);

	*entries = (struct call_entry *)read.entries;
	*nr = read.nr;
	return error;
}

int session__drain_window(struct session *session, struct window_entry **entries, size_t *nr)
{
	struct map_read read = {
		.fd = bpf_map__fd(session->skeleton->maps.window_rows),
		.key_size = sizeof(struct size_key),
		.value_size = sizeof(struct window_row),
		.drain = true,
	};
	int error = map_read__sorted(&read, size_entry__compare);

	*entries = (struct window_entry *)read.entries;
	*nr = read.nr;
	return error;
}

const struct process *session__process(const struct session *session, __u32 slot, __u32 id)
{
	const struct process *process = &session->processes[slot];

	return slot < MAX_PROCESSES && process->identity.id == id ? process : NULL;
}

void session__forget_calls(struct session *session, const struct call_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		bpf_map_delete_elem(bpf_map__fd(session->skeleton->maps.call_rows),
				    &entries[i].key);
}

int session__release_slot(struct session *session, __u32 slot, const struct size_entry *entries,
			  size_t nr)
{
	__u32 id = session->processes[slot].identity.id;

	for (size_t i = 0; i < nr; i++)
		if (entries[i].key.id == id &&
		    !bpf_map_delete_elem(bpf_map__fd(session->skeleton->maps.size_rows),
					 &entries[i].key))
			__atomic_fetch_sub(&session->skeleton->bss->nr_size_rows, 1,
					   __ATOMIC_RELAXED);
	/* The number goes last: a program that still holds it looks again and finds another. */
	session->processes[slot].identity.id = 0;
	memset(&session->processes[slot], 0, sizeof(struct process));
	if (session->rules)
		memset(&session->rules[slot], 0, sizeof(struct rule));
	return bpf_map_update_elem(bpf_map__fd(session->skeleton->maps.free_slots), NULL, &slot, 0);
}

struct rule_state *session__rule_state(struct session *session, __u32 slot, __u32 id)
{
	if (!session->rules || slot >= MAX_PROCESSES || session->processes[slot].identity.id != id)
		return NULL;
	return &session->rules[slot].state;
}

/* The key before the deleted one is kept, so that the walk does not begin anew. */
static __u64 map__sweep(int fd, size_t key_size, size_t id_offset,
			int (*id_ended)(void *context, __u32 id), void *context)
{
	char key[32], next[32];
	bool has_key = false;
	__u64 deleted = 0;
	__u32 id;

	while (!bpf_map_get_next_key(fd, has_key ? key : NULL, next)) {
		memcpy(&id, next + id_offset, sizeof(id));
		if (id_ended(context, id) && !bpf_map_delete_elem(fd, next)) {
			deleted++;
			continue;
		}
		memcpy(key, next, key_size);
		has_key = true;
	}
	return deleted;
}

void session__sweep(struct session *session, int (*id_ended)(void *context, __u32 id),
		    void *context)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	__u64 deleted;

	deleted = map__sweep(bpf_map__fd(skeleton->maps.granules), sizeof(struct granule_key),
			     offsetof(struct granule_key, id), id_ended, context);
	__atomic_fetch_sub(&skeleton->bss->nr_granules, deleted, __ATOMIC_RELAXED);
	map__sweep(bpf_map__fd(skeleton->maps.origins), sizeof(struct granule_key),
		   offsetof(struct granule_key, id), id_ended, context);
	deleted = map__sweep(bpf_map__fd(skeleton->maps.live_blocks), sizeof(struct live_key),
			     offsetof(struct live_key, id), id_ended, context);
	__atomic_fetch_sub(&skeleton->bss->nr_live_blocks, deleted, __ATOMIC_RELAXED);
}

__u64 session__nr_granules(const struct session *session)
{
	return __atomic_load_n(&session->skeleton->bss->nr_granules, __ATOMIC_RELAXED);
}

__u64 session__nr_live_blocks(const struct session *session)
{
	return __atomic_load_n(&session->skeleton->bss->nr_live_blocks, __ATOMIC_RELAXED);
}

__u64 session__nr_size_rows(const struct session *session)
{
	return __atomic_load_n(&session->skeleton->bss->nr_size_rows, __ATOMIC_RELAXED);
}

__u32 session__last_id(const struct session *session)
{
	return __atomic_load_n(&session->skeleton->bss->last_id, __ATOMIC_RELAXED);
}

int session__events_fd(const struct session *session)
{
	return bpf_map__fd(session->skeleton->maps.events);
}

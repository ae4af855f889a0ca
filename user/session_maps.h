/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing and reading the session's maps: what probes, collector and command need of them. */
#ifndef ALLOCPATH_SESSION_MAPS_H
#define ALLOCPATH_SESSION_MAPS_H

#include <stddef.h>
#include <sys/types.h>

#include "contract.h"
#include "uprobe.h"

struct allocator_file;
struct bpf_program;
struct rule_state;
struct session;

/* The program for a kind of allocation probe. */
struct bpf_program *session__program(struct session *session, enum uprobe_kind kind);

/*
 * The file behind a descriptor as the kernel knows it: on an overlay not what stat() tells.
 * 0, or -errno: then it cannot be known here.
 */
int session__identify_file(struct session *session, int fd, struct file_key *key);

/* Tells the programs all of a file. 0, or -errno (-E2BIG: a map is full). */
int session__describe_file(struct session *session, __u32 number, const struct file_key *key,
			   const struct allocator_file *file);

/* Targets: a process, the command (from its first exec on), or a cgroup by a descriptor. */
int session__add_target(struct session *session, pid_t pid);
void session__set_command(struct session *session, pid_t pid);
int session__set_cgroup(struct session *session, int cgroup_fd);

struct size_entry {
	struct size_key key;
	struct size_row row;
};

/*
 * All size rows, sorted by process and class. The array is the caller's to free; *nr its length.
 * 0 or -errno.
 */
int session__read_sizes(struct session *session, struct size_entry **entries, size_t *nr);

struct call_entry {
	struct call_key key;
	struct call_row row;
};

/* The same for callers, sorted by process and caller; while recording. */
int session__read_calls(struct session *session, struct call_entry **entries, size_t *nr);

struct window_entry {
	struct size_key key;
	struct window_row row;
};

/* The rows of the window that has ended, sorted as size rows; they are deleted. */
int session__drain_window(struct session *session, struct window_entry **entries, size_t *nr);

/* The process in a slot, or NULL if it is another by now. */
const struct process *session__process(const struct session *session, __u32 slot, __u32 id);

/* Deletes these. */
void session__forget_calls(struct session *session, const struct call_entry *entries, size_t nr);

/* Forgets the size rows of a process, and gives its slot back. */
int session__release_slot(struct session *session, __u32 slot, const struct size_entry *entries,
			  size_t nr);

/* The rule that is followed of the process with that slot and number; NULL: none. */
struct rule_state *session__rule_state(struct session *session, __u32 slot, __u32 id);

/* Deletes the granules and live blocks of ended processes; id_ended says which these are. */
void session__sweep(struct session *session, int (*id_ended)(void *context, __u32 id),
		    void *context);

/* How full the swept maps may be, elements ever inserted and not deleted. */
__u64 session__nr_granules(const struct session *session);
__u64 session__nr_live_blocks(const struct session *session);
__u64 session__nr_size_rows(const struct session *session);

/* Process numbers given so far, and the descriptor of the event ring. */
__u32 session__last_id(const struct session *session);
int session__events_fd(const struct session *session);

#endif

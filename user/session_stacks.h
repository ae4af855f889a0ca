/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session's maps of stacks: switches before load, unwind tables, numbers of files, samples. */
#ifndef ALLOCPATH_SESSION_STACKS_H
#define ALLOCPATH_SESSION_STACKS_H

#include <stdbool.h>
#include <stddef.h>

#include "stack.h"
#include "unwind.h"

struct allocpath_bpf;
struct options;
struct session;

/* The tables of unwinding, as the programs read them. */
struct stack_maps {
	struct unwind_file *files; /* MAX_UNWIND_FILES */
	struct unwind_page *pages; /* MAX_UNWIND_PAGES */
	struct unwind_rule *rules; /* MAX_UNWIND_RULES */
	int part_fds[MAX_UNWIND_PARTS]; /* 0: not made yet */
};

/* Before load. */
void session__set_stack_switches(struct allocpath_bpf *skeleton, const struct options *options);

/* After load. 0 or -errno. */
int session__map_stacks(struct session *session, struct stack_maps *maps);
void stack_maps__close(struct stack_maps *maps);

/* Writes a chunk of UNWIND_CHUNK_ROWS rows, and makes its part if need be. 0 or -errno. */
int session__write_chunk(struct session *session, struct stack_maps *maps, __u32 chunk,
			 const __u32 *rows);

/*
 * The number that the programs have, or from now on will have, for the file behind a descriptor.
 * 0, or -errno: it cannot be known before it is mapped.
 */
int session__number_code(struct session *session, int fd, __u32 *number);

/* Chunks that there is room for. */
__u32 session__nr_chunks(const struct session *session);

/* Goes on with the clock that tells which tables are in use. */
void session__tick(struct session *session, __u64 clock);

/* Walks what is mapped already. After the attach, before the start. 0 or -errno. */
int session__walk_mappings(struct session *session);

/* Descriptor of the ring of new stacks. */
int session__stacks_fd(const struct session *session);

struct sample_entry {
	struct sample_key key;
	struct sample_row row;
};

/* All samples, sorted by process. The array is the caller's to free; *nr its length. */
int session__read_samples(struct session *session, struct sample_entry **entries, size_t *nr);
void session__forget_samples(struct session *session, const struct sample_entry *entries,
			     size_t nr);
__u64 session__nr_samples(const struct session *session);

/* Of each kind what has been taken of all that there was, over the CPUs. 0 or -errno. */
int session__read_sample_sums(struct session *session, struct sample_sums sums[NR_TAKEN_KINDS]);

#endif

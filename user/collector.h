/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector: reads the session's maps, follows processes by their events, owns the time, and
 * makes profiles. It formats nothing.
 */
#ifndef ALLOCPATH_COLLECTOR_H
#define ALLOCPATH_COLLECTOR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "jit_maps.h"
#include "names.h"
#include "probes.h"
#include "profile.h"
#include "rule_log.h"
#include "session.h"
#include "session_maps.h"
#include "session_stacks.h"
#include "stack_store.h"
#include "unwinder.h"
#include "windows.h"

struct options;
struct ring_buffer;

/* All that the kernel side knows at one moment. */
struct snapshot {
	struct process *processes; /* those whose number was given */
	size_t nr_processes;
	struct size_entry *sizes;
	size_t nr_sizes;
	struct call_entry *calls; /* while recording */
	size_t nr_calls;
	struct sample_entry *samples; /* where stacks are taken */
	size_t nr_samples;
	struct ledger books;
	struct sample_sums sums[NR_TAKEN_KINDS]; /* where stacks are taken */
	__u32 epoch; /* whose path limits are meant */
	__u64 at_ns;
};

struct collector {
	struct session session;
	struct probes probes;
	struct names names;
	struct rule_log rule_log;
	bool lists_idle; /* the profile has the processes too that did nothing */
	bool reads_params; /* glibc's own parameters are read at the end */
	struct windows windows; /* unused without a budget */
	struct ring_buffer *ring;
	struct unwinder unwinder;
	struct stack_store stacks;
	struct jit_maps jit_maps;
	bool takes_stacks;
	__u64 sample_bytes;
	bool follows_files; /* files that are mapped during the run are probed too */
	struct profile_process *folded; /* exited processes that made room, one an exe */
	size_t nr_folded;
	__u64 nr_released; /* slots given back */
	__u64 nr_filled; /* table elements, when they were last looked at */
	int pause_ms; /* 0: not polled yet */
	__u64 start_ns, end_ns; /* CLOCK_MONOTONIC; end 0: still running */
	__u64 bare_trap_ns; /* calibrated: with a program that does nothing */
	char *detached_why;
};

/* Opens the rings of a session that is loaded. 0 or -errno, reported. */
int collector__open(struct collector *collector, const struct options *options);

/*
 * Between attach and start: the mappings of what runs already, and a while for the tables of what
 * they are of. 0 or -errno, reported.
 */
int collector__prepare_stacks(struct collector *collector);

/*
 * Waits for events for up to timeout_ms or until wake_fd can be read, takes them in, and makes room
 * where tables run full.
 */
int collector__poll(struct collector *collector, int timeout_ms, int wake_fd);

/* How long the next poll may wait at most: longer and longer while nothing comes. */
int collector__pause_ms(const struct collector *collector);

/* Traps taken so far, and what one has cost: the trap, as calibrated, and the program in it, as timed. */
struct traps {
	__u64 nr, each_ns;
};

struct traps collector__traps(const struct collector *collector);
struct traps collector__traps_of(const struct collector *collector, const struct ledger *books);

/* Copies what there is. With next_epoch path limits begin anew behind it. 0 or -errno. */
int collector__take(struct collector *collector, struct snapshot *snapshot, bool next_epoch);
void snapshot__free(struct snapshot *snapshot);

/* Makes a profile of a snapshot; the caller frees it. 0 or -ENOMEM. */
int collector__profile(struct collector *collector, const struct snapshot *snapshot,
		       struct profile *profile);

void collector__close(struct collector *collector);

#endif

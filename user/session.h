/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF side as an object: opened with its switches set, loaded, attached, started, stopped.
 * Everything that is attached hangs on descriptors of this process and goes with it.
 */
#ifndef ALLOCPATH_SESSION_H
#define ALLOCPATH_SESSION_H

#include <linux/types.h>
#include <stdbool.h>
#include <sys/types.h>

#include "call_programs.h"
#include "contract.h"
#include "rule.h"
#include "uprobe.h"

struct allocpath_bpf;
struct bpf_link;
struct bpf_program;
struct options;

struct session {
	struct allocpath_bpf *skeleton;
	struct uprobe_features features;
	struct process *processes; /* mapped, MAX_PROCESSES of them */
	struct rule *rules; /* mapped, one a process slot; NULL: thresholds are not followed */
	struct bpf_link **links; /* of the kernel side */
	size_t nr_links;
	int stats_fd; /* keeps the kernel's BPF run time statistics on, or -1 */
	bool keeps_callers; /* while recording */
	bool follows_rule; /* for threshold and recordings */
	struct call_programs calls;
	bool calls_by_function; /* trampolines on the calls, not tracepoints of all calls */
	bool faults_by_software; /* no exceptions tracepoints: no error code of faults */
};

/*
 * Opens and loads. One line on stderr and a negative errno when this host cannot; nothing is
 * left behind then.
 */
int session__open(struct session *session, const struct options *options);

/* The first half of it, and in silence: loads, for whoever wants to know whether that works. */
int session__try(struct session *session, const struct options *options);

/* Attaches the kernel side: system calls, faults, lifecycle. */
int session__attach(struct session *session);

/* Runs an iterator program over all that it is of. 0 or -errno. */
int session__iterate(struct bpf_program *program);

/* Counting begins, and ends. Between them duration runs; both are cheap and may be called once. */
void session__start(struct session *session);
void session__stop(struct session *session);

/* The allocation probes are about to go: from here on no request is looked at. */
void session__stop_probing(struct session *session);

/* With a budget requests are looked at from the one to the other only; both are cheap. */
void session__open_window(struct session *session);
void session__close_window(struct session *session);

/* Closes what is still open in the tasks after a window, in time for its rows. 0 or -errno. */
int session__close_calls(struct session *session);

/* Detaches the kernel side and closes what is still open in the tasks. After session__stop. */
int session__finish(struct session *session);

/* Switches to the other set of path limits, after clearing it. */
void session__next_epoch(struct session *session);
__u32 session__epoch(const struct session *session);

/* Sums the books over the CPUs. */
int session__read_books(const struct session *session, struct ledger *ledger);

/* Bytes that the kernel holds for our maps, and nanoseconds that our programs ran. */
__u64 session__map_bytes(const struct session *session);
__u64 session__run_ns(const struct session *session);

/*
 * Runs of our programs that the kernel left out: a program is skipped where it was interrupted or,
 * on preemptible kernels from 7.1 on, preempted in the middle on the same CPU.
 */
__u64 session__skipped(const struct session *session);

void session__close(struct session *session);

#endif

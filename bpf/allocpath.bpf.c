/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF object: switches set before load or while it runs, then one header per concern. Entry
 * points save, exits decide; everything is aggregated here, only rare facts cross the ring.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "contract.h"
#include "rule.h"
#include "stack.h"
#include "unwind.h"

char LICENSE[] SEC("license") = "GPL";

/* Set before load. */
const volatile __u32 depth = DEPTH_ENTRY;
const volatile __u32 target_mode = TARGET_ALL;
const volatile __u32 follow_children = 0;
const volatile __u32 self_tgid = 0; /* we do not measure ourselves */
const volatile __u64 self_begun_ns = 0; /* boot time: what we start later is not measured either */
const volatile __u32 recording = 0; /* 1: callers are kept too */
const volatile __u32 follows_rule = 0; /* 1: the thresholds of processes are followed */
const volatile struct rule_state command_rule = { .origin = RULE_PENDING }; /* see rule.bpf.h */
const volatile __u32 stacks = 0; /* 1: stacks can be taken */
const volatile __u32 samples_stacks = 0; /* 1: of requests and kernel events they are */
const volatile __u32 keeps_origins = 0; /* 1: sampled blocks are found by what is touched in them */
const volatile __u32 kernel_frames = 0; /* 1: with those of the kernel, where it faults itself */
const volatile __u32 max_frames = 127; /* of a stack */
const volatile __u64 sample_bytes = 0; /* between sampled requests' bytes; 0: each is taken */
const volatile __u32 budgeted = 0; /* 1: requests are looked at in windows only */
const volatile __u64 min_size = 0; /* bytes, inclusive */
const volatile __u64 max_size = ~0ULL;
const volatile __u64 page_size = 4096;
#define PAGE_ALIGNED(length) (((length) + page_size - 1) & ~(page_size - 1))
const volatile char target_comm[MAX_COMM] = {};

/* Written by the user side while the programs run. */
__u32 active = 0; /* 1 while the measurement lasts: nothing is counted before and after */
__u32 probing = 1; /* 0 once the allocation probes are being detached: no request is known then */
__u32 window = 1; /* number of the window that is open; 0: between two */
__u32 epoch = 0; /* which of the two sets of path limits is written */
__u32 target_tgid = 0; /* of the command, known after load */
__u64 unwind_clock = 0; /* goes on now and then: tells which tables are in use */

/* Written here, read by the user side. */
__u32 last_id = 0; /* process numbers given */
__u64 nr_size_rows = 0; /* rows ever inserted, for the user side's folding */
__u64 nr_live_blocks = 0; /* elements in live_blocks, about */
__u64 nr_granules = 0; /* elements ever inserted into granules */
__u64 nr_calibrations = 0; /* hits of our own function */
__u32 nr_unwind_files = 0; /* numbers given; the user side gives some too */
__u32 nr_stacks = 0; /* numbers given */
__u64 nr_samples = 0; /* rows ever inserted */

/* Never read: puts into the BTF what no map names, for tests/unit/test_contract to compare. */
static const union {
	struct event event;
	enum probe_depth probe_depth;
	enum alloc_path alloc_path;
	enum release release;
	enum home home;
	enum region region;
	enum fault_class fault_class;
	enum alloc_function alloc_function;
	enum event_kind event_kind;
	enum outcome outcome;
	enum loss loss;
	enum event_type event_type;
	enum rule_origin rule_origin;
	enum rule_pin rule_pin;
	enum rule_reason rule_reason;
	struct rule_event rule_event;
	enum target_mode target_mode;
	enum file_flags file_flags;
	struct file_question file_question;
	struct unwind_rule unwind_rule;
	struct unwind_page unwind_page;
	enum unwind_kind unwind_kind;
	enum unwind_slot unwind_slot;
	enum stack_status stack_status;
	enum unwind_file_state unwind_file_state;
	enum sample_kind sample_kind;
	struct stack_record stack_record;
	struct code_question code_question;
} contract_types __attribute__((used)) = {};

#include "compat.bpf.h"
#include "maps.bpf.h"
#include "ledger.bpf.h"
#include "rule_start.bpf.h"
#include "rule_setting.bpf.h"
#include "process.bpf.h"
#include "granule.bpf.h"
#include "mapping_found.bpf.h"
#include "unwind_file.bpf.h"
#include "mapping.bpf.h"
#include "unwind_table.bpf.h"
#include "unwind.bpf.h"
#include "kernel_stack.bpf.h"
#include "stack.bpf.h"
#include "sample.bpf.h"
#include "call_row.bpf.h"
#include "window.bpf.h"
#include "origin.bpf.h"
#include "request.bpf.h"
#include "alloc.bpf.h"
#include "rss.bpf.h"
#include "caller.bpf.h"
#include "vm.bpf.h"
#include "syscall.bpf.h"
#include "touch.bpf.h"
#include "fault.bpf.h"
#include "task.bpf.h"

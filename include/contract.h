/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract between the BPF side and the user side: every key, value and record that crosses
 * the boundary. Fixed-width types and explicit padding only; tests/unit/test_contract compares
 * the layouts with the BTF of the BPF object.
 *
 * On the BPF side include vmlinux.h first; it has the __u types.
 */
#ifndef ALLOCPATH_CONTRACT_H
#define ALLOCPATH_CONTRACT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bounds.h"
#include "size_class.h"

enum probe_depth {
	DEPTH_KERNEL = 0,
	DEPTH_ENTRY = 1,
	DEPTH_FULL = 2,
};

/* What the allocator did to serve a request. Precedence where a call did several: highest wins. */
enum alloc_path {
	PATH_POOL = 0,
	PATH_ARENA = 1,
	PATH_BRK = 2,
	PATH_MMAP = 3,
	PATH_REMAP = 4,
	NR_PATHS = 5,
};

/* What a free, or a realloc's old block, did. Highest wins. */
enum release {
	RELEASE_KEPT = 0,
	RELEASE_MADVISE = 1,
	RELEASE_TRIM = 2,
	RELEASE_MUNMAP = 3,
	RELEASE_REMAP = 4,
	NR_RELEASES = 5,
};

/* Where a block lies. */
enum home {
	HOME_HEAP = 0,
	HOME_MAPPING = 1,
	HOME_ARENA = 2,
	NR_HOMES = 3,
};

/* Where a first touch fell. */
enum region {
	REGION_HEAP = 0,
	REGION_OWN_MAPPING = 1,
	REGION_ARENA = 2,
	REGION_ANON = 3,
	REGION_STACK = 4,
	NR_REGIONS = 5,
};

/* Fault classes; they sum to the total. */
enum fault_class {
	FAULT_FIRST_TOUCH = 0,
	FAULT_ZERO_READ = 1,
	FAULT_FILE_PRIVATE = 2,
	FAULT_COW = 3,
	FAULT_PROTECTION = 4,
	FAULT_SWAP_IN = 5,
	FAULT_FILE = 6,
	FAULT_SHMEM = 7,
	FAULT_HUGETLB = 8,
	FAULT_RACED = 9,
	NR_FAULT_CLASSES = 10,
};

/* Allocation functions, as carried in the probe's cookie. */
enum alloc_function {
	FUNCTION_MALLOC = 0,
	FUNCTION_CALLOC = 1,
	FUNCTION_REALLOC = 2,
	FUNCTION_MEMALIGN = 3, /* memalign and aligned_alloc: (alignment, size) */
	FUNCTION_POSIX_MEMALIGN = 4,
	FUNCTION_VALLOC = 5,
	FUNCTION_PVALLOC = 6,
	FUNCTION_FREE = 7,
	FUNCTION_MALLOPT = 8,
	FUNCTION_CALIBRATE = 9, /* our own function, for the cost of a trap */
	FUNCTION_RETURN = 10, /* not a function: a ret through which operator new returns */
	FUNCTION_REALLOCARRAY = 11, /* one that does not call realloc */
	NR_FUNCTIONS = 12,
};

/*
 * A probe's cookie: bits 0..39 the site's virtual address in its file, 40..47 the function,
 * 48..63 the file's number. The load bias is the instruction pointer less the address.
 */
#define COOKIE_ADDRESS_BITS 40
#define COOKIE_MAKE(file, function, address)                                                       \
	(((__u64)(file) << 48) | ((__u64)(function) << 40) | ((__u64)(address)))
#define COOKIE_ADDRESS(cookie) ((cookie) & ((1ULL << COOKIE_ADDRESS_BITS) - 1))
#define COOKIE_FUNCTION(cookie) ((__u32)((cookie) >> 40) & 0xff)
#define COOKIE_FILE(cookie) ((__u32)((cookie) >> 48) & 0xffff)

/* Kinds of events in the books: seen = recorded + filtered + sampled_out + lost, for each. */
enum event_kind {
	KIND_ALLOC = 0, /* entries of allocation functions */
	KIND_FREE = 1, /* entries of free */
	KIND_RETURN = 2, /* returns of allocation functions, at depth full */
	KIND_SYSCALL = 3, /* exits of the six memory system calls */
	KIND_FAULT = 4, /* page faults begun */
	KIND_PROCESS = 5, /* process numbers given */
	NR_EVENT_KINDS = 6,
};

enum outcome {
	OUTCOME_SEEN = 0,
	OUTCOME_RECORDED = 1,
	OUTCOME_FILTERED = 2,
	OUTCOME_SAMPLED_OUT = 3,
	OUTCOME_LOST = 4,
	NR_OUTCOMES = 5,
};

/* Why something was lost. One line each; names in user/profile_names.c. */
enum loss {
	LOSS_NO_TASK_STORAGE = 0, /* the kernel had no memory for a task's record */
	LOSS_PROCESS_TABLE_FULL, /* no free process slot */
	LOSS_NO_PROCESS, /* an event of a process that got no number, for one of these two */
	LOSS_SIZE_ROWS_FULL, /* the map of (process, size class) is full */
	LOSS_OPEN_AT_END, /* a call was inside the kernel or the allocator when run or window ended */
	LOSS_RETURN_MISSED, /* a request of depth full whose return was never seen */
	LOSS_ARGUMENT_UNREADABLE, /* the stack or *memptr could not be read */
	LOSS_LIVE_BLOCKS_FULL, /* the map of live blocks is full: the block is not in the live set */
	LOSS_FREE_MISSED, /* an address was given out again without a release seen */
	LOSS_GRANULES_FULL, /* the map of own mappings is full: its touches count as anon */
	LOSS_SYSCALL_ENTRY_MISSED, /* a brk ended whose begin was not seen, nor what it was before */
	LOSS_SYSCALL_EXIT_MISSED, /* a system call was followed by another, its end was not seen */
	LOSS_FAULT_ENTRY_MISSED, /* a fault ended whose begin was not seen */
	LOSS_RING_FULL, /* the event ring was full: a process may lack its names */
	LOSS_CALL_ROWS_FULL, /* the map of callers is full: the request is counted without its */
	LOSS_CALLER_UNKNOWN, /* the mappings were locked: a request's path may be too low */
	LOSS_MAPPINGS_FULL, /* no room for a process's mappings, or for so many of them */
	LOSS_MAPPING_RACED, /* a process's mappings were being changed: one of them is not known */
	LOSS_UNWIND_FILES_FULL, /* no number for a file: its stacks end there */
	LOSS_UNWINDS_BUSY, /* too many stacks were being taken on one CPU: this one was not */
	LOSS_STACKS_FULL, /* no room for a further stack that differs */
	LOSS_STACK_RING_FULL, /* the ring of new stacks was full: this one was not kept */
	LOSS_SAMPLES_FULL, /* the map of samples is full */
	LOSS_WINDOW_ROWS_FULL, /* the map of a window is full: its estimate misses the request */
	LOSS_ORIGINS_FULL, /* no room for a sampled block: what it touches is no request's */
	NR_LOSSES,
};

/* Identity of a process, written once when its number is given. */
struct process_identity {
	__u32 id; /* process number, from 1; never reused in a run; 0: the slot is free */
	__u32 tgid;
	__u32 ns_tgid; /* in its own pid namespace */
	__u32 parent_tgid;
	__u32 parent_id; /* number of the process that forked or exec'd into it, 0: unknown */
	__u32 uid; /* in the initial user namespace */
	__u32 execs; /* exec calls seen in this run */
	__u32 file; /* first allocator file that it entered, + 1; 0: none yet */
	__u64 start_ns; /* leader's start_boottime */
	__u64 cgroup_id; /* cgroup v2 id */
	__u64 mm; /* address of its mm, as an opaque number */
	__u64 bias; /* load bias of that file */
	__u64 brk_base; /* lowest break seen: above it the heap grew during the run */
	__u64 brk_now; /* the break when last looked at */
	__u64 granule_levels; /* bit n: blocks of level n were entered; see granule.bpf.h */
	__u64 heap_untouched; /* from here on no page of the heap was touched; see origin.bpf.h */
	__u64 map_generation; /* bumped when the address space changes */
	__u32 ended; /* 1: it exited or exec'd away */
	__u32 unprobed; /* 1: begun after the allocation probes were detached */
	__u32 slot; /* where it lies */
	__u32 calls_file; /* that its allocator's system calls were found in, + 1; 0: none yet */
	__u64 calls_bias; /* load bias of that file */
	char comm[MAX_COMM];
};

struct path_counters {
	__u64 count;
	__u64 bytes;
};

/* Counters of a process. Only __u64, only growing: "since" is a subtraction, field by field. */
struct process_counters {
	struct path_counters paths[NR_PATHS];
	__u64 failed; /* requests that failed */
	__u64 unknown_result; /* requests that only a return probe could judge */
	__u64 orphans; /* growth by the allocator outside any open request */
	__u64 mallopt_calls; /* its threshold may no longer move */
	__u64 internal; /* nested and tail entries, merged into their request */
	__u64 home[NR_HOMES];
	__u64 releases[NR_RELEASES];
	__u64 release_bytes; /* of blocks that were seen allocated */
	__u64 release_of_unknown; /* of the releases: blocks not seen allocated */
	__u64 live_added_count;
	__u64 live_added_bytes;
	__u64 live_removed_count;
	__u64 live_removed_bytes;

	__u64 brk_calls, brk_failed, brk_grown_bytes, brk_shrunk_bytes;
	__u64 mmap_calls, mmap_failed, mmap_anon_bytes, mmap_file_bytes;
	__u64 mmap_stack_bytes, mmap_populated_bytes;
	__u64 munmap_calls, munmap_failed, munmap_bytes;
	__u64 mremap_calls, mremap_failed, mremap_grown_bytes, mremap_shrunk_bytes;
	__u64 mprotect_calls, mprotect_failed, mprotect_bytes;
	__u64 madvise_calls, madvise_failed, madvise_dontneed_bytes, madvise_free_bytes;

	__u64 faults[NR_FAULT_CLASSES];
	__u64 first_touch_bytes;
	__u64 first_touch_region_bytes[NR_REGIONS];
	__u64 first_touch_orders[NR_FAULT_ORDERS]; /* faults that made 4 KiB << n resident */
	__u64 faults_major;
	__u64 faults_kernel_mode;
	__u64 faults_probe; /* caused by our own probes; in no class */
	__u64 faults_unended; /* begun, never completed; in no class */
	__u64 file_private_bytes;
	__u64 growth_touched_bytes; /* first touches in heap that was grown during the run */
	__u64 populated_bytes; /* resident by its own system calls, without a fault */
	__u64 foreign_bytes; /* resident by another task's doing */
	__u64 probe_bytes; /* text pages that our own probes made private */
};

#define NR_COUNTERS (sizeof(struct process_counters) / sizeof(__u64))

/* Smallest and largest request of a path; kept apart from the counters, for one epoch. */
struct path_limits {
	__u64 min_inverted; /* ~smallest, so that 0 means none */
	__u64 max_plus_one; /* largest + 1, so that 0 means none */
};

/* Map processes: array, memory-mapped by the user side. Key: slot number. */
struct process {
	struct process_identity identity;
	struct process_counters counters;
	struct path_limits limits[2][NR_PATHS]; /* by epoch & 1 */
};

/* Map size_rows. */
struct size_key {
	__u32 id; /* process number */
	__u32 size_class;
};

struct size_row {
	__u64 count[NR_PATHS];
	__u64 bytes;
	__u64 own_requested_bytes; /* of requests that got a mapping of their own */
	__u64 own_touched_bytes; /* first touches inside those mappings */
};

/* Map call_rows, while recording: who asked. */
struct call_key {
	__u64 caller; /* return address of the request */
	__u32 id; /* process number */
	__u16 size_class;
	__u8 path;
	__u8 function;
};

struct call_row {
	__u64 count;
	__u64 bytes;
};

/* Map window_rows, with a budget: a size_key's requests in the window that is open. */
struct window_row {
	__u64 count;
	__u64 bytes;
};

/* Map live_blocks, at depth full. */
struct live_key {
	__u64 address;
	__u32 id;
	__u32 pad;
};

struct live_block {
	__u64 size; /* bytes asked for */
	__u64 time_ns; /* CLOCK_MONOTONIC when it was given out */
	__u32 weight; /* requests that this block stands for; 1 without sampling */
	__u32 stack; /* stack id, 0: none taken */
	__u16 size_class;
	__u8 function;
	__u8 path;
	__u8 home;
	__u8 hidden; /* 1: outside the size filter; kept so that its free is known */
	__u16 pad;
};

/* Map granules: (process, level, address >> level) meets at most two blocks of that level. */
struct granule_key {
	__u64 index; /* address >> level */
	__u32 id; /* process number */
	__u32 level;
};

struct granule_block {
	__u64 start; /* 0: empty */
	__u64 end;
	__u32 kind; /* enum region: own mapping, arena or stack; of a sampled block: its stack */
	__u32 size_class; /* of the request, for an own mapping; of a sampled block: ORIGIN_PACK */
};

/* What is known of a sampled block beside its stack; never 0. */
#define ORIGIN_PACK(size_class, path, function)                                                    \
	((__u32)(size_class) | (__u32)(path) << 16 | (__u32)(function) << 24 | 1U << 31)

struct granule {
	struct granule_block block[2];
};

enum file_flags {
	FILE_CALLS_LIBC = 1 << 0, /* its system calls are made by wrappers of another file */
	FILE_APPROXIMATE = 1 << 1, /* the range holds functions that are not the allocator's */
	FILE_ZERO_IS_BLOCK = 1 << 2, /* realloc(p, 0) gives a block; elsewhere it only frees */
	FILE_FREE_JUMPS =
		1 << 3, /* free may end by a jump to a wrapper of munmap; no libc's does */
	FILE_REENTERS = 1 << 4, /* its functions jump to themselves once, when they are set up */
	FILE_GLIBC = 1 << 5, /* its threshold follows glibc's rule */
	FILE_THRESHOLD_CAPPED = 1 << 6, /* before 2.35: mallopt takes no threshold above 32 MiB */
};

/* Map files: index is the file's number. Range of the allocator's object, as addresses in it. */
struct file_range {
	__u64 low;
	__u64 high; /* exclusive */
	__u64 own_from; /* the smallest request that gets a mapping of its own */
	__u64 own_slack; /* such a mapping is at most this much larger than the request */
	__u32 flags; /* enum file_flags */
	__u32 pad;
};

/* Map places: a file as the kernel knows it -> its number, to make addresses of offsets. */
struct file_place {
	__u64 shift; /* address in the file less offset in the file, of its code */
	__u32 number;
	__u32 pad;
};

/* Map tail_jumps: the function probed at one site may end by a jump to that at the other. */
struct tail_jump {
	__u32 file;
	__u32 from; /* addresses of sites in the file */
	__u32 to;
};

/* Map wrapper_sites: an address inside a bare system call wrapper. */
struct wrapper_key {
	__u32 file;
	__u32 address; /* in the file; libraries are below 4 GiB */
};

struct wrapper_site {
	__s32 return_slot; /* where the return address lies, in bytes from the stack pointer */
	__u32 pad;
};

/* Maps known_files and places. */
struct file_key {
	__u64 inode;
	__u32 device; /* kernel's s_dev */
	__u32 pad;
};

/* Context of the program that says which file lies at an address of the caller's. */
struct file_question {
	__u64 address;
	struct file_key key; /* the answer; inode 0: none */
};

/* Records of the event ring; struct rule_event is in rule.h. */
enum event_type {
	EVENT_PROCESS = 1, /* a number was given */
	EVENT_EXEC, /* same, by exec: filename is the program's */
	EVENT_END, /* the process of this number exited or exec'd away */
	EVENT_FILE, /* an executable mapping of a file not seen before */
	EVENT_MAPPING, /* code of file number id is mapped, or (address 0) its table is wanted */
	EVENT_32BIT, /* a process that would be measured, but for its 32 bits; has no number */
	EVENT_MOVE, /* struct rule_event: a free or mallopt begins to move a threshold */
	EVENT_MOVED, /* struct rule_event: it has */
	EVENT_JUDGED, /* struct rule_event: a request that was judged, one of weight */
	EVENT_JIT, /* a process has code of no file; told once a program, and of whose it is */
};

struct event {
	__u32 type;
	__u32 id;
	__u32 slot;
	__u32 tgid;
	__u32 parent_id; /* EVENT_JIT: effective user */
	__u32 pad;
	__u64 address; /* EVENT_FILE: start of the mapping. EVENT_JIT: start_ns, 0: ask /proc */
	__u64 end; /* EVENT_JIT: number of its mount namespace */
	char filename[MAX_FILENAME]; /* EVENT_EXEC, and EVENT_32BIT at an exec */
};

/* Which processes are measured. */
enum target_mode {
	TARGET_ALL = 0,
	TARGET_PIDS = 1, /* the tgids in map target_pids */
	TARGET_COMM = 2,
	TARGET_CGROUP = 3,
	TARGET_COMMAND = 4, /* target_tgid, from its first exec on, and its descendants */
};

/* Map ledger: per CPU, one element. */
struct ledger {
	__u64 events[NR_EVENT_KINDS][NR_OUTCOMES];
	__u64 losses[NR_LOSSES];
	__u64 nr_timed, timed_ns; /* runs of the allocation programs, and what they took */
};

_Static_assert(sizeof(struct process_identity) == 144, "process_identity");
_Static_assert(sizeof(struct process_counters) % 8 == 0, "counters are __u64 only");
_Static_assert(sizeof(struct size_row) == 64, "size_row");
_Static_assert(sizeof(struct call_key) == 16, "call_key");
_Static_assert(sizeof(struct live_key) == 16, "live_key");
_Static_assert(sizeof(struct live_block) == 32, "live_block");
_Static_assert(sizeof(struct granule) == 48, "granule");
_Static_assert(sizeof(struct event) == 296, "event");
_Static_assert(sizeof(struct file_range) == 40, "file_range");
_Static_assert(sizeof(struct file_place) == 16, "file_place");
_Static_assert(sizeof(struct tail_jump) == 12, "tail_jump");

#endif

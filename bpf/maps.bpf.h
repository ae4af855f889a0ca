/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All maps. Each: key, value, who writes, who reads, what bounds it, and what happens when full. */

/* One call of an allocation function that has not returned yet, as far as we know. */
struct open_call {
	__u64 sp; /* at the function's first instruction */
	__u64 ret; /* return address */
	__u64 bias; /* load bias of the file */
	__u64 size; /* bytes asked for */
	__u64 argument; /* realloc: old block. posix_memalign: where the pointer goes */
	__u64 alignment; /* memalign family; else 0 */
	__u64 old_size; /* realloc and free: of the block given back */
	__u64 mapped_start; /* a mapping made in this call */
	__u64 mapped_end;
	__u64 remapped_from; /* bytes of the mapping that mremap was given */
	__u64 inner_bias; /* of the file that this one handed the call on to */
	__u64 heap_untouched; /* the process's, when it was entered */
	__u32 stack; /* its number, 0: none taken */
	__u16 old_class;
	__u16 file;
	__u16 did; /* bit mask of enum did */
	__u8 function;
	__u8 tailed; /* its jump to malloc was seen */
	__u8 old_known; /* the old block was in the live set */
	__u8 old_hidden;
	__u8 own_function; /* of the block given back, to put it back when realloc fails */
	__u8 old_path;
	__u8 old_home;
	__u8 handed_on; /* to the allocator of inner_file */
	__u32 site; /* address of the probe that saw it; of the last function it jumped to */
	__u16 inner_file;
	__u8 sampled; /* a stack was to be taken */
	__u8 pad;
	__u32 old_stack; /* of the block given back */
	__u32 pad2;
};

/* What kernel calls did during an open call. */
enum did {
	DID_ARENA = 1 << 0,
	DID_BRK = 1 << 1,
	DID_MMAP = 1 << 2,
	DID_REMAP = 1 << 3,
	DID_FAIL = 1 << 4, /* the last growth failed */
	DID_MADVISE = 1 << 5,
	DID_TRIM = 1 << 6,
	DID_MUNMAP = 1 << 7,
	DID_DOOM = 1 << 8, /* its arguments cannot succeed */
	/* While rules are followed: */
	DID_MMAP_FAILED = 1 << 9, /* a mapping was tried and refused */
	DID_HAS_FAILED = 1 << 10, /* some growth was */
	DID_FIRST = 1 << 11, /* the thread's first call: its cache is set up in it */
	DID_OLD_MAPPED = 1 << 12, /* realloc: the old block has a mapping of its own */
	DID_MOVE = 1 << 13, /* free: it moved the threshold, and its munmap is to come */
};
#define DID_GROW (DID_ARENA | DID_BRK | DID_MMAP | DID_REMAP)

static __always_inline __u32 call__path(struct open_call *call)
{
	if (call->did & DID_REMAP)
		return PATH_REMAP;
	if (call->did & DID_MMAP)
		return PATH_MMAP;
	if (call->did & DID_BRK)
		return PATH_BRK;
	if (call->did & DID_ARENA)
		return PATH_ARENA;
	return PATH_POOL;
}

/* Counters of a resident set: file, anonymous, swap, shmem. */
#define NR_RSS_MEMBERS 4

enum fault_state {
	FAULT_IDLE = 0,
	FAULT_OPEN = 1,
};

#define NR_VMAS_KNOWN 2

/* A mapping that was looked up. */
struct vma_known {
	__u64 start; /* | enum vma_kind, whose bits fit into a page's */
	__u64 end; /* 0: none */
};

/* A fault between its begin and its end, and what is known of its surroundings. */
struct open_fault {
	__u64 address;
	struct vma_known vmas[NR_VMAS_KNOWN]; /* mappings looked up last, the newest first */
	__u64 vma_generation; /* of the address space that they were found in */
	__u64 block_start; /* last own block met, and of which generation */
	__u64 block_end;
	__u64 block_generation;
	__u32 block_kind;
	__u32 block_class;
	__u32 error;
	__u32 pages; /* anonymous pages gained */
	__s32 rss_seen[NR_RSS_MEMBERS]; /* up to 6.1, see rss.bpf.h: counters as last looked at */
	__s32 rss_folded[NR_RSS_MEMBERS]; /* ... and what was folded away since */
	__u8 state;
	__u8 kernel_mode;
	__u8 order; /* of the last page allocated */
	__u8 allocated; /* a page was allocated since it was last asked */
	__u8 saw_file;
	__u8 saw_anon;
	__u8 saw_swap;
	__u8 saw_shmem;
	__u8 begun; /* a fault of this task was begun in the run */
	__u8 rss_known; /* 1: they were looked at before */
	__u8 pad[6];
};

enum task_state {
	TASK_UNKNOWN = 0,
	TASK_MEASURED = 1,
	TASK_IGNORED = 2,
};

/* What the entry of an allocation function was called with. */
struct alloc_entry {
	__u64 sp;
	__u64 ret;
	__u64 bias;
	__u64 size;
	__u64 argument;
	__u64 alignment;
	__u32 function;
	__u32 file;
	__u32 impossible; /* fails whatever happens: too large, overflow, bad alignment */
	__u32 site; /* address of the probe in its file */
};

/* What a free or mallopt of the task does to the threshold, until it has done it. */
struct open_move {
	__u64 begun_ns; /* CLOCK_MONOTONIC; 0: none */
	__u64 to;
	__u64 caller;
	__u32 stack;
	__u16 by; /* as in struct rule_event */
	__u16 pins; /* 1: it ends the moving */
};

struct task {
	__u64 number; /* slot << 32 | process number, 0: none yet */
	__u64 old_brk; /* at the entry of brk */
	__u32 state;
	__u8 inherits; /* 1: measured because its parent is */
	__u8 entered; /* an allocation function was entered since the start */
	__u8 maps_file; /* the system call maps a file */
	__u8 pad;
	__u32 parent_id;
	__u32 execs;
	__u32 syscall; /* number + 1 of the memory system call it is in, 0: none */
	__u32 nr_open;
	__u64 until_sample; /* bytes to be asked for before the next stack; 0: not drawn yet */
	__u64 low, high; /* its outermost call began with a threshold between these */
	__u64 maps_max; /* then, as the next two */
	__u64 settings; /* mallopts that had returned */
	__u64 sets; /* that had begun to set the threshold */
	__u64 setting_sp; /* of its mallopt that has not returned; 0: none */
	struct open_move move;
	struct granule_block taken; /* out of granules at the entry of munmap or mremap */
	struct alloc_entry entry; /* the entry that is being looked at */
	struct open_call open[MAX_OPEN_CALLS]; /* innermost last */
	struct open_fault fault;
};

/*
 * tasks: task -> its record. Written and read by every program, each for its own task (fork
 * writes the child's). Bounded by the threads that had an event; freed by the kernel with the
 * task. Creation fails without memory: the event is lost as no_task_storage.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

/*
 * processes: slot -> identity and counters. Written by the programs with atomic adds, read by the
 * user side through a memory mapping. 10,240 slots of 1 KiB. Full: see free_slots.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PROCESSES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/*
 * free_slots: queue of slot numbers, filled by the user side, which also returns those of folded
 * processes; taken by process__first_sight. Empty: the event is lost as process_table_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_PROCESSES);
	__uint(value_size, sizeof(__u32));
} free_slots SEC(".maps");

/*
 * size_rows: (process, size class) -> counts. Written by request__record and fault ends with
 * atomic adds, read by the user side, which deletes those of folded processes. 262,144 rows of
 * 136 bytes. Full: the request is lost as size_rows_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SIZE_ROWS);
	__type(key, struct size_key);
	__type(value, struct size_row);
} size_rows SEC(".maps");

/*
 * live_blocks: (process, address) -> block, at depth full only (1 element otherwise). Written at
 * returns, deleted at frees; the user side deletes those of ended processes. A plain hash, never
 * LRU: full is a counted loss (live_blocks_full), not a silent eviction. 1,048,576 elements of
 * 112 bytes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_LIVE_BLOCKS);
	__type(key, struct live_key);
	__type(value, struct live_block);
} live_blocks SEC(".maps");

/*
 * granules: (process, level, address >> level) -> the two blocks that may meet it. Written at
 * mmap, mremap and munmap, read at fault ends; the user side deletes those of ended processes.
 * 131,072 elements of 128 bytes. Full: counted as granules_full, touches count as anon.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_GRANULES);
	__type(key, struct granule_key);
	__type(value, struct granule);
} granules SEC(".maps");

/*
 * origins: the same of sampled blocks of the program's, at levels of their own (1 element where
 * nobody asks, see origin.bpf.h). Written and emptied with live_blocks, read at first touches.
 * 32,768 elements of 128 bytes. Full: counted as origins_full, no request is known of the touches.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ORIGINS);
	__type(key, struct granule_key);
	__type(value, struct granule);
} origins SEC(".maps");

/* files: file number -> range of the allocator's object. Written by the user side before attach. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FILES);
	__type(key, __u32);
	__type(value, struct file_range);
} files SEC(".maps");

/*
 * wrapper_sites: address behind a bare wrapper -> where its return address lies. Written by the
 * user side before attach, read at system call exits. Full: the user side refuses the file.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_WRAPPER_SITES);
	__type(key, struct wrapper_key);
	__type(value, struct wrapper_site);
} wrapper_sites SEC(".maps");

/*
 * places: (device, inode) as the kernel has them -> file number. Written by the user side before
 * attach, read where an allocator's system call comes from another file. Never full: MAX_FILES.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FILES);
	__type(key, struct file_key);
	__type(value, struct file_place);
} places SEC(".maps");

/* tail_jumps: written by the user side before attach. Full: the user side refuses the file. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TAIL_JUMPS);
	__type(key, struct tail_jump);
	__type(value, __u32);
} tail_jumps SEC(".maps");

/* known_files: executable files announced to the user side. Full: a file is announced again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_KNOWN_FILES);
	__type(key, struct file_key);
	__type(value, __u32);
} known_files SEC(".maps");

/* target_pids: tgids asked for with -p, and their descendants at the start with --children. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32);
} target_pids SEC(".maps");

/* target_cgroup: element 0 is the cgroup asked for with --cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} target_cgroup SEC(".maps");

/* events: rare facts, struct event. Full: counted as ring_full. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_BYTES);
} events SEC(".maps");

/* books: element 0, per CPU: struct ledger. Written here with atomic adds, summed by the user. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ledger);
} books SEC(".maps");

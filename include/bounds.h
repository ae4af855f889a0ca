/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every bound of the BPF side, with the memory that it costs. README has the same table.
 * The sum stays below 256 MiB with 10,000 processes at every depth.
 */
#ifndef ALLOCPATH_BOUNDS_H
#define ALLOCPATH_BOUNDS_H

/* Process slots. 1 KiB each. Full: exited processes fold into their exe; then counted as lost. */
#define MAX_PROCESSES 10240

/* (process, size class) rows, sparse. 136 bytes each: 34 MiB. Full: counted as lost. */
#define MAX_SIZE_ROWS (1 << 18)

/*
 * (process, size class, path, function, caller) rows, while recording only. 96 bytes each: 24 MiB.
 * Full: the request is counted all the same, without its caller.
 */
#define MAX_CALL_ROWS (1 << 18)

/*
 * (process, size class) rows of one window of a budget. 72 bytes each: 1.4 MiB. Full: the request
 * is counted, and what is estimated from it is too low by it.
 */
#define MAX_WINDOW_ROWS (1 << 14)

/* Granules of own mappings, arenas and thread stacks. 128 bytes each: 16 MiB. */
#define MAX_GRANULES (1 << 17)

/* Granules of sampled blocks, where it is told who asked for what is touched. 128 bytes each: 4 MiB. */
#define MAX_ORIGINS (1 << 15)

/* Live blocks, at depth full only. 112 bytes each: 112 MiB. Full: counted as lost. */
#define MAX_LIVE_BLOCKS (1 << 20)

/* Moves of a threshold that are told of, a process; the rest is counted. */
#define MAX_RULE_MOVES 256

/* Judged requests that are told of: all of the first 2^9, then half as many of each doubling. */
#define RULE_POINTS_SHIFT 9

/* Variables of an environment that are looked at. */
#define MAX_ENVIRONMENT 768

/* Allocator files probed at once. */
#define MAX_FILES 256

/* Known return addresses behind libc's bare system call wrappers, all files together. */
#define MAX_WRAPPER_SITES 4096

/* Jumps from one allocation function to another, all files together. */
#define MAX_TAIL_JUMPS 4096

/* Executable files seen mapped: (device, inode). Full: the file is announced again. */
#define MAX_KNOWN_FILES 16384

/*
 * Unwind tables, all files together: rules of 16 bytes (256 KiB), one page a 4 KiB of executable
 * code (8 bytes each: 4 MiB for 2 GiB of code), and rows of 4 bytes in chunks of 16 KiB. A part
 * is a map of chunks, 4 MiB, made when the one before is full. Full: the file's stacks end there.
 */
#define MAX_UNWIND_RULES (1 << 14)
#define MAX_UNWIND_PAGES (1 << 19)
#define UNWIND_CHUNK_ROWS 4096
#define UNWIND_PART_CHUNKS 256
#define MAX_UNWIND_PARTS 16

/* Files of code: numbers are never given twice. 24 and 96 bytes each. Full: no table for them. */
#define MAX_UNWIND_FILES 16384

/*
 * Executable mappings: so many of a process, 4 KiB for each process. Full: its stacks end where
 * they meet one that is not kept.
 */
#define MAX_MAPPINGS 256
#define MAX_MAPPED_PROCESSES 8192

/* Frames of a stack: the most that can be asked for. */
#define MAX_STACK_FRAMES 511

/* Frames of the kernel in a stack: as many as it gives by itself. 8 bytes each, a CPU. */
#define MAX_KERNEL_FRAMES 127

/* Stacks that differ. 80 bytes each here, and their frames on the user side. Full: no stack. */
#define MAX_STACKS (1 << 17)

/* (process, stack, size class, path, function, kind) rows. 104 bytes each. Full: counted as lost. */
#define MAX_SAMPLES (1 << 17)

/* New stacks on their way to the user side. */
#define STACK_RING_BYTES (1 << 22)

/* Stacks that are taken on one CPU at once: programs on uprobes may be preempted. */
#define UNWIND_SEEN_PLACES 8192 /* a power of two */
#define MAX_UNWINDS 4

/* Rare facts only: process starts, execs, exits, new files. */
#define EVENT_RING_BYTES (1 << 20)

/* Requests of one thread that are open at once (signal handlers, coroutines). Power of two. */
#define MAX_OPEN_CALLS 4

/* Longest chain of bare wrappers between a system call and the allocator: brk, sbrk, caller. */
#define MAX_WRAPPER_DEPTH 4

#define MAX_COMM 16
#define MAX_FILENAME 256

/* Page orders of first-touch faults: 4 KiB << 0 up to 4 KiB << (NR_FAULT_ORDERS - 1). */
#define NR_FAULT_ORDERS 16

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks as both sides know them: where processes have their code mapped, which files that code is
 * of, the stacks that were met, and how much was asked for by each.
 */
#ifndef ALLOCPATH_STACK_H
#define ALLOCPATH_STACK_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bounds.h"

/* Numbers of files of code. Those from UNWIND_FIRST_FILE on are given at first sight. */
#define UNWIND_ANONYMOUS 0 /* code of no file: JIT */
#define UNWIND_VDSO 1
#define UNWIND_FIRST_FILE 2
#define UNWIND_KERNEL 0xfffe /* of frames alone: the kernel's own code */
#define UNWIND_UNKNOWN_FILE 0xffff /* one that found no number */

/*
 * An executable mapping. Sorted by place, whose upper 48 bits are the number of the first page of
 * 4 KiB, and whose lower 16 are the file's number: a search needs one compare a step.
 */
struct mapping {
	__u64 place;
	__u32 nr_pages;
	__u32 page_offset; /* of its start, in the file, in pages of 4 KiB */
};

#define MAPPING_PLACE(address, file) ((__u64)(address) >> UNWIND_PAGE_SHIFT << 16 | (file))
#define MAPPING_START(place) ((place) >> 16 << UNWIND_PAGE_SHIFT)
#define MAPPING_FILE(place) ((__u32)(place)&0xffff)

/* Map mappings: tgid -> where it has code. */
struct mappings {
	__u64 mm; /* whose they are; another mm means that they are out of date */
	__u32 seq; /* odd while they are written */
	__u32 busy; /* 1: someone is writing */
	__u32 nr;
	__u32 tells_jit; /* 1: that there is code of no file has been told */
	struct mapping mapping[MAX_MAPPINGS];
};

/* Map unwind_files: a file of code as the kernel knows it -> its number. */
struct unwind_file_key {
	__u64 inode;
	__u64 size; /* in bytes; with the generation: another file may get the inode */
	__u32 device; /* kernel's s_dev */
	__u32 generation;
};

enum unwind_file_state {
	UNWIND_FILE_NEW =
		0, /* announced when it is mapped: it had no number, or could not be opened */
	UNWIND_FILE_WAITS, /* announced, or its table is being built */
	UNWIND_FILE_READY,
	UNWIND_FILE_REFUSED, /* no table can be made of it */
	UNWIND_FILE_EVICTED, /* its table made room for others */
	UNWIND_FILE_WANTED, /* evicted, and met since */
};

/* Map unwind_tables: index is the file's number. Written by the user side. */
struct unwind_file {
	__u32 first_entry; /* in map unwind_pages */
	__u32 first_page; /* of the file, that this entry is of */
	__u32 nr_pages; /* 0: no table */
	__u32 state; /* enum unwind_file_state; the programs change NEW to WAITS, EVICTED to WANTED */
	__u64 used; /* clock of the last stack that needed it: the least used goes first */
};

/* A frame: 16 bits of file number, 48 of offset in it; of no file: of address. */
#define FRAME_OFFSET_BITS 48
#define FRAME_MAKE(file, offset) ((__u64)(file) << FRAME_OFFSET_BITS | (offset))
#define FRAME_FILE(frame) ((__u32)((frame) >> FRAME_OFFSET_BITS))
#define FRAME_OFFSET(frame) ((frame) & ((1ULL << FRAME_OFFSET_BITS) - 1))

/* Context of the program that says which number the file at an address of the caller's has. */
struct code_question {
	__u64 address;
	__u32 number; /* the answer; 0: none */
	__u32 pad;
};

/* Kernel code lies in the upper half, whose upper bits are all set. */
#define FRAME_KERNEL_ADDRESS(frame) (FRAME_OFFSET(frame) | ~0ULL << FRAME_OFFSET_BITS)

/* Record of the ring of new stacks: this, then nr_frames frames, the innermost first. */
struct stack_record {
	__u32 number; /* from 1 */
	__u16 nr_frames;
	__u8 status; /* enum stack_status, STACK_HEURISTIC */
	__u8 pad;
};

/* Of what a stack was taken; the numbers stand in recordings. */
enum sample_kind {
	SAMPLE_REQUEST = 0,
	SAMPLE_GROWN, /* the break raised */
	SAMPLE_MAPPED, /* anonymous mappings made: what mmap_anon_bytes counts */
	SAMPLE_FAULT, /* page faults; bytes are those of first touches */
	NR_TAKEN_KINDS, /* those before: of each a stack is taken. After: of whose request it is */
	SAMPLE_ORIGIN = NR_TAKEN_KINDS, /* first touches, by who asked for the memory */
	SAMPLE_FRESH, /* memory that no one had touched, by who asked for it */
	NR_SAMPLE_KINDS,
};

/* Are size class, path and function those of a request? */
static inline int sample_kind__is_of_request(__u32 kind)
{
	return kind == SAMPLE_REQUEST || kind == SAMPLE_ORIGIN || kind == SAMPLE_FRESH;
}

/* Map samples. */
struct sample_key {
	__u32 id; /* process number */
	__u32 stack; /* 0: none could be kept */
	__u16 size_class; /* of requests, and what is due to one; else 0 */
	__u8 path; /* enum alloc_path of requests; else 0 */
	__u8 function; /* enum alloc_function of requests; else 0 */
	__u8 kind; /* enum sample_kind */
	__u8 pad[3];
};

struct sample_row {
	__u64 samples; /* stacks taken */
	__u64 count; /* events that they stand for, in units of 1 / SAMPLE_COUNT_UNIT */
	__u64 bytes; /* that they stand for */
};
#define SAMPLE_COUNT_UNIT 1024

/*
 * Of what depends on size and interval the user side makes tables before load: BPF has no
 * floating point. See sample.bpf.h.
 */
#define SAMPLE_LOG_STEPS 256
#define SAMPLE_REST_STEPS 1024
struct sample_tables {
	__u32 log2[SAMPLE_LOG_STEPS + 1]; /* of 1 + i / SAMPLE_LOG_STEPS, times 1 << 24 */
	__u32 rest[SAMPLE_REST_STEPS + 1]; /* of x / (exp(x) - 1) at x = i / 64, times 1 << 31 */
	__u32 pad[2];
};

/* Of the whole run. Each event adds to seen, and to variance what it may be off by; see there. */
struct sample_sums {
	__u64 seen;
	__u64 taken;
	__u64 weights; /* of those taken: how many events they stand for */
	__u64 variance; /* of weights, around seen */
};

/* Map sample_rates, an element a kind: what is taken whole up to a rate. */
struct sample_rate {
	__u64 window_ns; /* when the present window of time began */
	__u32 taken; /* in it */
	__u32 shift; /* one in 1 << shift is taken */
	struct sample_sums sums;
};

_Static_assert(sizeof(struct mapping) == 16, "mapping");
_Static_assert(sizeof(struct unwind_file_key) == 24, "unwind_file_key");
_Static_assert(sizeof(struct unwind_file) == 24, "unwind_file");
_Static_assert(sizeof(struct stack_record) == 8, "stack_record");
_Static_assert(sizeof(struct sample_key) == 16, "sample_key");
_Static_assert(sizeof(struct sample_row) == 24, "sample_row");
_Static_assert(sizeof(struct sample_rate) == 48, "sample_rate");

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks as both sides know them. */
#ifndef ALLOCPATH_STACK_H
#define ALLOCPATH_STACK_H

/* Of what a stack was taken; the numbers stand in recordings. */
enum sample_kind {
	SAMPLE_REQUEST = 0,
	SAMPLE_GROWN, /* the break raised */
	SAMPLE_MAPPED, /* anonymous mappings made: what mmap_anon_bytes counts */
	SAMPLE_FAULT, /* page faults; bytes are those of first touches */
	NR_SAMPLE_KINDS,
};

#endif

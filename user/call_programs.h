/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs on the functions of the six system calls on memory, where the kernel has trampolines:
 * no other call pays for them then. The kernel loads such a program for one function. So that the
 * verifier walks over the large ones (bpf/syscall.bpf.h) once a prototype and not once a call, each
 * call gets two of a few instructions, made here, which jump to them.
 */
#ifndef ALLOCPATH_CALL_PROGRAMS_H
#define ALLOCPATH_CALL_PROGRAMS_H

#include <linux/types.h>

#define NR_MEMORY_CALLS 6
#define MAX_CALL_PROTOTYPES 2 /* more: the kernel's BTF has them otherwise, tracepoints are taken */

struct btf;

enum call_end {
	CALL_BEGINS,
	CALL_ENDS,
	NR_CALL_ENDS,
};

struct call_programs {
	__u32 functions[NR_MEMORY_CALLS]; /* BTF's number of it */
	__u32 prototypes[NR_MEMORY_CALLS]; /* index of the large programs that it takes */
	const char *first_of[MAX_CALL_PROTOTYPES]; /* a function of the prototype */
	__u32 nr_prototypes;
	/* Of one large program each. Kept open: without a descriptor the kernel empties them. */
	int arrays[MAX_CALL_PROTOTYPES][NR_CALL_ENDS];
	int programs[NR_MEMORY_CALLS][NR_CALL_ENDS]; /* descriptors; 0: none */
	int links[NR_MEMORY_CALLS][NR_CALL_ENDS];
};

/* Finds the functions and tries whether the kernel takes programs on them. 0, or -errno: why not. */
int call_programs__find(struct call_programs *calls, const struct btf *btf);

/*
 * Makes and attaches them. bodies: descriptors of the large programs. 0 or -errno; what was
 * attached until then goes with call_programs__detach.
 */
int call_programs__attach(struct call_programs *calls,
			  const int bodies[MAX_CALL_PROTOTYPES][NR_CALL_ENDS]);

/* Runs that the kernel left out, see session__skipped. */
__u64 call_programs__skipped(const struct call_programs *calls);

void call_programs__detach(struct call_programs *calls);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the experiments of "allocpath validate" have shown: what each process told of itself, and
 * what our probes saw of it. The first is read from text, the second is a profile.
 */
#ifndef ALLOCPATH_EVIDENCE_H
#define ALLOCPATH_EVIDENCE_H

#include <stdio.h>

#include "profile.h"

#define EVIDENCE_NAME 48

struct evidence_line {
	char experiment[EVIDENCE_NAME], key[EVIDENCE_NAME];
	__u32 pid;
	__u64 value;
};

struct evidence {
	struct evidence_line *lines;
	size_t nr_lines;
	struct profile profile;
	const char *allocator; /* as asked for: "glibc" */
	bool huge_always; /* transparent huge pages for everything */
	bool huge_never;
};

/* Takes in a text of "NAME PID KEY VALUE" lines; what is none is passed over. 0 or -ENOMEM. */
int evidence__read(struct evidence *evidence, FILE *file);

/* A value that a process told. false: it did not. */
bool evidence__told(const struct evidence *evidence, const char *experiment, const char *key,
		    __u64 *value);

/* The process of an experiment, as our probes saw it; NULL: it did not run. */
const struct profile_process *evidence__process(const struct evidence *evidence,
						const char *experiment);

/* NN of the glibc 2.NN that the experiments ran with; 0: another allocator, or not known. */
int evidence__glibc_minor(const struct evidence *evidence);

void evidence__free(struct evidence *evidence);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gzipped pprof profile that is written as it comes: protobuf lets a message be a row of parts,
 * so only its strings are held. An error stays, and is told at the end.
 */
#ifndef ALLOCPATH_PPROF_H
#define ALLOCPATH_PPROF_H

#include <linux/types.h>
#include <stdio.h>
#include <zlib.h>

#include "pprof.pb-c.h"
#include "string_table.h"

#define PPROF_MAX_TYPES 8

struct pprof {
	gzFile file;
	struct string_table strings;
	__u64 *location_of; /* of a function without address, by its name's number; 0: none yet */
	size_t nr_location_of;
	__u64 nr_locations, nr_functions, nr_mappings;
	unsigned char *buffer;
	size_t buffer_size;
	size_t nr_types;
	int error;
};

/* A sample's labels; the same struct may serve many samples. */
struct pprof_labels {
	__u64 pid;
	const char *comm;
	const char *path; /* NULL: none */
	__u64 size; /* of the class, where there is a path */
};

struct pprof_type {
	const char *type, *unit;
};

/* The stream stays the caller's, which flushes it afterwards. 0 or -errno. */
int pprof__open(struct pprof *pprof, FILE *out);

/* What the values of the samples are, and which is shown unasked; before the first sample. */
void pprof__set_types(struct pprof *pprof, const struct pprof_type *types, size_t nr, size_t shown);

/* A location that is a name and no address. */
__u64 pprof__name(struct pprof *pprof, const char *name);
__u64 pprof__mapping(struct pprof *pprof, __u64 start, __u64 limit, __u64 offset, const char *path,
		     const char *build_id);
/* mapping 0: none. */
__u64 pprof__address(struct pprof *pprof, __u64 mapping, __u64 address);

/* leaf was called by caller. One value for each type. */
void pprof__sample(struct pprof *pprof, __u64 leaf, __u64 caller, const __u64 *values,
		   const struct pprof_labels *labels);

void pprof__comment(struct pprof *pprof, const char *text);

/* Writes a part: any fields of Profile. */
void pprof__put(struct pprof *pprof, const Pprof__Profile *part);

/* Writes what is left. 0, or the first error. */
int pprof__close(struct pprof *pprof);

#endif

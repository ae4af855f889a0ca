/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gzipped pprof profile that is written as it comes: protobuf lets a message be a row of parts,
 * so only its strings are held. An error stays, and is told at the end.
 */
#ifndef ALLOCPATH_PPROF_H
#define ALLOCPATH_PPROF_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <zlib.h>

#include "pprof.pb-c.h"
#include "profile.h"
#include "string_table.h"

struct symbol_frame;

#define PPROF_MAX_TYPES 9
/* Of a sample: a whole stack, and what is said of its end. */
#define PPROF_MAX_LOCATIONS (MAX_STACK_FRAMES + 2)

/* A function with its file, both by the numbers of their strings. */
struct pprof_function {
	__u64 id; /* 0: a free place */
	__s64 name, file;
};

struct pprof {
	gzFile file;
	struct string_table strings;
	__u64 *location_of; /* of a function without address, by its name's number; 0: none yet */
	size_t nr_location_of;
	struct pprof_function *functions; /* of code; open addressing */
	size_t nr_code_functions, functions_room;
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
/* named: its code has functions, and where it has them files and lines: nobody has to look again. */
__u64 pprof__mapping(struct pprof *pprof, const struct profile_mapping *mapping, bool named);
/*
 * A location of code; mapping 0: none. Frames are innermost first, as symbols__frames gives them;
 * one without name is an address only, as is code without frames.
 */
__u64 pprof__code(struct pprof *pprof, __u64 mapping, __u64 address,
		  const struct symbol_frame *frames, size_t nr_frames);

/* The innermost location comes first. One value for each type. */
void pprof__sample(struct pprof *pprof, const __u64 *locations, size_t nr, const __u64 *values,
		   const struct pprof_labels *labels);

void pprof__comment(struct pprof *pprof, const char *text);

/* The number of a text; 0, and an error that stays, where there is no memory. */
__s64 pprof__string(struct pprof *pprof, const char *text);

/* Writes a part: any fields of Profile. */
void pprof__put(struct pprof *pprof, const Pprof__Profile *part);

/* Writes a part of our own message. */
void pprof__put_recording(struct pprof *pprof, Recording__Recording *recording);

/* Writes what is left. 0, or the first error. */
int pprof__close(struct pprof *pprof);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the parts of a recording to a profile. Nothing in them is trusted. */
#ifndef ALLOCPATH_RECORDING_PARSE_H
#define ALLOCPATH_RECORDING_PARSE_H

#include "profile.h"
#include "recording.pb-c.h"
#include "recording_names.h"

/* More names than this in a list are refused. */
#define MAX_NAMES 1024

/* What the numbers of a list stand for here, in the order of the file's names; -1: not known. */
struct name_list {
	short known[MAX_NAMES];
	size_t nr;
};

struct recording_parse {
	struct profile profile;
	unsigned int version; /* 0: no part was seen */
	struct name_list counters, paths, functions;
	size_t used; /* bytes of the profile */
};

/*
 * Adds a part. -ENOTSUP: of a newer version. -EINVAL: it says something impossible. -ENOMEM: more
 * than a recording may need. After an error recording_parse__free is due, as it is otherwise.
 */
int recording_parse__part(struct recording_parse *parse, const Recording__Recording *part);

/* Room for nr elements, zeroed; NULL: beyond the bound of a recording, or no memory. */
void *recording_parse__room(struct recording_parse *parse, size_t nr, size_t size);

/* The array with room for one more behind nr elements, zeroed; NULL as above, it stays then. */
void *recording_parse__append(struct recording_parse *parse, void *array, size_t nr, size_t size);

/*
 * A text, in place of the one that stands there; an empty one is a missing one: NULL, or of those
 * that are never NULL "". 0 or -ENOMEM.
 */
int recording_parse__text(struct recording_parse *parse, const ProtobufCBinaryData *from,
			  char **text);
int recording_parse__own_text(struct recording_parse *parse, const ProtobufCBinaryData *from,
			      char **text);

/* The size class that begins at min; -EINVAL: none does. */
int recording_parse__class(__u64 min);

void recording_parse__free(struct recording_parse *parse);

#endif

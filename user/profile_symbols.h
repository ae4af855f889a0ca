/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_PROFILE_SYMBOLS_H
#define ALLOCPATH_PROFILE_SYMBOLS_H

#include "profile.h"
#include "symbols.h"

/* What a frame is called: its functions, or where it is. */
struct frame_names {
	const struct symbol_frame *frames; /* innermost first, the last is the one it is in */
	size_t nr_frames; /* 0: no name was looked for */
};

/* Is it code of no file, each process's own? */
bool profile_symbols__is_jit(const struct profile *profile, const struct profile_frame *frame);
/* Is it the kernel's own? */
bool profile_symbols__is_kernel(const struct profile *profile, const struct profile_frame *frame);

/*
 * The names of a frame of a process's stack; symbols NULL: none are looked for. What a recording
 * has comes first: files here may be others by now. 0 or -ENOMEM.
 */
int profile_symbols__find(struct symbols *symbols, const struct profile *profile,
			  const struct profile_process *process, const struct profile_frame *frame,
			  struct frame_names *names);

/* "libc.so.6+0x98930 [93ac61ec5a8e]", with the build id's start, or an address: without a name. */
void profile_symbols__place(const struct profile *profile, const struct profile_frame *frame,
			    char *text, size_t size);

/*
 * Reads the files that callers lie in while their processes live, through the mapping itself: the
 * path may be another file's by now, or here. 0 or -ENOMEM.
 */
int profile_symbols__read(const struct profile *profile, struct symbols *symbols);

#endif

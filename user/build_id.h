/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_BUILD_ID_H
#define ALLOCPATH_BUILD_ID_H

#include <stddef.h>

/* Notes are of some file: no more than this is read of them. */
#define BUILD_ID_MAX_NOTE_BYTES (1 << 16)
#define BUILD_ID_MAX_BYTES 64

/*
 * The build id among the notes of one segment or section, whose parts are aligned to align bytes:
 * in hex, the caller's to free. -ENOENT: none.
 */
int build_id__find(const unsigned char *notes, size_t size, size_t align, char **build_id);

#endif

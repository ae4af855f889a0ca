/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Separate debug files, where distributions put them: by build id, or by the name and checksum in
 * .gnu_debuglink. One that has not the build id of its file is of another version, and refused.
 */
#ifndef ALLOCPATH_DEBUG_FILE_H
#define ALLOCPATH_DEBUG_FILE_H

#include <signal.h>

#include "elf_sections.h"

#define DEBUG_FILE_ROOT "/usr/lib/debug"

/*
 * root: the directory that debug files lie below. path: of the file, for the link; NULL: unknown.
 * build_id: its own, NULL for none. cancel: once it is not 0 no checksum is finished; or NULL. A
 * descriptor, the caller's to close; -ENOENT: none; -ESTALE: only one of another version.
 */
int debug_file__open(const char *root, const struct elf_sections *file, const char *path,
		     const char *build_id, const volatile sig_atomic_t *cancel);

/*
 * Opens the file that belongs to a build id below the root, executable or debug file by suffix
 * (".debug" or ""), whose build id is checked. As above.
 */
int debug_file__by_build_id(const char *root, const char *build_id, const char *suffix);

/*
 * Opens the dwz file that a file with debug information shares parts with others in, as its
 * .gnu_debugaltlink names it, whose build id is checked. As above.
 */
int debug_file__open_dwz(const char *root, const struct elf_sections *file);

/* Is it an ELF file with this build id? 0, or -ESTALE. */
int debug_file__check(int fd, const char *build_id);

#endif

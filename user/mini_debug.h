/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MiniDebugInfo: local functions of a stripped file, in an ELF file of their own inside of it. */
#ifndef ALLOCPATH_MINI_DEBUG_H
#define ALLOCPATH_MINI_DEBUG_H

#include "elf_sections.h"

/*
 * Unpacks .gnu_debugdata into a file in memory. A descriptor, the caller's to close; -ENOENT: there
 * is none; -EINVAL: malformed, or more than any that is in use.
 */
int mini_debug__open(const struct elf_sections *file);

#endif

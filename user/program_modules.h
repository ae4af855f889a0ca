/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_PROGRAM_MODULES_H
#define ALLOCPATH_PROGRAM_MODULES_H

/*
 * The modules that a program of a known kind may open while it runs, by where they are installed:
 * paths separated by colons. At most 256. NULL: none, or no memory. The caller's to free.
 */
char *program__modules(const char *program);

#endif

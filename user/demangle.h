/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_DEMANGLE_H
#define ALLOCPATH_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes what a C++ or Rust symbol stands for. false: it is neither, or would take more than size:
 * a name of some file may be made to come out at gigabytes.
 */
bool demangle(const char *symbol, char *text, size_t size);

#endif

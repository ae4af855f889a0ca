/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages on stderr: one line each, "allocpath: ...". */
#ifndef ALLOCPATH_LOG_H
#define ALLOCPATH_LOG_H

#include <stdbool.h>

/* Notes are printed only with -v. */
void log__set_verbose(bool verbose);
bool log__is_verbose(void);

/* Prints one line and returns error, so that "return log__error(err, ...)" reports and leaves. */
int log__error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log__warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log__note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only file that makes system calls. Each of the six that the ledger knows is counted in the
 * slot of the thread that makes it, with its bytes, whether it succeeds or not. Lengths are whole
 * pages but for the break's.
 */
#ifndef REFALLOC_OS_H
#define REFALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define PAGE ((size_t)4096)

static inline size_t page_up(size_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

void *os__map(size_t length); /* NULL: refused */
bool os__unmap(void *start, size_t length);
void *os__remap(void *start, size_t from,
		size_t to); /* it may move; NULL: refused, all is as before */
bool os__discard(void *start, size_t length); /* keeps the addresses, gives the pages back */

/* Whether it is, or the kernel does not say. Keeps errno. */
bool os__is_mapped(const void *memory);

void *os__break(void); /* NULL: there is none */
bool os__move_break(ptrdiff_t by);

/*
 * A shared mapping of a new file: path may have a %p for the pid; NULL: a file without a name. at:
 * NULL, or a mapping of this length that is replaced. On failure NULL with errno set.
 */
void *os__map_ledger(const char *path, size_t length, void *at);

__u64 os__boot_ns(void);
__u32 os__pid(void);

/* A line of at most 500 bytes on standard error, in one write. No format here makes printf allocate. */
__attribute__((format(printf, 1, 2))) void os__say(const char *format, ...);

#endif

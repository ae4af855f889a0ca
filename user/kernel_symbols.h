/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions of the running kernel and its modules, from kallsyms. */
#ifndef ALLOCPATH_KERNEL_SYMBOLS_H
#define ALLOCPATH_KERNEL_SYMBOLS_H

#include "text_symbols.h"

/* What stands for its file. */
#define KERNEL_OBJECT "[kernel]"

#define KERNEL_SYMBOLS_PATH "/proc/kallsyms"

/*
 * Names are "do_mmap" or "ext4_sync_file [ext4]". 0, -ENOMEM, or -errno of reading; -EACCES: the
 * kernel hides its addresses (kernel.kptr_restrict, or no CAP_SYSLOG).
 */
int kernel_symbols__read(const char *path, struct text_symbols *symbols);

/* In hex, the caller's to free. NULL: not to be had. */
char *kernel_symbols__build_id(void);

#endif

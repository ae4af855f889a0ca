/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_VDSO_FILE_H
#define ALLOCPATH_VDSO_FILE_H

/*
 * A file with the kernel's vdso, as every 64-bit process has it: a descriptor, the caller's to
 * close. -ENOENT: this kernel gives none.
 */
int vdso_file__open(void);

#endif

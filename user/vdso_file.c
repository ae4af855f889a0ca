/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vdso_file.h"

#include <elf.h>
#include <errno.h>
#include <linux/types.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* It ends with its section headers, and is mapped whole. */
int vdso_file__open(void)
{
	const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR); // NOLINT
	size_t size;
	int fd;

	if (!vdso)
		return -ENOENT;
	size = vdso->e_shoff + (size_t)vdso->e_shnum * vdso->e_shentsize;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, vdso, size) == (ssize_t)size)
		return fd;
	close(fd);
	return -EIO;
}

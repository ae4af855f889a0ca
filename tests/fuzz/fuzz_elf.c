/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that some process has mapped. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocator_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct allocator_file *file;
	const char *why = NULL;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return -1;
	if (!allocator_file__read(fd, &file, &why))
		allocator_file__free(file);
	close(fd);
	return 0;
}

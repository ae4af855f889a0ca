/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "read_at.h"

#include <errno.h>
#include <unistd.h>

int read_at(int fd, void *buffer, size_t size, __u64 offset)
{
	unsigned char *to = buffer;

	while (size) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EINVAL;
		to += n;
		offset += (size_t)n;
		size -= (size_t)n;
	}
	return 0;
}

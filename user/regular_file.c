/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int regular_file__open(const char *path)
{
	struct stat status;
	char link[32];
	int handle, fd;

	handle = open(path, O_PATH | O_CLOEXEC);
	if (handle < 0)
		return -errno;
	if (fstat(handle, &status) || !S_ISREG(status.st_mode)) {
		close(handle);
		return -EINVAL;
	}
	/* By the handle, so that it is what was looked at. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	close(handle);
	return fd;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mapped_file.h"

int mapped_file__path(pid_t pid, const struct maps_line *line, char *path, size_t size)
{
	struct stat status;

	snprintf(path, size, "/proc/%d/map_files/%llx-%llx", pid, line->start, line->end);
	if (!access(path, R_OK))
		return 0;
	/* The device of maps may be another than stat's, as on overlayfs; the inode is the same. */
	if ((size_t)snprintf(path, size, "/proc/%d/root%s", pid, line->path) >= size)
		return -EACCES;
	if (!stat(path, &status) && status.st_ino == line->inode && !access(path, R_OK))
		return 0;
	/* The name alone may be another file's where the process is in a namespace of its own. */
	if ((size_t)snprintf(path, size, "%s", line->path) >= size)
		return -EACCES;
	if (!stat(path, &status) && status.st_ino == line->inode &&
	    status.st_dev == makedev(line->major, line->minor) && !access(path, R_OK))
		return 0;
	return -EACCES;
}

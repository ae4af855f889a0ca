/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "output.h"

static int output__fail(struct output *output, int error)
{
	free(output->temporary);
	output->temporary = NULL;
	return log__error(error, "cannot write %s: %s", output->name, strerror(-error));
}

/* A file without a name, in the directory of path: a crash or kill -9 leaves nothing of it. */
static int output__open_unnamed(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int fd, error;

	directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!directory)
		return -ENOMEM;
	fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	error = errno;
	free(directory);
	return fd < 0 ? -error : fd;
}

/* Gives the unnamed file a name of its own beside path, for the rename. */
static int output__link(const struct output *output)
{
	char link[64];

	if (!output->is_unnamed)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fileno(output->stream));
	if (linkat(AT_FDCWD, link, AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW))
		return -errno;
	return 0;
}

static int output__open_beside(struct output *output, const char *path)
{
	int fd;

	if (!*path)
		return -ENOENT;
	if (!access(path, F_OK) && access(path, W_OK))
		return -errno;
	fd = output__open_unnamed(path);
	output->is_unnamed = fd >= 0;
	if (asprintf(&output->temporary, output->is_unnamed ? "%s.%d" : "%s.XXXXXX", path,
		     getpid()) < 0) {
		output->temporary = NULL;
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	if (fd >= 0)
		return fd;
	/* A file system that has no unnamed files. */
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0644);
	return fd;
}

int output__open(struct output *output, const char *path, bool in_place)
{
	struct stat status;
	int fd;

	memset(output, 0, sizeof(*output));
	if (!path) {
		output->stream = stdout;
		output->name = "standard output";
		return 0;
	}
	output->name = path;
	if (!stat(path, &status) && !S_ISREG(status.st_mode))
		in_place = true;
	if (in_place) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			fd = -errno;
	} else {
		fd = output__open_beside(output, path);
	}
	if (fd < 0)
		return output__fail(output, fd);
	output->stream = fdopen(fd, "w");
	if (!output->stream) {
		int error = -errno;

		close(fd);
		if (output->temporary && !output->is_unnamed)
			unlink(output->temporary);
		return output__fail(output, error);
	}
	return 0;
}

/* A write in the middle may have failed, and the flush of the rest succeed. 0 or -errno. */
static int output__flush(FILE *stream)
{
	if (fflush(stream))
		return -errno;
	return ferror(stream) ? -EIO : 0;
}

int output__close(struct output *output, int error)
{
	bool has_name = !output->is_unnamed;
	int flushed;

	if (!output->stream)
		return error;
	flushed = output__flush(output->stream);
	if (flushed && !error)
		error = log__error(flushed, "cannot write %s: %s", output->name,
				   strerror(-flushed));
	if (output->stream == stdout)
		return error;
	if (output->temporary && !error) {
		error = output__link(output);
		has_name |= !error;
		if (!error && rename(output->temporary, output->name))
			error = -errno;
		else if (!error)
			has_name = false;
		if (error)
			log__error(error, "cannot write %s: %s", output->name, strerror(-error));
	}
	if (output->temporary && has_name)
		unlink(output->temporary);
	fclose(output->stream);
	output->stream = NULL;
	free(output->temporary);
	output->temporary = NULL;
	return error;
}

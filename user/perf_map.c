/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "perf_map.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_MAP_BYTES (32 << 20)
#define MAX_ENTRIES (1 << 20)
#define MAX_LINE 1024 /* of which the start is used */
#define BLOCK_BYTES (64 << 10)

struct process_status {
	unsigned int euid;
	unsigned int inner_pid; /* its number in the namespace that it is in */
};

static int read_status(pid_t pid, struct process_status *process)
{
	char path[64], line[256];
	bool has_uid = false;
	FILE *file;

	process->inner_pid = (unsigned int)pid;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	while (fgets(line, sizeof(line), file)) {
		char *last;

		if (sscanf(line, "Uid: %*u %u", &process->euid) == 1)
			has_uid = true;
		if (strncmp(line, "NSpid:", 6))
			continue;
		line[strcspn(line, "\n")] = '\0';
		last = strrchr(line, '\t');
		if (last)
			process->inner_pid = (unsigned int)strtoul(last, NULL, 10);
	}
	fclose(file);
	return has_uid ? 0 : -ENOENT;
}

/* The process owns its root: no link in there may lead out of it, and the file is no link at all. */
static int open_below(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int perf_map__open(pid_t pid)
{
	struct process_status process;
	struct stat status;
	char path[64];
	int root, fd;

	if (read_status(pid, &process))
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -ENOENT;
	snprintf(path, sizeof(path), "tmp/perf-%u.map", process.inner_pid);
	fd = open_below(root, path);
	close(root);
	if (fd < 0)
		return -ENOENT;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) &&
	    (!status.st_uid || status.st_uid == process.euid))
		return fd;
	close(fd);
	return -EPERM;
}

/* A number in hex and the space behind it; NULL: it is none. */
static const char *read_hex(const char *at, const char *end, __u64 *value)
{
	const char *start;

	*value = 0;
	if (end - at > 2 && at[0] == '0' && at[1] == 'x')
		at += 2;
	for (start = at; at < end && isxdigit((unsigned char)*at); at++)
		*value = *value << 4 |
			 (__u64)(isdigit((unsigned char)*at) ? *at - '0' : (*at | 0x20) - 'a' + 10);
	if (at == start || at - start > 16 || at == end || *at != ' ')
		return NULL;
	return at + 1;
}

static int add_line(struct text_symbols *symbols, const char *line, const char *end)
{
	__u64 start, size;
	const char *at;

	at = read_hex(line, end, &start);
	if (at)
		at = read_hex(at, end, &size);
	if (!at || at == end || !size || start + size < start)
		return 0;
	if (symbols->ranges.nr == MAX_ENTRIES)
		return -EFBIG;
	return text_symbols__add(symbols, start, size, 0, at, (size_t)(end - at));
}

/*
 * Lines of a block, whose last one may go on in the next: what is not used stays at its start.
 * What a line has beyond MAX_LINE is dropped.
 */
static int add_lines(struct text_symbols *symbols, char *block, size_t *used, bool *in_line)
{
	char *at = block, *end = block + *used;
	int err = 0;

	while (!err && at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *stop = newline ? newline : end;

		if (!newline && end - at < MAX_LINE && !*in_line)
			break;
		if (!*in_line)
			err = add_line(symbols, at, stop - at > MAX_LINE ? at + MAX_LINE : stop);
		*in_line = !newline;
		at = newline ? newline + 1 : end;
	}
	*used = (size_t)(end - at);
	memmove(block, at, *used);
	return err;
}

int perf_map__read(int fd, struct text_symbols *symbols)
{
	char *block = malloc(BLOCK_BYTES);
	bool in_line = false;
	size_t used = 0;
	off_t at = 0;
	int err = 0;

	*symbols = (struct text_symbols){ 0 };
	if (!block)
		return -ENOMEM;
	while (!err && at < MAX_MAP_BYTES) {
		ssize_t n = pread(fd, block + used, BLOCK_BYTES - used, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		at += n;
		used += (size_t)n;
		err = add_lines(symbols, block, &used, &in_line);
	}
	/* A last line without its end is one that is being written. */
	free(block);
	if (err == -ENOMEM)
		text_symbols__free(symbols);
	else
		text_symbols__finish(symbols);
	return err;
}

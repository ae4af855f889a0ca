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
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL

#define MAX_MAP_BYTES (32 << 20)
#define MAX_ENTRIES (1 << 20)
#define MAX_LINE 1024 /* of which the start is used */
#define BLOCK_BYTES (64 << 10)

static int read_status(pid_t pid, struct perf_map_owner *owner)
{
	char path[64], line[256];
	bool has_uid = false;
	FILE *file;

	owner->inner_pid = (unsigned int)pid;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	while (fgets(line, sizeof(line), file)) {
		char *last;

		if (sscanf(line, "Uid: %*u %u", &owner->euid) == 1)
			has_uid = true;
		if (strncmp(line, "NSpid:", 6))
			continue;
		line[strcspn(line, "\n")] = '\0';
		last = strrchr(line, '\t');
		if (last)
			owner->inner_pid = (unsigned int)strtoul(last, NULL, 10);
	}
	fclose(file);
	return has_uid ? 0 : -ENOENT;
}

/* Fields of /proc/PID/stat follow the name, which may hold anything, in parentheses. */
static int read_start(pid_t pid, struct perf_map_owner *owner)
{
	char path[64], line[1024];
	unsigned long long ticks;
	const char *at = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	if (fgets(line, sizeof(line), file))
		at = strrchr(line, ')');
	fclose(file);
	if (!at ||
	    sscanf(at,
		   ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu",
		   &ticks) != 1)
		return -ENOENT;
	owner->start_ns = ticks * (NS_PER_S / (unsigned long long)sysconf(_SC_CLK_TCK));
	return 0;
}

int perf_map__owner(pid_t pid, struct perf_map_owner *owner)
{
	return read_status(pid, owner) || read_start(pid, owner) ? -ENOENT : 0;
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

/* Takes the descriptor. It, or -EPERM: anyone may have written the map. */
static int accept_map(int fd, uid_t euid, struct stat *status)
{
	if (!fstat(fd, status) && S_ISREG(status->st_mode) &&
	    (!status->st_uid || status->st_uid == euid))
		return fd;
	close(fd);
	return -EPERM;
}

int perf_map__open(pid_t pid)
{
	struct perf_map_owner owner;
	struct stat status;
	char path[64];
	int root, fd;

	if (read_status(pid, &owner))
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -ENOENT;
	snprintf(path, sizeof(path), "tmp/perf-%u.map", owner.inner_pid);
	fd = open_below(root, path);
	close(root);
	return fd < 0 ? -ENOENT : accept_map(fd, owner.euid, &status);
}

int perf_map__open_left(pid_t pid, uid_t euid, __u64 start_ns)
{
	struct timespec boot, now;
	struct stat status;
	__u64 written_ns;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -ENOENT;
	fd = accept_map(fd, euid, &status);
	if (fd < 0)
		return fd;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	/* Of the clock that processes' starts are told by. */
	written_ns = (__u64)status.st_mtim.tv_sec * NS_PER_S + (__u64)status.st_mtim.tv_nsec;
	written_ns -= (__u64)now.tv_sec * NS_PER_S + (__u64)now.tv_nsec;
	written_ns += (__u64)boot.tv_sec * NS_PER_S + (__u64)boot.tv_nsec;
	if ((__s64)written_ns >= (__s64)start_ns)
		return fd;
	close(fd);
	return -ENOENT;
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

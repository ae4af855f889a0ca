/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mapped_file.h"
#include "names.h"
#include "read_at.h"
#include "regular_file.h"

static int refuse_layout(const char *name, const struct refalloc_head *head)
{
	return log__error(-1,
			  "%s: a ledger of layout %u, this allocpath reads layout %u: "
			  "use the allocpath that came with its allocator",
			  name, head->layout, REFALLOC_LAYOUT);
}

static bool head__is_sound(const struct refalloc_head *head)
{
	return head->head_bytes == sizeof(struct refalloc_head) &&
	       head->slot_bytes == sizeof(struct refalloc_slot) && head->used_slots &&
	       head->used_slots <= REFALLOC_SLOTS;
}

/* 0, -ENOMEM, -EINVAL: it ends before, or another error of reading. */
static int add_slots(struct ledger_copy *copy, int fd)
{
	struct refalloc_slot *slot = malloc(sizeof(*slot));
	int error = slot ? 0 : -ENOMEM;

	memset(&copy->total, 0, sizeof(copy->total));
	for (__u32 i = 0; !error && i < copy->head.used_slots; i++) {
		error = read_at(fd, slot, sizeof(*slot), sizeof(copy->head) + i * sizeof(*slot));
		if (!error)
			refalloc_slot__add(&copy->total, slot);
	}
	free(slot);
	return error;
}

/* name is for messages. 0 or -1, reported. */
static int read_ledger(struct ledger_copy *copy, int fd, const char *name)
{
	struct stat status;
	int error;

	error = read_at(fd, &copy->head, sizeof(copy->head), 0);
	if (error && error != -EINVAL)
		return log__error(-1, "%s cannot be read: %s", name, strerror(-error));
	if (error || copy->head.magic != REFALLOC_MAGIC)
		return log__error(-1,
				  "%s is no ledger of the reference allocator: "
				  "give a file that REFALLOC=ledger=FILE has written",
				  name);
	if (copy->head.layout != REFALLOC_LAYOUT)
		return refuse_layout(name, &copy->head);
	if (!head__is_sound(&copy->head))
		return log__error(-1, "%s: the head of this ledger is damaged: write it anew",
				  name);
	if (fstat(fd, &status))
		return log__error(-1, "%s cannot be read: %s", name, strerror(errno));
	if ((__u64)status.st_size < sizeof(struct refalloc_ledger))
		return log__error(-1, "%s is cut short: it has %llu of a ledger's %zu bytes", name,
				  (__u64)status.st_size, sizeof(struct refalloc_ledger));
	error = add_slots(copy, fd);
	if (error)
		return log__error(-1, "%s cannot be read: %s", name,
				  error == -EINVAL ? "it was cut short meanwhile" :
						     strerror(-error));
	return 0;
}

int ledger_copy__read_file(struct ledger_copy *copy, const char *path)
{
	int fd = regular_file__open(path), error;

	memset(copy, 0, sizeof(*copy));
	if (fd == -EINVAL)
		return log__error(-1,
				  "%s is no regular file: give a ledger's file, "
				  "or a process's number",
				  path);
	if (fd < 0)
		return log__error(-1, "%s cannot be opened: %s", path, strerror(-fd));
	error = read_ledger(copy, fd, path);
	close(fd);
	return error;
}

/* What a ledger's mapping looks like: shared, from the file's start, and of its size. */
static bool line__may_be_ledger(const struct maps_line *line)
{
	return line->rights[0] == 'r' && line->rights[3] == 's' && !line->offset && line->inode &&
	       line->end - line->start == sizeof(struct refalloc_ledger);
}

/* The file of the mapping if a ledger is in it; -ENOENT: it is none. Others' files are passed over. */
static int open_mapping(pid_t pid, const struct maps_line *line)
{
	char path[4096];
	__u64 magic = 0;
	int fd;

	if (mapped_file__path(pid, line, path, sizeof(path)))
		return -EACCES;
	fd = regular_file__open(path);
	if (fd < 0)
		return fd;
	if (!read_at(fd, &magic, sizeof(magic), 0) && magic == REFALLOC_MAGIC)
		return fd;
	close(fd);
	return -ENOENT;
}

/*
 * -ENOENT: none of its mappings is a ledger; -EACCES: one that looks like it could not be opened;
 * -ESRCH and others as from opening its list of mappings.
 */
static int find_mapping(pid_t pid)
{
	char name[64], *text = NULL;
	size_t room = 0;
	int fd = -ENOENT;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&text, &room, maps) > 0) {
		struct maps_line line;
		int found;

		if (!maps_line__parse(text, &line) || !line__may_be_ledger(&line))
			continue;
		found = open_mapping(pid, &line);
		if (found >= 0) {
			fd = found;
			break;
		}
		/* It may have been the ledger: to be told if no other one is. */
		if (found == -EACCES || found == -EPERM)
			fd = found;
	}
	free(text);
	fclose(maps);
	return fd;
}

int ledger_copy__read_process(struct ledger_copy *copy, pid_t pid)
{
	char name[64];
	int fd, error;

	memset(copy, 0, sizeof(*copy));
	fd = find_mapping(pid);
	if (fd == -ESRCH)
		return log__error(-1, "there is no process %d", pid);
	if (fd == -ENOENT)
		return log__error(-1,
				  "process %d has no ledger: it does not run with librefalloc, "
				  "or with one that was built without",
				  pid);
	if (fd == -EACCES || fd == -EPERM)
		return log__error(-1,
				  "the mappings of process %d cannot be read: "
				  "it takes the right to trace it, as root has",
				  pid);
	if (fd < 0)
		return log__error(-1, "the mappings of process %d cannot be read: %s", pid,
				  strerror(-fd));
	snprintf(name, sizeof(name), "the ledger of process %d", pid);
	error = read_ledger(copy, fd, name);
	close(fd);
	if (error)
		return error;
	copy->pid = pid;
	proc__comm((__u32)pid, copy->comm);
	return 0;
}

static __u64 less(__u64 all, __u64 gone)
{
	return all > gone ? all - gone : 0;
}

__u64 ledger_copy__live_count(const struct ledger_copy *copy)
{
	__u64 requests = 0, releases = 0;

	for (int i = 0; i < NR_SIZE_CLASSES; i++)
		for (int path = 0; path < NR_PATHS; path++)
			requests += copy->total.rows[i].count[path];
	for (int i = 0; i < NR_RELEASES; i++)
		releases += copy->total.releases[i];
	return less(requests, releases);
}

__u64 ledger_copy__live_bytes(const struct ledger_copy *copy)
{
	__u64 bytes = 0;

	for (int i = 0; i < NR_SIZE_CLASSES; i++)
		bytes += copy->total.rows[i].bytes;
	return less(bytes, copy->total.release_bytes);
}

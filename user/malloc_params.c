/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "elf_file.h"
#include "malloc_params.h"
#include "mapped_file.h"
#include "maps_line.h"

#define MAX_DATA (4U << 20)
#define REMEMBERED 16
#define NO_DYN_OFFSET 72 /* of no_dyn_threshold in mp_, from 2.15 to 2.42 */

/* trim_threshold, top_pad, mmap_threshold and arena_test, as the file has them. */
static const __u64 initial[4] = { 131072, 131072, 131072, 8 };

/* Where mp_ lies in a file, so that a host's many processes cost one look. */
struct remembered {
	dev_t device;
	ino_t inode;
	__u64 address; /* 0: it has none */
};

static struct remembered remembered[REMEMBERED];
static unsigned int nr_remembered;

/* The only place of the pattern in the writable data; 0: none, or several. */
static __u64 data__find(const char *data, size_t size, __u64 address)
{
	__u64 found = 0;

	for (size_t at = 0; at + sizeof(initial) <= size; at += 8) {
		if (memcmp(data + at, initial, sizeof(initial)))
			continue;
		if (found)
			return 0;
		found = address + at;
	}
	return found;
}

static __u64 elf__find_params(const struct elf_file *elf)
{
	for (unsigned int i = 0; i < elf->nr_loads; i++) {
		const struct elf_segment *segment = &elf->loads[i];
		__u64 found = 0;
		char *data;

		if (segment->executable || segment->size > MAX_DATA || !segment->size)
			continue;
		data = malloc(segment->size);
		if (!data)
			return 0;
		if (pread(elf->fd, data, segment->size, (off_t)segment->offset) ==
		    (ssize_t)segment->size)
			found = data__find(data, segment->size, segment->address);
		free(data);
		if (found)
			return found;
	}
	return 0;
}

/* Address in the file less offset in the file, of what maps that offset. */
static bool elf__shift(const struct elf_file *elf, __u64 offset, __u64 *shift)
{
	for (unsigned int i = 0; i < elf->nr_loads; i++) {
		const struct elf_segment *segment = &elf->loads[i];

		if (offset >= (segment->offset & ~4095ULL) &&
		    offset < segment->offset + segment->size) {
			*shift = segment->address - segment->offset;
			return true;
		}
	}
	return false;
}

/* Address of mp_ in the process; 0: the file has none. */
static __u64 file__params_address(const char *path, const struct maps_line *line)
{
	struct remembered *known = NULL;
	struct elf_file elf;
	struct stat status;
	__u64 address = 0, shift;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (fstat(fd, &status) || elf_file__open(&elf, fd)) {
		close(fd);
		return 0;
	}
	for (unsigned int i = 0; i < nr_remembered && i < REMEMBERED; i++)
		if (remembered[i].device == status.st_dev && remembered[i].inode == status.st_ino)
			known = &remembered[i];
	if (!known) {
		known = &remembered[nr_remembered++ % REMEMBERED];
		*known =
			(struct remembered){ status.st_dev, status.st_ino, elf__find_params(&elf) };
	}
	if (known->address && elf__shift(&elf, line->offset, &shift))
		address = known->address + line->start - (line->offset + shift);
	elf_file__close(&elf);
	close(fd);
	return address;
}

/* Is it the C library, or a program, which may be static? */
static bool path__may_have_params(const char *path, const char *exe)
{
	const char *name = strrchr(path, '/');

	return name &&
	       (!strcmp(name, "/libc.so.6") || !strncmp(name, "/libc-2.", 8) || !strcmp(path, exe));
}

static int params__copy(struct malloc_params *params, pid_t pid, __u64 address)
{
	char data[NO_DYN_OFFSET + 4];
	struct iovec local = { data, sizeof(data) };
	struct iovec remote = { (void *)(unsigned long)address, sizeof(data) };
	int no_dynamic;

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != sizeof(data))
		return -errno;
	memcpy(&params->trim_threshold, data, 8);
	memcpy(&params->top_pad, data + 8, 8);
	memcpy(&params->mmap_threshold, data + 16, 8);
	memcpy(&no_dynamic, data + NO_DYN_OFFSET, 4);
	params->is_pinned = no_dynamic != 0;
	return 0;
}

int malloc_params__read(struct malloc_params *params, pid_t pid)
{
	char path[64], exe[PATH_MAX] = "", openable[PATH_MAX], *text = NULL;
	int error = -ENOENT;
	__u64 address = 0;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, exe, sizeof(exe) - 1) < 0)
		exe[0] = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!address && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line) || line.rights[2] != 'x' || !line.inode ||
		    !path__may_have_params(line.path, exe))
			continue;
		if (!mapped_file__path(pid, &line, openable, sizeof(openable)))
			address = file__params_address(openable, &line);
	}
	free(text);
	fclose(maps);
	if (address)
		error = params__copy(params, pid, address);
	return error;
}

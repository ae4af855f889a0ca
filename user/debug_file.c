/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debug_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "build_id.h"
#include "read_at.h"
#include "regular_file.h"

#define MAX_LINK_BYTES (NAME_MAX + 1 + 3 + 4)
#define MAX_CHECKED_BYTES (2ULL << 30) /* read whole for its checksum, a second for each gigabyte */
#define BLOCK_BYTES (256 << 10)

int debug_file__check(int fd, const char *build_id)
{
	struct elf_sections sections;
	char *found = NULL;
	int err = -ESTALE;

	if (elf_sections__open(&sections, fd))
		return -ESTALE;
	if (!elf_sections__build_id(&sections, &found) && !strcasecmp(found, build_id))
		err = 0;
	free(found);
	elf_sections__close(&sections);
	return err;
}

static int open_checked(const char *path, const char *build_id)
{
	int fd = regular_file__open(path);

	if (fd < 0)
		return -ENOENT;
	if (!debug_file__check(fd, build_id))
		return fd;
	close(fd);
	return -ESTALE;
}

int debug_file__by_build_id(const char *root, const char *build_id, const char *suffix)
{
	size_t length = strlen(build_id);
	char path[PATH_MAX];

	/* It becomes a path, and may be of a recording that anyone wrote. */
	if (length < 4 || length > 2UL * BUILD_ID_MAX_BYTES ||
	    strspn(build_id, "0123456789abcdef") != length)
		return -ENOENT;
	if ((size_t)snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s%s", root, build_id,
			     build_id + 2, suffix) >= sizeof(path))
		return -ENOENT;
	return open_checked(path, build_id);
}

/* As gdb and binutils have it: CRC-32 of all bytes. */
static int check_checksum(int fd, __u32 wanted, const volatile sig_atomic_t *cancel)
{
	unsigned char *block;
	struct stat status;
	__u64 at, size;
	__u32 found;
	int err = 0;

	if (fstat(fd, &status))
		return -errno;
	size = (__u64)status.st_size;
	if (size > MAX_CHECKED_BYTES)
		return -EFBIG;
	block = malloc(BLOCK_BYTES);
	if (!block)
		return -ENOMEM;
	found = (__u32)crc32(0, NULL, 0);
	for (at = 0; !err && at < size; at += BLOCK_BYTES) {
		size_t n = size - at < BLOCK_BYTES ? size - at : BLOCK_BYTES;

		err = cancel && *cancel ? -ECANCELED : read_at(fd, block, n, at);
		if (!err)
			found = (__u32)crc32(found, block, (uInt)n);
	}
	free(block);
	if (err)
		return err;
	return found == wanted ? 0 : -ESTALE;
}

static int open_linked(const char *path, __u32 checksum, const char *build_id,
		       const volatile sig_atomic_t *cancel)
{
	int err = 0, fd = regular_file__open(path);

	if (fd < 0)
		return -ENOENT;
	if (build_id)
		err = debug_file__check(fd, build_id);
	if (!err)
		err = check_checksum(fd, checksum, cancel);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* The name and the checksum of the link. */
static int read_link(const struct elf_sections *file, char name[NAME_MAX + 1], __u32 *checksum)
{
	const Elf64_Shdr *header = elf_sections__named(file, ".gnu_debuglink");
	unsigned char *bytes;
	int err = -EINVAL;
	size_t length;

	if (!header)
		return -ENOENT;
	err = elf_sections__load(file, header, MAX_LINK_BYTES, &bytes);
	if (err)
		return err;
	err = -EINVAL;
	length = strnlen((const char *)bytes, header->sh_size);
	if (length && length <= NAME_MAX && !memchr(bytes, '/', length) &&
	    ((length + 4) & ~3UL) + sizeof(*checksum) <= header->sh_size) {
		memcpy(name, bytes, length + 1);
		memcpy(checksum, bytes + ((length + 4) & ~3UL), sizeof(*checksum));
		err = 0;
	}
	free(bytes);
	return err;
}

int debug_file__open(const char *root, const struct elf_sections *file, const char *path,
		     const char *build_id, const volatile sig_atomic_t *cancel)
{
	static const char *const places[] = { "%s%.*s/%s", "%s%.*s/.debug/%s" };
	char name[NAME_MAX + 1], candidate[PATH_MAX];
	int fd = -ENOENT, found;
	const char *slash;
	__u32 checksum;

	if (build_id)
		fd = debug_file__by_build_id(root, build_id, ".debug");
	slash = path && path[0] == '/' ? strrchr(path, '/') : NULL;
	if (fd >= 0 || !slash || read_link(file, name, &checksum))
		return fd;
	/* Beside the file, in .debug there, and below the root as if that were /. */
	for (size_t i = 0; i < 3; i++) {
		if ((size_t)snprintf(candidate, sizeof(candidate), places[i % 2],
				     i == 2 ? root : "", (int)(slash - path), path,
				     name) >= sizeof(candidate))
			continue;
		found = open_linked(candidate, checksum, build_id, cancel);
		if (found >= 0)
			return found;
		if (found != -ENOENT)
			fd = found;
	}
	return fd;
}

/* The name, and the build id in hex. */
static int read_dwz_link(const struct elf_sections *file, char name[PATH_MAX],
			 char build_id[2 * BUILD_ID_MAX_BYTES + 1])
{
	const Elf64_Shdr *header = elf_sections__named(file, ".gnu_debugaltlink");
	size_t length, size, i;
	unsigned char *bytes;
	int err;

	if (!header)
		return -ENOENT;
	err = elf_sections__load(file, header, PATH_MAX + BUILD_ID_MAX_BYTES, &bytes);
	if (err)
		return err;
	length = strnlen((const char *)bytes, header->sh_size);
	size = length < header->sh_size ? header->sh_size - length - 1 : 0;
	if (length && length < PATH_MAX && size && size <= BUILD_ID_MAX_BYTES) {
		memcpy(name, bytes, length + 1);
		for (i = 0; i < size; i++)
			sprintf(build_id + 2 * i, "%02x", bytes[length + 1 + i]);
	} else {
		err = -EINVAL;
	}
	free(bytes);
	return err;
}

int debug_file__open_dwz(const char *root, const struct elf_sections *file)
{
	char name[PATH_MAX], build_id[2 * BUILD_ID_MAX_BYTES + 1], own[PATH_MAX], path[PATH_MAX];
	ssize_t length;
	char *slash;
	int fd;

	if (read_dwz_link(file, name, build_id))
		return -ENOENT;
	fd = debug_file__by_build_id(root, build_id, ".debug");
	if (fd >= 0)
		return fd;
	if (name[0] == '/')
		return open_checked(name, build_id);
	/* Beside the file that names it. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	length = readlink(path, own, sizeof(own) - 1);
	if (length <= 0)
		return -ENOENT;
	own[length] = '\0';
	slash = strrchr(own, '/');
	if (!slash || (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - own), own,
				       name) >= sizeof(path))
		return -ENOENT;
	return open_checked(path, build_id);
}

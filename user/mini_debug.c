/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mini_debug.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_PACKED_BYTES (16 << 20)
#define MAX_UNPACKED_BYTES (64 << 20)
#define MAX_DECODER_BYTES (100 << 20) /* xz -9 needs 65 MiB */
#define BLOCK_BYTES (64 << 10)

static int write_all(int fd, const unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

static int unpack(const unsigned char *packed, size_t size, int fd)
{
	unsigned char *block = malloc(BLOCK_BYTES);
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret status = LZMA_OK;
	int err = -ENOMEM;

	if (!block || lzma_stream_decoder(&stream, MAX_DECODER_BYTES, 0) != LZMA_OK)
		goto out;
	stream.next_in = packed;
	stream.avail_in = size;
	do {
		stream.next_out = block;
		stream.avail_out = BLOCK_BYTES;
		status = lzma_code(&stream, LZMA_FINISH);
		err = -EINVAL;
		if ((status != LZMA_OK && status != LZMA_STREAM_END) ||
		    stream.total_out > MAX_UNPACKED_BYTES)
			goto out;
		err = write_all(fd, block, BLOCK_BYTES - stream.avail_out);
	} while (!err && status != LZMA_STREAM_END);
out:
	lzma_end(&stream);
	free(block);
	return err;
}

int mini_debug__open(const struct elf_sections *file)
{
	const Elf64_Shdr *header = elf_sections__named(file, ".gnu_debugdata");
	unsigned char *packed;
	int fd, err;

	if (!header)
		return -ENOENT;
	err = elf_sections__load(file, header, MAX_PACKED_BYTES, &packed);
	if (err)
		return err == -EFBIG ? -EINVAL : err;
	fd = memfd_create("mini debug information", MFD_CLOEXEC);
	err = fd < 0 ? -errno : unpack(packed, header->sh_size, fd);
	free(packed);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

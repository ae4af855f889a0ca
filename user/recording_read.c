/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a file of unknown origin. Its outermost level is walked by hand, so that what is not ours
 * costs no memory; a part of ours is at most MAX_PART bytes, and makes at most MAX_UNPACKED.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "log.h"
#include "recording.h"
#include "recording_parse.h"

#define FIELD_OURS 1000
#define FIELD_STRINGS 6
#define MAX_PART (32U << 20)
#define MAX_UNPACKED (128U << 20)

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_LENGTH = 2,
	WIRE_32 = 5,
};

struct reader {
	gzFile file;
	const char *name;
	struct recording_parse parse;
	bool has_strings; /* it looks like pprof */
	size_t unpacked; /* bytes that protobuf-c holds */
};

/* Each block is led by its size, for the sum. */
#define BLOCK_HEADER 16

static void *reader__allocate(void *context, size_t size)
{
	struct reader *reader = context;
	char *block;

	if (size > MAX_UNPACKED - reader->unpacked)
		return NULL;
	block = malloc(size + BLOCK_HEADER);
	if (!block)
		return NULL;
	memcpy(block, &size, sizeof(size));
	reader->unpacked += size;
	return block + BLOCK_HEADER;
}

static void reader__release(void *context, void *pointer)
{
	struct reader *reader = context;
	char *block = pointer;
	size_t size;

	if (!block)
		return;
	memcpy(&size, block - BLOCK_HEADER, sizeof(size));
	reader->unpacked -= size;
	free(block - BLOCK_HEADER);
}

/* A file that ends in the middle, or whose check sum is wrong. */
static int reader__damaged(const struct reader *reader)
{
	int number = Z_OK;

	gzerror(reader->file, &number);
	if (number == Z_ERRNO)
		return log__error(-EIO, "cannot read %s: %s", reader->name, strerror(errno));
	if (number == Z_BUF_ERROR || number == Z_OK)
		return log__error(-EINVAL, "%s is cut short: record once more", reader->name);
	return log__error(-EINVAL, "%s is damaged: record once more", reader->name);
}

/* 1: a number was read. 0: the file ends before it. -errno: in the middle of it, reported. */
static int reader__varint(struct reader *reader, __u64 *value)
{
	*value = 0;
	for (unsigned int shift = 0; shift < 64; shift += 7) {
		int byte = gzgetc(reader->file);

		if (byte < 0) {
			int number = Z_OK;

			gzerror(reader->file, &number);
			if (!shift && number == Z_OK)
				return 0;
			return reader__damaged(reader);
		}
		*value |= (__u64)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return 1;
	}
	return log__error(-EINVAL, "%s is no recording: give a file of allocpath record",
			  reader->name);
}

/* A number that has to be there. 0 or -errno, reported. */
static int reader__number(struct reader *reader, __u64 *value)
{
	int got = reader__varint(reader, value);

	if (!got)
		return reader__damaged(reader);
	return got == 1 ? 0 : got;
}

static int reader__skip(struct reader *reader, __u64 length)
{
	char discard[16384];

	while (length) {
		unsigned int wanted = length < sizeof(discard) ? length : sizeof(discard);
		int got = gzread(reader->file, discard, wanted);

		if (got <= 0)
			return reader__damaged(reader);
		length -= (unsigned int)got;
	}
	return 0;
}

/* What is too large for its bound, or says something impossible. */
static int reader__refuse(const struct reader *reader, int error)
{
	if (error == -ENOMEM)
		return log__error(error, "%s is too large: no memory for it", reader->name);
	if (error == -ENOTSUP)
		return log__error(error,
				  "%s is of version %u, this allocpath reads up to %d: "
				  "use a newer allocpath",
				  reader->name, reader->parse.version, RECORDING_VERSION);
	return log__error(error, "%s is damaged: record once more", reader->name);
}

static int reader__part(struct reader *reader, __u64 length)
{
	ProtobufCAllocator allocator = {
		.alloc = reader__allocate,
		.free = reader__release,
		.allocator_data = reader,
	};
	Recording__Recording *recording;
	unsigned char *bytes;
	int error, got;

	if (length > MAX_PART)
		return reader__refuse(reader, -EINVAL);
	bytes = malloc(length + 1);
	if (!bytes)
		return reader__refuse(reader, -ENOMEM);
	got = gzread(reader->file, bytes, (unsigned int)length);
	if (got < 0 || (__u64)got != length) {
		free(bytes);
		return reader__damaged(reader);
	}
	recording = recording__recording__unpack(&allocator, length, bytes);
	free(bytes);
	if (!recording)
		return reader__refuse(reader, -EINVAL);
	error = recording_parse__part(&reader->parse, recording);
	recording__recording__free_unpacked(recording, &allocator);
	return error ? reader__refuse(reader, error) : 0;
}

static int reader__walk(struct reader *reader)
{
	__u64 tag, length;
	int got, error = 0;

	while (!error && (got = reader__varint(reader, &tag)) == 1) {
		switch (tag & 7) {
		case WIRE_VARINT:
			error = reader__number(reader, &length);
			break;
		case WIRE_64:
			error = reader__skip(reader, 8);
			break;
		case WIRE_32:
			error = reader__skip(reader, 4);
			break;
		case WIRE_LENGTH:
			error = reader__number(reader, &length);
			if (error)
				return error;
			reader->has_strings |= tag >> 3 == FIELD_STRINGS;
			if (tag >> 3 == FIELD_OURS)
				error = reader__part(reader, length);
			else
				error = reader__skip(reader, length);
			break;
		default:
			return log__error(-EINVAL,
					  "%s is no recording: give a file of allocpath record",
					  reader->name);
		}
	}
	return error ? error : got;
}

static int reader__finish(struct reader *reader, struct profile *profile)
{
	if (gztell(reader->file) == 0)
		return log__error(-EINVAL, "%s is empty: give a file of allocpath record",
				  reader->name);
	if (!reader->parse.version && reader->has_strings)
		return log__error(-EINVAL,
				  "%s is a profile of another tool, without allocpath's own data: "
				  "give a file of allocpath record",
				  reader->name);
	if (!reader->parse.version)
		return log__error(-EINVAL, "%s is no recording: give a file of allocpath record",
				  reader->name);
	*profile = reader->parse.profile;
	profile->is_recorded = true;
	memset(&reader->parse.profile, 0, sizeof(reader->parse.profile));
	return 0;
}

int recording__read(int fd, const char *name, struct profile *profile)
{
	struct reader reader = { .name = name };
	int error;

	memset(profile, 0, sizeof(*profile));
	reader.file = gzdopen(fd, "rb");
	if (!reader.file) {
		close(fd);
		return log__error(-ENOMEM, "no memory to read %s", name);
	}
	error = reader__walk(&reader);
	if (!error)
		error = reader__finish(&reader, profile);
	recording_parse__free(&reader.parse);
	gzclose(reader.file);
	return error;
}

int recording__open(const char *path, struct profile *profile)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(profile, 0, sizeof(*profile));
	if (fd < 0)
		return log__error(-errno, "cannot read %s: %s", path, strerror(errno));
	return recording__read(fd, path, profile);
}

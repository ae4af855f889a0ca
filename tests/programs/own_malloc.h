/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An allocator of a program's own, that tests link into others: small blocks are cut from chunks
 * of 1 MiB and never come back, large ones have mappings of their own. A header of 16 bytes holds
 * the size.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define OWN __attribute__((noinline, noclone, visibility("default")))
#define OWN_CHUNK (1UL << 20)
#define OWN_LARGE (OWN_CHUNK / 4)
#define OWN_HEADER 16

static char *own_next, *own_end;

static void *own_map(size_t size)
{
	void *mapping =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mapping == MAP_FAILED ? NULL : mapping;
}

OWN void *malloc(size_t size)
{
	size_t length = (size + OWN_HEADER + 15) & ~15UL;
	char *block;

	if (size > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	if (length > OWN_LARGE) {
		block = own_map(length);
	} else {
		if ((size_t)(own_end - own_next) < length) {
			own_next = own_map(OWN_CHUNK);
			own_end = own_next ? own_next + OWN_CHUNK : NULL;
		}
		block = own_next;
		own_next += block ? length : 0;
	}
	if (!block) {
		errno = ENOMEM;
		return NULL;
	}
	*(size_t *)block = size;
	return block + OWN_HEADER;
}

OWN void free(void *pointer)
{
	char *block = (char *)pointer - OWN_HEADER;
	size_t length;

	if (!pointer)
		return;
	length = (*(size_t *)block + OWN_HEADER + 15) & ~15UL;
	if (length > OWN_LARGE)
		munmap(block, length);
}

OWN void *calloc(size_t number, size_t size)
{
	void *block;

	if (size && number > PTRDIFF_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	block = malloc(number * size);
	return block ? memset(block, 0, number * size) : NULL;
}

OWN void *realloc(void *old, size_t size)
{
	size_t kept = old ? *(size_t *)((char *)old - OWN_HEADER) : 0;
	void *block = malloc(size);

	if (!block || !old)
		return block;
	memcpy(block, old, kept < size ? kept : size);
	free(old);
	return block;
}

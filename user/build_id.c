/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build_id.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *to_hex(const unsigned char *bytes, size_t size)
{
	char *hex = malloc(2 * size + 1);
	size_t i;

	if (!hex)
		return NULL;
	for (i = 0; i < size; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
	hex[2 * size] = '\0';
	return hex;
}

static size_t align_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

int build_id__find(const unsigned char *notes, size_t size, size_t align, char **build_id)
{
	size_t at = 0;

	while (at <= size && size - at >= sizeof(Elf32_Nhdr)) {
		size_t name = at + sizeof(Elf32_Nhdr), description;
		Elf32_Nhdr note; /* the same in both classes */

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > size || note.n_descsz > size)
			return -ENOENT;
		description = align_up(name + note.n_namesz, align);
		if (description > size || note.n_descsz > size - description)
			return -ENOENT;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(notes + name, "GNU", 4) && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_MAX_BYTES) {
			*build_id = to_hex(notes + description, note.n_descsz);
			return *build_id ? 0 : -ENOMEM;
		}
		at = align_up(description + note.n_descsz, align);
	}
	return -ENOENT;
}

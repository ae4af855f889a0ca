/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_file.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static int read_tables(struct symbol_file *file)
{
	int err = symbol_table__add(&file->table, &file->sections, SHT_SYMTAB);

	if (err == -ENOENT)
		err = symbol_table__add(&file->table, &file->sections, SHT_DYNSYM);
	if (err == -ENOMEM)
		return err;
	/* What is malformed here has given what it has. */
	err = symbol_table__add_plt(&file->table);
	symbol_table__finish(&file->table);
	return err == -ENOMEM ? err : 0;
}

int symbol_file__open(struct symbol_file *file, int fd, const char *build_id)
{
	int err;

	*file = (struct symbol_file){ .fd = fd, .debug_fd = -1 };
	err = elf_sections__open(&file->sections, fd);
	if (err)
		goto out;
	symbol_table__open(&file->table, &file->sections);
	err = elf_sections__build_id(&file->sections, &file->build_id);
	if (err == -ENOMEM)
		goto out;
	err = 0;
	if (build_id && (!file->build_id || strcasecmp(file->build_id, build_id)))
		err = -ESTALE;
	if (!err)
		err = read_tables(file);
out:
	if (err)
		symbol_file__close(file);
	return err;
}

void symbol_file__close(struct symbol_file *file)
{
	symbol_table__close(&file->table);
	elf_sections__close(&file->sections);
	free(file->build_id);
	if (file->fd >= 0)
		close(file->fd);
	if (file->debug_fd >= 0)
		close(file->debug_fd);
	*file = (struct symbol_file){ .fd = -1, .debug_fd = -1 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of code with all that names its functions, here or elsewhere. */
#ifndef ALLOCPATH_SYMBOL_FILE_H
#define ALLOCPATH_SYMBOL_FILE_H

#include "elf_sections.h"
#include "symbol_table.h"

struct symbol_file {
	int fd;
	int debug_fd; /* of a separate debug file; -1: none */
	struct elf_sections sections;
	struct symbol_table table;
	char *build_id; /* hex; NULL: none */
};

/*
 * Takes the descriptor, also on failure. build_id: what the file has to have, or NULL. -ENOENT: not
 * an ELF file. -ESTALE: it has another build id, or none.
 */
int symbol_file__open(struct symbol_file *file, int fd, const char *build_id);
void symbol_file__close(struct symbol_file *file);

#endif

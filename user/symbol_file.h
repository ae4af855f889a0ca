/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of code with all that names its functions, here or elsewhere. */
#ifndef ALLOCPATH_SYMBOL_FILE_H
#define ALLOCPATH_SYMBOL_FILE_H

#include <signal.h>

#include "elf_sections.h"
#include "symbol_table.h"

struct debug_fetch;

/* Where what a file lacks may be looked for. */
struct symbol_search {
	const char *debug_root;
	struct debug_fetch *fetch; /* NULL: debuginfod is not asked */
	bool lines; /* debug information is wanted too, not only names */
	const volatile sig_atomic_t *cancel; /* or NULL */
};

struct symbol_file {
	int fd;
	int debug_fd; /* of a separate debug file; -1: none */
	int dwz_fd; /* that the DWARF shares with other files; -1: none */
	int mini_fd; /* of MiniDebugInfo, unpacked; -1: none */
	bool is_fetched; /* debuginfod gave the debug file */
	bool has_lines; /* DWARF lines in debug_fd, or in fd where there is none */
	struct elf_sections sections;
	struct symbol_table table;
	char *build_id; /* hex; NULL: none */
};

/*
 * Takes the descriptor, also on failure. path: where the file lies, for its debug file; NULL:
 * unknown. build_id: what the file has to have, or NULL. -ENOENT: not an ELF file. -ESTALE: it has
 * another build id, or none.
 */
int symbol_file__open(struct symbol_file *file, int fd, const char *path, const char *build_id,
		      const struct symbol_search *search);
void symbol_file__close(struct symbol_file *file);

/* Address of the code at a file offset; false: no code is there. */
bool symbol_file__address(const struct symbol_file *file, __u64 offset, __u64 *address);

#endif

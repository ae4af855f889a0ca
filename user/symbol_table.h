/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of one file by file offset, from its own tables and from files that belong to it.
 * Only places and sizes are held; a name is read from its file when it is asked for.
 */
#ifndef ALLOCPATH_SYMBOL_TABLE_H
#define ALLOCPATH_SYMBOL_TABLE_H

#include "code_ranges.h"
#include "eh_frame.h"
#include "elf_sections.h"

#define SYMBOL_TABLE_MAX_SOURCES 4
#define SYMBOL_MAX_NAME 4096 /* with its end; a longer name is cut */

/* Where names are read from. */
struct symbol_source {
	int fd; /* owned by whoever added it */
	__u64 strings; /* offset and size of the string table */
	__u64 strings_size;
	bool plt; /* the names are of other files' functions */
};

struct symbol_table {
	const struct elf_sections *file; /* the caller's; the code's own file */
	struct code_ranges ranges;
	struct symbol_source sources[SYMBOL_TABLE_MAX_SOURCES];
	size_t nr_sources;
	bool frames_read;
	struct elf_file elf; /* for frames, where they are needed */
	struct eh_frame frames;
};

void symbol_table__open(struct symbol_table *table, const struct elf_sections *file);

/*
 * Adds the functions of a SHT_SYMTAB or SHT_DYNSYM of the file itself or of one made from it, which
 * has to stay open as long as the table. -ENOENT: it has none.
 */
int symbol_table__add(struct symbol_table *table, const struct elf_sections *from, __u32 type);

/* Adds the entries of the procedure linkage table as NAME@plt. */
int symbol_table__add_plt(struct symbol_table *table);

/* Due before the first name is asked for. */
void symbol_table__finish(struct symbol_table *table);

/* Writes the symbol that a file offset lies in, as the file has it. false: in none. */
bool symbol_table__name(struct symbol_table *table, __u64 offset, char name[SYMBOL_MAX_NAME]);

/* Own memory. */
__u64 symbol_table__bytes(const struct symbol_table *table);
void symbol_table__close(struct symbol_table *table);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_file.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "debug_fetch.h"
#include "debug_file.h"
#include "mini_debug.h"

static bool has_lines(const struct elf_sections *sections)
{
	return elf_sections__named(sections, ".debug_info") ||
	       elf_sections__named(sections, ".zdebug_info");
}

/* The debug file, of this host or fetched; -1: there is none. */
static int find_debug_file(struct symbol_file *file, const char *path,
			   const struct symbol_search *search)
{
	int fd = debug_file__open(search->debug_root, &file->sections, path, file->build_id,
				  search->cancel);

	if (fd >= 0 || !search->fetch || !file->build_id)
		return fd;
	fd = debug_fetch__get(search->fetch, file->build_id, FETCH_DEBUG);
	file->is_fetched = fd >= 0;
	return fd;
}

static int read_debug_file(struct symbol_file *file, const char *path,
			   const struct symbol_search *search)
{
	struct elf_sections debug;
	int err;

	file->debug_fd = find_debug_file(file, path, search);
	if (file->debug_fd < 0) {
		file->debug_fd = -1;
		return -ENOENT;
	}
	err = elf_sections__open(&debug, file->debug_fd);
	if (err)
		return err;
	file->has_lines = has_lines(&debug);
	if (file->has_lines && search->lines)
		file->dwz_fd = debug_file__open_dwz(search->debug_root, &debug);
	err = symbol_table__add(&file->table, &debug, SHT_SYMTAB);
	elf_sections__close(&debug);
	return err;
}

/* Local functions of a stripped file, as some distributions leave them in it. */
static int read_mini_debug(struct symbol_file *file)
{
	struct elf_sections mini;
	int err;

	file->mini_fd = mini_debug__open(&file->sections);
	if (file->mini_fd < 0) {
		err = file->mini_fd;
		file->mini_fd = -1;
		return err;
	}
	err = elf_sections__open(&mini, file->mini_fd);
	if (err)
		return err;
	err = symbol_table__add(&file->table, &mini, SHT_SYMTAB);
	elf_sections__close(&mini);
	return err;
}

/* What is malformed gives what it has: only a lack of memory is an error. */
static int read_tables(struct symbol_file *file, const char *path,
		       const struct symbol_search *search)
{
	bool has_own = elf_sections__of_type(&file->sections, SHT_SYMTAB);
	int err, error = 0;

	file->has_lines = has_lines(&file->sections);
	if (file->has_lines && search->lines)
		file->dwz_fd = debug_file__open_dwz(search->debug_root, &file->sections);
	if (has_own)
		error = symbol_table__add(&file->table, &file->sections, SHT_SYMTAB);
	if (!has_own || (search->lines && !file->has_lines)) {
		err = read_debug_file(file, path, search);
		if (err && !has_own) {
			error = symbol_table__add(&file->table, &file->sections, SHT_DYNSYM);
			if (error != -ENOMEM)
				error = read_mini_debug(file);
		}
	}
	if (error != -ENOMEM)
		error = symbol_table__add_plt(&file->table);
	symbol_table__finish(&file->table);
	return error == -ENOMEM ? error : 0;
}

int symbol_file__open(struct symbol_file *file, int fd, const char *path, const char *build_id,
		      const struct symbol_search *search)
{
	int err;

	*file = (struct symbol_file){ .fd = fd, .debug_fd = -1, .dwz_fd = -1, .mini_fd = -1 };
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
		err = read_tables(file, path, search);
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
	if (file->dwz_fd >= 0)
		close(file->dwz_fd);
	if (file->mini_fd >= 0)
		close(file->mini_fd);
	*file = (struct symbol_file){ .fd = -1, .debug_fd = -1, .dwz_fd = -1, .mini_fd = -1 };
}

bool symbol_file__address(const struct symbol_file *file, __u64 offset, __u64 *address)
{
	size_t i;

	for (i = 0; i < file->sections.nr_code; i++) {
		const struct elf_segment *code = &file->sections.code[i];

		if (offset < code->offset || offset - code->offset >= code->size)
			continue;
		*address = code->address + (offset - code->offset);
		return true;
	}
	return false;
}

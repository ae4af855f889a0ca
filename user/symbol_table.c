/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "read_at.h"

#define BLOCK_SYMBOLS 2048
#define NO_SIZE_LIMIT (~0U)
#define MAX_ALIASES 64

/* Of several names at one place the lowest is shown. */
enum symbol_rank {
	RANK_GLOBAL,
	RANK_WEAK,
	RANK_LOCAL,
	RANK_UNTYPED, /* a label of assembler */
};

void symbol_table__open(struct symbol_table *table, const struct elf_sections *file)
{
	*table = (struct symbol_table){ .file = file };
}

static int find_rank(const struct elf_sections *from, const Elf64_Sym *symbol)
{
	int type = ELF64_ST_TYPE(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
	    symbol->st_shndx == SHN_COMMON || !symbol->st_name)
		return -ENOENT;
	if (type == STT_NOTYPE) {
		/* Any address has such labels: only those of code. */
		if (symbol->st_shndx >= from->nr ||
		    !(from->headers[symbol->st_shndx].sh_flags & SHF_EXECINSTR))
			return -ENOENT;
		return RANK_UNTYPED;
	}
	if (type != STT_FUNC && type != STT_GNU_IFUNC)
		return -ENOENT;
	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_LOCAL:
		return RANK_LOCAL;
	case STB_WEAK:
		return RANK_WEAK;
	default:
		return RANK_GLOBAL;
	}
}

static int add_symbol(struct symbol_table *table, const struct elf_sections *from,
		      const Elf64_Sym *symbol, __u8 source)
{
	int rank = find_rank(from, symbol);
	struct code_range range = {
		.size = symbol->st_size < NO_SIZE_LIMIT ? (__u32)symbol->st_size : NO_SIZE_LIMIT,
		.name = symbol->st_name,
		.source = source,
		.rank = (__u8)rank,
	};

	if (rank < 0 || !elf_sections__offset(table->file, symbol->st_value, &range.start))
		return 0;
	return code_ranges__add(&table->ranges, &range);
}

int symbol_table__add(struct symbol_table *table, const struct elf_sections *from, __u32 type)
{
	const Elf64_Shdr *header = elf_sections__of_type(from, type), *strings;
	__u64 nr, done = 0;
	Elf64_Sym *block;
	__u8 source;
	int err = 0;

	if (!header)
		return -ENOENT;
	strings = elf_sections__linked(from, header);
	if (!strings || header->sh_entsize != sizeof(Elf64_Sym) ||
	    table->nr_sources == SYMBOL_TABLE_MAX_SOURCES)
		return -EINVAL;
	block = malloc(BLOCK_SYMBOLS * sizeof(*block));
	if (!block)
		return -ENOMEM;
	source = (__u8)table->nr_sources++;
	table->sources[source] = (struct symbol_source){
		.fd = from->fd,
		.strings = strings->sh_offset,
		.strings_size = strings->sh_size,
	};
	nr = header->sh_size / sizeof(*block);
	while (!err && done < nr) {
		size_t n = nr - done < BLOCK_SYMBOLS ? nr - done : BLOCK_SYMBOLS, i;

		err = read_at(from->fd, block, n * sizeof(*block),
			      header->sh_offset + done * sizeof(*block));
		for (i = 0; !err && i < n; i++)
			err = add_symbol(table, from, &block[i], source);
		done += n;
	}
	free(block);
	return err;
}

void symbol_table__finish(struct symbol_table *table)
{
	code_ranges__sort(&table->ranges);
}

/* The name as its table has it, without a version. false: it is none. */
static bool read_name(const struct symbol_table *table, const struct code_range *range,
		      char name[SYMBOL_MAX_NAME])
{
	const struct symbol_source *source = &table->sources[range->source];
	static const char suffix[] = "@plt";
	size_t room = SYMBOL_MAX_NAME - sizeof(suffix), length;
	char *at;

	if (range->name >= source->strings_size)
		return false;
	if (room > source->strings_size - range->name)
		room = source->strings_size - range->name;
	/* Most names end soon. */
	length = room < 256 ? room : 256;
	if (read_at(source->fd, name, length, source->strings + range->name))
		return false;
	if (!memchr(name, 0, length) && room > length) {
		if (read_at(source->fd, name + length, room - length,
			    source->strings + range->name + length))
			return false;
		length = room;
	}
	name[length] = '\0';
	at = strchr(name + (name[0] != '\0'), '@');
	if (at)
		*at = '\0';
	/* Marks of where code and data begin in arm64's sections. */
	if (!name[0] || name[0] == '$')
		return false;
	if (source->plt)
		memcpy(name + strlen(name), suffix, sizeof(suffix));
	return true;
}

static size_t leading_underscores(const char *name)
{
	return strspn(name, "_");
}

/* Of two names for the same code: is the left one to be shown? */
static bool is_better(const char *left, __u8 left_rank, const char *right, __u8 right_rank)
{
	size_t underscores = leading_underscores(left), rivals = leading_underscores(right);

	if ((left_rank == RANK_UNTYPED) != (right_rank == RANK_UNTYPED))
		return left_rank < right_rank;
	if (underscores != rivals)
		return underscores < rivals;
	if (left_rank != right_rank)
		return left_rank < right_rank;
	return strcmp(left, right) < 0;
}

/* The section of code that holds an offset; NULL: none. */
static const Elf64_Shdr *find_code(const struct elf_sections *file, __u64 offset)
{
	size_t i;

	for (i = 0; i < file->nr; i++) {
		const Elf64_Shdr *header = &file->headers[i];

		if ((header->sh_flags & SHF_EXECINSTR) && header->sh_type != SHT_NOBITS &&
		    offset - header->sh_offset < header->sh_size)
			return header;
	}
	return NULL;
}

/* Where the frame description that holds an offset begins. false: none does, or none is known. */
static bool find_frame(struct symbol_table *table, const Elf64_Shdr *section, __u64 offset,
		       __u64 *start)
{
	__u64 from, to;

	if (!table->frames_read) {
		table->frames_read = true;
		if (!elf_file__open(&table->elf, table->file->fd))
			eh_frame__open(&table->frames, &table->elf);
	}
	if (!table->frames.nr_entries ||
	    eh_frame__function(&table->frames, section->sh_addr + (offset - section->sh_offset),
			       &from, &to))
		return false;
	*start = from - section->sh_addr + section->sh_offset;
	return true;
}

/*
 * Does the code of a symbol without size, which begins at start, reach as far as the offset? No
 * symbol begins between them. Not beyond its section, nor into another function's frame
 * description.
 */
static bool reaches(struct symbol_table *table, __u64 start, __u64 offset)
{
	const Elf64_Shdr *section = find_code(table->file, offset);
	__u64 from;

	if (!section || start < section->sh_offset)
		return false;
	return !find_frame(table, section, offset, &from) || from <= start;
}

/*
 * A signal handler returns to the first byte of a trampoline: less 1, as the address of any caller,
 * that lies before it. The trampoline's frame description begins there for this very reason.
 */
static bool is_before_trampoline(struct symbol_table *table, const struct code_range *next,
				 __u64 offset)
{
	const Elf64_Shdr *section;
	__u64 from;

	if (!next || next->start != offset + 1)
		return false;
	section = find_code(table->file, offset);
	return section && find_frame(table, section, offset, &from) && from == offset;
}

bool symbol_table__name(struct symbol_table *table, __u64 offset, char name[SYMBOL_MAX_NAME])
{
	const struct code_range *range = code_ranges__find(&table->ranges, offset), *alias;
	char candidate[SYMBOL_MAX_NAME];
	unsigned int aliases = 0;
	bool found;
	__u8 rank;

	if (!range || (!range->size && !reaches(table, range->start, offset))) {
		range = code_ranges__find(&table->ranges, ++offset);
		if (!is_before_trampoline(table, range, offset - 1))
			return false;
	}
	found = read_name(table, range, name);
	rank = range->rank;
	for (alias = code_ranges__alias(&table->ranges, range, offset);
	     alias && aliases++ < MAX_ALIASES;
	     alias = code_ranges__alias(&table->ranges, alias, offset)) {
		if (!read_name(table, alias, candidate) ||
		    (found && !is_better(candidate, alias->rank, name, rank)))
			continue;
		memcpy(name, candidate, strlen(candidate) + 1);
		rank = alias->rank;
		found = true;
	}
	return found;
}

__u64 symbol_table__bytes(const struct symbol_table *table)
{
	return table->ranges.room * sizeof(*table->ranges.ranges) +
	       table->frames.nr_entries * sizeof(*table->frames.entries);
}

void symbol_table__close(struct symbol_table *table)
{
	code_ranges__free(&table->ranges);
	if (table->frames_read) {
		eh_frame__close(&table->frames);
		elf_file__close(&table->elf);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of the procedure linkage table have no symbols: which function one leads to is what the
 * relocation of the slot says that it jumps through.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read_at.h"
#include "symbol_table.h"

#define MAX_PLT_BYTES (8 << 20)
#define MAX_DYNAMIC_BYTES (64 << 20)
#define MAX_SLOTS (1 << 20)
#define BLOCK_RELOCATIONS 2048

/* arm64: bti c; adrp x16, PAGE; ldr x17, [x16, OFFSET] */
#define ARM64_BTI_C 0xd503245fU
#define ARM64_IS_ADRP_X16(code) (((code)&0x9f00001fU) == 0x90000010U)
#define ARM64_IS_LDR_X17(code) (((code)&0xffc003ffU) == 0xf9400211U)

/* A slot of the global offset table that a relocation fills by name. */
struct slot {
	__u64 address;
	__u32 name;
};

struct plt {
	struct symbol_table *table;
	struct slot *slots; /* by address, once sorted */
	size_t nr, room;
	const Elf64_Sym *symbols;
	size_t nr_symbols;
	__u8 source;
};

static int add_slot(struct plt *plt, const Elf64_Rela *relocation)
{
	size_t symbol = ELF64_R_SYM(relocation->r_info);

	if (!symbol || symbol >= plt->nr_symbols || !plt->symbols[symbol].st_name)
		return 0;
	if (plt->nr == plt->room) {
		size_t room = plt->room ? 2 * plt->room : 256;
		struct slot *more;

		if (room > MAX_SLOTS)
			return -EFBIG;
		more = realloc(plt->slots, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		plt->slots = more;
		plt->room = room;
	}
	plt->slots[plt->nr++] = (struct slot){
		.address = relocation->r_offset,
		.name = plt->symbols[symbol].st_name,
	};
	return 0;
}

static int read_slots(struct plt *plt, const Elf64_Shdr *header)
{
	__u64 nr = header->sh_size / sizeof(Elf64_Rela), done = 0;
	Elf64_Rela *block;
	int err = 0;

	block = malloc(BLOCK_RELOCATIONS * sizeof(*block));
	if (!block)
		return -ENOMEM;
	while (!err && done < nr) {
		size_t n = nr - done < BLOCK_RELOCATIONS ? nr - done : BLOCK_RELOCATIONS, i;

		err = read_at(plt->table->file->fd, block, n * sizeof(*block),
			      header->sh_offset + done * sizeof(*block));
		for (i = 0; !err && i < n; i++)
			err = add_slot(plt, &block[i]);
		done += n;
	}
	free(block);
	return err;
}

static int compare_slots(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

/* The entry at an address jumps through a slot: is it one of a name? */
static int add_entry(struct plt *plt, __u64 address, __u32 size, __u64 slot)
{
	struct slot key = { .address = slot };
	const struct slot *found =
		plt->nr ? bsearch(&key, plt->slots, plt->nr, sizeof(key), compare_slots) : NULL;
	struct code_range range = { .size = size, .source = plt->source };

	if (!found || !elf_sections__offset(plt->table->file, address, &range.start))
		return 0;
	range.name = found->name;
	return code_ranges__add(&plt->table->ranges, &range);
}

/* jmp *DISPLACEMENT(%rip), with a prefix or behind an endbr64. */
static int read_x86(struct plt *plt, const Elf64_Shdr *header, const unsigned char *code)
{
	__u32 size = header->sh_entsize == 8 ? 8 : 16;
	__u64 at, i;

	for (at = 0; at + size <= header->sh_size; at += size) {
		for (i = at; i + 6 <= at + size; i++) {
			__s32 displacement;
			int err;

			if (code[i] != 0xff || code[i + 1] != 0x25)
				continue;
			memcpy(&displacement, code + i + 2, sizeof(displacement));
			err = add_entry(plt, header->sh_addr + at, size,
					header->sh_addr + i + 6 + (__u64)(__s64)displacement);
			if (err)
				return err;
			break;
		}
	}
	return 0;
}

static int read_arm64(struct plt *plt, const Elf64_Shdr *header, const unsigned char *bytes)
{
	__u64 at;

	for (at = 0; at + 8 <= header->sh_size; at += 4) {
		__u64 address = header->sh_addr + at, page;
		__u32 code[2], before = 0;
		int err;

		memcpy(code, bytes + at, sizeof(code));
		if (!ARM64_IS_ADRP_X16(code[0]) || !ARM64_IS_LDR_X17(code[1]))
			continue;
		if (at)
			memcpy(&before, bytes + at - 4, sizeof(before));
		page = (__u64)((code[0] >> 5) & 0x7ffff) << 2 | ((code[0] >> 29) & 3);
		page = (address & ~0xfffULL) + (__u64)(((__s64)(page << 43) >> 43) * 4096);
		if (before == ARM64_BTI_C)
			address -= 4;
		err = add_entry(plt, address, before == ARM64_BTI_C ? 20 : 16,
				page + ((code[1] >> 10) & 0xfff) * 8);
		if (err)
			return err;
	}
	return 0;
}

static int read_sections(struct plt *plt)
{
	static const char *const names[] = { ".plt", ".plt.sec", ".plt.got", ".plt.bnd" };
	const struct elf_sections *file = plt->table->file;
	int err = 0;
	size_t i;

	for (i = 0; !err && i < sizeof(names) / sizeof(names[0]); i++) {
		const Elf64_Shdr *header = elf_sections__named(file, names[i]);
		unsigned char *code;

		if (!header || elf_sections__load(file, header, MAX_PLT_BYTES, &code))
			continue;
		if (file->machine == EM_X86_64)
			err = read_x86(plt, header, code);
		else if (file->machine == EM_AARCH64)
			err = read_arm64(plt, header, code);
		free(code);
	}
	return err;
}

int symbol_table__add_plt(struct symbol_table *table)
{
	const struct elf_sections *file = table->file;
	const Elf64_Shdr *dynamic = elf_sections__of_type(file, SHT_DYNSYM), *strings;
	struct plt plt = { .table = table, .source = (__u8)table->nr_sources };
	unsigned char *symbols;
	int err = 0;
	size_t i;

	if (!dynamic || table->nr_sources == SYMBOL_TABLE_MAX_SOURCES)
		return -ENOENT;
	strings = elf_sections__linked(file, dynamic);
	if (!strings)
		return -EINVAL;
	err = elf_sections__load(file, dynamic, MAX_DYNAMIC_BYTES, &symbols);
	if (err)
		return err;
	table->sources[table->nr_sources++] = (struct symbol_source){
		.fd = file->fd,
		.strings = strings->sh_offset,
		.strings_size = strings->sh_size,
		.plt = true,
	};
	plt.symbols = (const Elf64_Sym *)symbols;
	plt.nr_symbols = dynamic->sh_size / sizeof(*plt.symbols);
	for (i = 0; !err && i < file->nr; i++) {
		const Elf64_Shdr *header = &file->headers[i];

		if (header->sh_type == SHT_RELA && header->sh_link < file->nr &&
		    &file->headers[header->sh_link] == dynamic)
			err = read_slots(&plt, header);
	}
	if (!err && plt.nr) {
		qsort(plt.slots, plt.nr, sizeof(*plt.slots), compare_slots);
		err = read_sections(&plt);
	}
	free(plt.slots);
	free(symbols);
	return err;
}

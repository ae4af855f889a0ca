/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build_id.h"
#include "read_at.h"

/* Own memory for one table of an unknown file. The largest dynamic tables in use are below 20 MiB. */
#define MAX_SECTION_BYTES (32 << 20)
#define MAX_VERSIONS 4096
#define MAX_SEARCH_BYTES (8 << 20) /* libc has 2 MiB */
#define SEARCH_BLOCK_BYTES (64 << 10)

/*
 * The identification, and the counts that libelf would otherwise take from the first section: with
 * a sparse file those reach 2^32, and libelf allocates for each.
 */
static int check_identity(struct elf_file *file)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} header = { 0 };
	__u64 section_offset;
	bool is_64_bit;
	__u16 segments, sections;

	if (file->size < EI_NIDENT)
		return -ENOENT;
	if (read_at(file->fd, header.ident, EI_NIDENT, 0) ||
	    memcmp(header.ident, ELFMAG, SELFMAG) != 0)
		return -ENOENT;
	is_64_bit = header.ident[EI_CLASS] == ELFCLASS64;
	if (!is_64_bit && header.ident[EI_CLASS] != ELFCLASS32)
		return -EINVAL;
	if (header.ident[EI_DATA] != ELFDATA2LSB)
		return -ENOENT; /* another machine's: nothing here runs it */
	if (read_at(file->fd, &header, is_64_bit ? sizeof(header.wide) : sizeof(header.narrow), 0))
		return -EINVAL;
	section_offset = is_64_bit ? header.wide.e_shoff : header.narrow.e_shoff;
	segments = is_64_bit ? header.wide.e_phnum : header.narrow.e_phnum;
	sections = is_64_bit ? header.wide.e_shnum : header.narrow.e_shnum;
	if (segments == PN_XNUM || (section_offset && !sections))
		return -EINVAL;
	file->is_64_bit = is_64_bit;
	return 0;
}

static int read_segments(struct elf_file *file)
{
	GElf_Phdr segment;
	size_t i, n;

	if (elf_getphdrnum(file->elf, &n))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &segment))
			return -EINVAL;
		switch (segment.p_type) {
		case PT_INTERP:
			file->has_interpreter = true;
			break;
		case PT_GNU_EH_FRAME:
			file->eh_frame_header = segment.p_vaddr;
			file->eh_frame_header_size = segment.p_filesz;
			break;
		case PT_LOAD:
			if (file->nr_loads == ELF_FILE_MAX_SEGMENTS ||
			    segment.p_offset > file->size ||
			    segment.p_filesz > file->size - segment.p_offset ||
			    segment.p_vaddr + segment.p_filesz < segment.p_vaddr)
				return -EINVAL;
			file->loads[file->nr_loads++] = (struct elf_segment){
				.address = segment.p_vaddr,
				.offset = segment.p_offset,
				.size = segment.p_filesz,
				.executable = segment.p_flags & PF_X,
			};
		}
	}
	return 0;
}

int elf_file__open(struct elf_file *file, int fd)
{
	GElf_Ehdr header;
	struct stat st;
	int err;

	*file = (struct elf_file){ .fd = fd };
	if (fstat(fd, &st))
		return -errno;
	file->size = st.st_size > 0 ? (__u64)st.st_size : 0;
	err = check_identity(file);
	if (err)
		return err;
	elf_version(EV_CURRENT);
	/* Not by mmap: the file's owner could cut it short under us, and we would die by SIGBUS. */
	file->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &header)) {
		err = -EINVAL;
		goto out;
	}
	file->machine = header.e_machine;
	if (header.e_type != ET_DYN && header.e_type != ET_EXEC) {
		err = -ENOENT;
		goto out;
	}
	err = read_segments(file);
out:
	if (err)
		elf_file__close(file);
	return err;
}

void elf_file__close(struct elf_file *file)
{
	elf_end(file->elf);
	file->elf = NULL;
}

static const struct elf_segment *find_load(const struct elf_file *file, __u64 address)
{
	unsigned int i;

	for (i = 0; i < file->nr_loads; i++) {
		const struct elf_segment *load = &file->loads[i];

		if (address >= load->address && address - load->address < load->size)
			return load;
	}
	return NULL;
}

int elf_file__offset(const struct elf_file *file, __u64 address, __u64 *offset)
{
	const struct elf_segment *load = find_load(file, address);

	if (!load || !load->executable)
		return -EINVAL;
	*offset = load->offset + (address - load->address);
	return 0;
}

int elf_file__read(const struct elf_file *file, __u64 address, void *buffer, size_t size)
{
	const struct elf_segment *load = find_load(file, address);

	if (!load || size > load->size - (address - load->address))
		return -EINVAL;
	return read_at(file->fd, buffer, size, load->offset + (address - load->address));
}

int elf_file__find_text(const struct elf_file *file, const char *text, size_t before, char *string,
			size_t size)
{
	size_t length = strlen(text), keep = before + length + size, done = 0;
	int err = -ENOENT;
	char *block;
	unsigned int i;

	block = malloc(SEARCH_BLOCK_BYTES + keep);
	if (!block)
		return -ENOMEM;
	for (i = 0; i < file->nr_loads && err == -ENOENT; i++) {
		const struct elf_segment *load = &file->loads[i];
		__u64 at;

		/* Blocks overlap, so that a text across two of them is found whole. */
		for (at = 0; at < load->size && done < MAX_SEARCH_BYTES && err == -ENOENT;
		     at += SEARCH_BLOCK_BYTES) {
			size_t n = SEARCH_BLOCK_BYTES + keep, left;
			const char *found;

			if (n > load->size - at)
				n = load->size - at;
			done += n;
			if (read_at(file->fd, block, n, load->offset + at)) {
				err = -EINVAL;
				break;
			}
			found = n > before ? memmem(block + before, n - before, text, length) :
					     NULL;
			if (!found)
				continue;
			found -= before;
			left = n - (size_t)(found - block);
			if (left > size - 1)
				left = size - 1;
			memcpy(string, found, left);
			string[left] = '\0';
			err = 0;
		}
	}
	free(block);
	return err;
}

/* Contents of a section, or NULL where its header claims more than the file or our bound holds. */
static Elf_Data *section_data(const struct elf_file *file, Elf_Scn *section)
{
	GElf_Shdr header;

	if (!section || !gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
		return NULL;
	if (header.sh_size > MAX_SECTION_BYTES || header.sh_offset > file->size ||
	    header.sh_size > file->size - header.sh_offset)
		return NULL;
	return elf_getdata(section, NULL);
}

int elf_file__section(const struct elf_file *file, const char *name, struct elf_section *section)
{
	Elf_Scn *at = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names) ||
	    !section_data(file, elf_getscn(file->elf, names)))
		return -ENOENT;
	while ((at = elf_nextscn(file->elf, at)) != NULL) {
		const char *found;

		if (!gelf_getshdr(at, &header) || header.sh_type == SHT_NOBITS ||
		    header.sh_offset > file->size || header.sh_size > file->size - header.sh_offset)
			continue;
		found = elf_strptr(file->elf, names, header.sh_name);
		if (!found || strcmp(found, name) != 0)
			continue;
		*section = (struct elf_section){
			.address = header.sh_addr,
			.offset = header.sh_offset,
			.size = header.sh_size,
		};
		return 0;
	}
	return -ENOENT;
}

/*
 * The first section of a type, with its contents and its string table's. 0 and -ENOENT: there is
 * none; -EINVAL: it is malformed.
 */
static int find_table(const struct elf_file *file, __u32 type, GElf_Shdr *header, Elf_Data **data)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		if (!gelf_getshdr(section, header))
			return -EINVAL;
		if (header->sh_type != type)
			continue;
		*data = section_data(file, section);
		if (!*data || !section_data(file, elf_getscn(file->elf, header->sh_link)))
			return -EINVAL;
		return 0;
	}
	return -ENOENT;
}

int elf_file__each_function(const struct elf_file *file, __u32 table, elf_function_visit *visit,
			    void *context)
{
	const char *unit = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	size_t entry;
	int err, i, n;

	err = find_table(file, table, &header, &data);
	if (err)
		return err;
	entry = file->is_64_bit ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	n = (int)(data->d_size / entry);
	for (i = 0; i < n; i++) {
		struct elf_function function;
		GElf_Sym symbol;

		if (!gelf_getsym(data, i, &symbol))
			return -EINVAL;
		if (GELF_ST_TYPE(symbol.st_info) == STT_FILE)
			unit = elf_strptr(file->elf, header.sh_link, symbol.st_name);
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
		    symbol.st_shndx == SHN_ABS || !symbol.st_value)
			continue;
		if (table == SHT_DYNSYM && GELF_ST_BIND(symbol.st_info) == STB_LOCAL)
			continue;
		function.name = elf_strptr(file->elf, header.sh_link, symbol.st_name);
		function.address = symbol.st_value;
		function.size = symbol.st_size;
		function.unit = GELF_ST_BIND(symbol.st_info) == STB_LOCAL ? unit : NULL;
		if (!function.name || function.address + function.size < function.address)
			return -EINVAL;
		err = visit(&function, context);
		if (err)
			return err;
	}
	return 0;
}

/* Looks in one section of relocations; 1: not there. */
static int find_import(const struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header,
		       __u64 slot, __u64 *address)
{
	Elf_Data *data = section_data(file, section);
	Elf_Scn *table = elf_getscn(file->elf, header->sh_link);
	Elf_Data *symbols = section_data(file, table);
	GElf_Sym symbol;
	GElf_Rela entry;
	int i;

	if (!data || !symbols)
		return 1;
	for (i = 0; gelf_getrela(data, i, &entry); i++) {
		if (entry.r_offset != slot)
			continue;
		if (!gelf_getsym(symbols, (int)GELF_R_SYM(entry.r_info), &symbol) ||
		    symbol.st_shndx == SHN_UNDEF || !symbol.st_value)
			return -ENOENT;
		*address = symbol.st_value;
		return 0;
	}
	return 1;
}

int elf_file__import(const struct elf_file *file, __u64 slot, __u64 *address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int err;

	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA)
			continue;
		err = find_import(file, section, &header, slot, address);
		if (err <= 0)
			return err;
	}
	return -ENOENT;
}

/* The first entry of the dynamic section with a tag. */
static bool find_dynamic(const struct elf_file *file, __s64 tag, GElf_Shdr *header, GElf_Dyn *entry)
{
	Elf_Data *data;
	int i;

	if (find_table(file, SHT_DYNAMIC, header, &data))
		return false;
	for (i = 0; gelf_getdyn(data, i, entry) && entry->d_tag != DT_NULL; i++) {
		if (entry->d_tag == tag)
			return true;
	}
	return false;
}

bool elf_file__is_static(const struct elf_file *file)
{
	GElf_Shdr header;
	GElf_Dyn entry;

	return !file->has_interpreter && !find_dynamic(file, DT_NEEDED, &header, &entry) &&
	       !find_dynamic(file, DT_SONAME, &header, &entry);
}

const char *elf_file__soname(const struct elf_file *file)
{
	GElf_Shdr header;
	GElf_Dyn entry;

	if (!find_dynamic(file, DT_SONAME, &header, &entry))
		return NULL;
	return elf_strptr(file->elf, header.sh_link, entry.d_un.d_val);
}

int elf_file__glibc_minor(const struct elf_file *file)
{
	int err, i, offset = 0, highest = -ENOENT;
	GElf_Shdr header;
	Elf_Data *data;

	err = find_table(file, SHT_GNU_verdef, &header, &data);
	if (err)
		return err;
	for (i = 0; i < MAX_VERSIONS; i++) {
		GElf_Verdaux name;
		GElf_Verdef version;
		const char *string;
		int minor;

		if (!gelf_getverdef(data, offset, &version) ||
		    version.vd_aux > data->d_size - (size_t)offset ||
		    !gelf_getverdaux(data, offset + (int)version.vd_aux, &name))
			return -EINVAL;
		string = elf_strptr(file->elf, header.sh_link, name.vda_name);
		if (string && sscanf(string, "GLIBC_2.%4d", &minor) == 1 && minor > highest)
			highest = minor;
		if (!version.vd_next)
			return highest;
		if (version.vd_next > data->d_size - (size_t)offset)
			return -EINVAL;
		offset += (int)version.vd_next;
	}
	return -EINVAL;
}

int elf_file__build_id(const struct elf_file *file, char **build_id)
{
	int err = -ENOENT;
	GElf_Phdr segment;
	size_t i, n;

	if (elf_getphdrnum(file->elf, &n))
		return -EINVAL;
	for (i = 0; i < n && err == -ENOENT; i++) {
		unsigned char *notes;

		if (!gelf_getphdr(file->elf, (int)i, &segment) || segment.p_type != PT_NOTE)
			continue;
		if (!segment.p_filesz || segment.p_filesz > BUILD_ID_MAX_NOTE_BYTES)
			continue;
		notes = malloc(segment.p_filesz);
		if (!notes)
			return -ENOMEM;
		if (!read_at(file->fd, notes, segment.p_filesz, segment.p_offset))
			err = build_id__find(notes, segment.p_filesz, segment.p_align == 8 ? 8 : 4,
					     build_id);
		free(notes);
	}
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_sections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build_id.h"
#include "read_at.h"

#define MAX_SECTIONS (1 << 17) /* 8 MiB of headers */
#define MAX_SEGMENTS 512
#define MAX_NAMES_BYTES (4 << 20)

static bool lies_within(const struct elf_sections *sections, __u64 offset, __u64 size)
{
	return offset <= sections->size && size <= sections->size - offset;
}

static bool has_contents(const struct elf_sections *sections, const Elf64_Shdr *header)
{
	return header->sh_type != SHT_NOBITS && header->sh_type != SHT_NULL &&
	       lies_within(sections, header->sh_offset, header->sh_size);
}

static int read_segments(struct elf_sections *sections, const Elf64_Ehdr *elf)
{
	size_t i;

	if (elf->e_phnum > MAX_SEGMENTS || (elf->e_phnum && elf->e_phentsize != sizeof(Elf64_Phdr)))
		return -EINVAL;
	for (i = 0; i < elf->e_phnum; i++) {
		Elf64_Phdr segment;
		int err;

		err = read_at(sections->fd, &segment, sizeof(segment),
			      elf->e_phoff + i * sizeof(segment));
		if (err)
			return err;
		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
			continue;
		if (sections->nr_code == ELF_FILE_MAX_SEGMENTS ||
		    segment.p_vaddr + segment.p_filesz < segment.p_vaddr ||
		    segment.p_offset + segment.p_filesz < segment.p_offset)
			return -EINVAL;
		sections->code[sections->nr_code++] = (struct elf_segment){
			.address = segment.p_vaddr,
			.offset = segment.p_offset,
			.size = segment.p_filesz,
			.executable = true,
		};
	}
	return 0;
}

static int read_names(struct elf_sections *sections, size_t index)
{
	const Elf64_Shdr *header = &sections->headers[index];
	unsigned char *names;
	int err;

	if (index >= sections->nr || header->sh_type != SHT_STRTAB || !header->sh_size)
		return -EINVAL;
	err = elf_sections__load(sections, header, MAX_NAMES_BYTES, &names);
	if (err)
		return err;
	names[header->sh_size - 1] = '\0';
	sections->names = (char *)names;
	sections->names_size = header->sh_size;
	return 0;
}

/* Counts that do not fit the ELF header stand in the first section's. */
static int read_headers(struct elf_sections *sections, const Elf64_Ehdr *elf)
{
	__u64 nr = elf->e_shnum, names = elf->e_shstrndx;
	Elf64_Shdr first;
	int err;

	if (!elf->e_shoff)
		return 0;
	if (elf->e_shentsize != sizeof(first))
		return -EINVAL;
	err = read_at(sections->fd, &first, sizeof(first), elf->e_shoff);
	if (err)
		return err;
	if (!nr)
		nr = first.sh_size;
	if (names == SHN_XINDEX)
		names = first.sh_link;
	if (nr > MAX_SECTIONS || !lies_within(sections, elf->e_shoff, nr * sizeof(first)))
		return -EINVAL;
	if (!nr)
		return 0;
	sections->headers = calloc(nr, sizeof(first));
	if (!sections->headers)
		return -ENOMEM;
	sections->nr = nr;
	err = read_at(sections->fd, sections->headers, nr * sizeof(first), elf->e_shoff);
	if (err || names == SHN_UNDEF)
		return err;
	return names < nr ? read_names(sections, names) : -EINVAL;
}

int elf_sections__open(struct elf_sections *sections, int fd)
{
	struct stat status;
	Elf64_Ehdr elf;
	int err;

	*sections = (struct elf_sections){ .fd = fd };
	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(elf))
		return -ENOENT;
	sections->size = (__u64)status.st_size;
	err = read_at(fd, &elf, sizeof(elf), 0);
	if (err)
		return err;
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (elf.e_type != ET_DYN && elf.e_type != ET_EXEC && elf.e_type != ET_REL))
		return -ENOENT;
	sections->machine = elf.e_machine;
	err = read_segments(sections, &elf);
	if (!err)
		err = read_headers(sections, &elf);
	if (err)
		elf_sections__close(sections);
	return err;
}

void elf_sections__close(struct elf_sections *sections)
{
	free(sections->headers);
	free(sections->names);
	sections->headers = NULL;
	sections->names = NULL;
	sections->nr = sections->names_size = 0;
}

const char *elf_sections__name(const struct elf_sections *sections, const Elf64_Shdr *header)
{
	return header->sh_name < sections->names_size ? sections->names + header->sh_name : "";
}

const Elf64_Shdr *elf_sections__named(const struct elf_sections *sections, const char *name)
{
	size_t i;

	for (i = 0; i < sections->nr; i++) {
		const Elf64_Shdr *header = &sections->headers[i];

		if (!strcmp(elf_sections__name(sections, header), name))
			return has_contents(sections, header) ? header : NULL;
	}
	return NULL;
}

const Elf64_Shdr *elf_sections__of_type(const struct elf_sections *sections, __u32 type)
{
	size_t i;

	for (i = 0; i < sections->nr; i++) {
		const Elf64_Shdr *header = &sections->headers[i];

		if (header->sh_type == type && has_contents(sections, header))
			return header;
	}
	return NULL;
}

const Elf64_Shdr *elf_sections__linked(const struct elf_sections *sections,
				       const Elf64_Shdr *header)
{
	const Elf64_Shdr *linked;

	if (!header->sh_link || header->sh_link >= sections->nr)
		return NULL;
	linked = &sections->headers[header->sh_link];
	return has_contents(sections, linked) ? linked : NULL;
}

int elf_sections__load(const struct elf_sections *sections, const Elf64_Shdr *header, size_t max,
		       unsigned char **bytes)
{
	unsigned char *loaded;
	int err;

	if (!has_contents(sections, header))
		return -EINVAL;
	if (header->sh_size > max)
		return -EFBIG;
	loaded = malloc(header->sh_size ? header->sh_size : 1);
	if (!loaded)
		return -ENOMEM;
	err = read_at(sections->fd, loaded, header->sh_size, header->sh_offset);
	if (err)
		free(loaded);
	else
		*bytes = loaded;
	return err;
}

bool elf_sections__offset(const struct elf_sections *sections, __u64 address, __u64 *offset)
{
	size_t i;

	for (i = 0; i < sections->nr_code; i++) {
		const struct elf_segment *code = &sections->code[i];

		if (address < code->address || address - code->address >= code->size)
			continue;
		*offset = code->offset + (address - code->address);
		return true;
	}
	return false;
}

int elf_sections__build_id(const struct elf_sections *sections, char **build_id)
{
	size_t i;

	for (i = 0; i < sections->nr; i++) {
		const Elf64_Shdr *header = &sections->headers[i];
		unsigned char *notes;
		int err;

		if (header->sh_type != SHT_NOTE ||
		    elf_sections__load(sections, header, BUILD_ID_MAX_NOTE_BYTES, &notes))
			continue;
		err = build_id__find(notes, header->sh_size, header->sh_addralign == 8 ? 8 : 4,
				     build_id);
		free(notes);
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

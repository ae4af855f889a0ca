/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sections of a 64-bit ELF file of unknown origin, read without libelf: a separate debug file
 * has sections and segments without contents, which elf_file takes for lies. Everything is read
 * with pread() and bounded.
 */
#ifndef ALLOCPATH_ELF_SECTIONS_H
#define ALLOCPATH_ELF_SECTIONS_H

#include <elf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "elf_file.h"

struct elf_sections {
	int fd; /* the caller's */
	__u64 size; /* of the file */
	__u16 machine;
	Elf64_Shdr *headers;
	size_t nr;
	char *names; /* ends in a 0 */
	size_t names_size;
	struct elf_segment code[ELF_FILE_MAX_SEGMENTS]; /* segments that are executable */
	size_t nr_code;
};

/* -ENOENT: not a 64-bit ELF program, library, debug or dwz file. -EINVAL: malformed. */
int elf_sections__open(struct elf_sections *sections, int fd);
void elf_sections__close(struct elf_sections *sections);

const char *elf_sections__name(const struct elf_sections *sections, const Elf64_Shdr *header);
/* NULL: none, or one without contents in this file. */
const Elf64_Shdr *elf_sections__named(const struct elf_sections *sections, const char *name);
const Elf64_Shdr *elf_sections__of_type(const struct elf_sections *sections, __u32 type);
/* The section that another one links to; NULL: none with contents. */
const Elf64_Shdr *elf_sections__linked(const struct elf_sections *sections,
				       const Elf64_Shdr *header);

/* The contents, where they are at most max bytes. The caller frees. -EFBIG: they are more. */
int elf_sections__load(const struct elf_sections *sections, const Elf64_Shdr *header, size_t max,
		       unsigned char **bytes);

/* File offset of an address of executable code; false: there is none. */
bool elf_sections__offset(const struct elf_sections *sections, __u64 address, __u64 *offset);

/* In hex, owned by the caller. -ENOENT: none. */
int elf_sections__build_id(const struct elf_sections *sections, char **build_id);

#endif

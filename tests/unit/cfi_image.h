/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of 12 KiB of code and an .eh_frame that a test writes, for the builder of tables. */
#ifndef ALLOCPATH_TESTS_CFI_IMAGE_H
#define ALLOCPATH_TESTS_CFI_IMAGE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "unwind_table.h"

#define IMAGE_CODE_OFFSET 0x1000
#define IMAGE_CODE_BYTES 0x3000
#define IMAGE_CODE_ADDRESS 0x401000
#define IMAGE_FRAME_OFFSET (IMAGE_CODE_OFFSET + IMAGE_CODE_BYTES)
#define IMAGE_FRAME_ADDRESS 0x500000
#define IMAGE_MAX_FRAME_BYTES 0x80000

struct cfi_image {
	uint16_t machine;
	uint64_t entry;
	size_t size; /* of frame */
	unsigned char frame[IMAGE_MAX_FRAME_BYTES];
	unsigned char file[IMAGE_FRAME_OFFSET + IMAGE_MAX_FRAME_BYTES + 0x1000];
};

static inline void image__add(struct cfi_image *image, const void *bytes, size_t size)
{
	memcpy(image->frame + image->size, bytes, size);
	image->size += size;
}

static inline void image__u32(struct cfi_image *image, uint32_t value)
{
	image__add(image, &value, sizeof(value));
}

/* A record with its length in front of it, filled up with DW_CFA_nop. */
static inline size_t image__begin(struct cfi_image *image)
{
	size_t start = image->size;

	image__u32(image, 0);
	return start;
}

static inline void image__end(struct cfi_image *image, size_t start)
{
	static const unsigned char nops[4];
	uint32_t size;

	image__add(image, nops, -image->size & 3);
	size = (uint32_t)(image->size - start - 4);
	memcpy(image->frame + start, &size, sizeof(size));
}

/* A CIE with addresses relative to their own; its place. augmentation: "zR" or "zRS". */
static inline size_t image__common(struct cfi_image *image, const char *augmentation,
				   const void *instructions, size_t size)
{
	static const unsigned char factors_x86[] = { 1, 0x78, 16, 1, 0x1b };
	static const unsigned char factors_arm[] = { 4, 0x78, 30, 1, 0x1b };
	size_t start = image__begin(image);

	image__u32(image, 0);
	image__add(image, "\1", 1);
	image__add(image, augmentation, strlen(augmentation) + 1);
	image__add(image, image->machine == EM_AARCH64 ? factors_arm : factors_x86, 5);
	image__add(image, instructions, size);
	image__end(image, start);
	return start;
}

/* An FDE of [offset, offset + length) of the code. */
static inline size_t image__function(struct cfi_image *image, size_t common, uint32_t offset,
				     uint32_t length, const void *instructions, size_t size)
{
	size_t start = image__begin(image);

	image__u32(image, (uint32_t)(image->size - common));
	image__u32(image,
		   (uint32_t)(IMAGE_CODE_ADDRESS + offset - (IMAGE_FRAME_ADDRESS + image->size)));
	image__u32(image, length);
	image__add(image, "\0", 1);
	image__add(image, instructions, size);
	image__end(image, start);
	return start;
}

static inline int image__build(struct cfi_image *image, struct unwind_table *table)
{
	static const char names[] = "\0.eh_frame\0.names";
	Elf64_Ehdr *header = (Elf64_Ehdr *)image->file;
	Elf64_Phdr *segment = (Elf64_Phdr *)(header + 1);
	size_t end = IMAGE_FRAME_OFFSET + ((image->size + 63) & ~(size_t)63);
	Elf64_Shdr *sections = (Elf64_Shdr *)(image->file + end + 64);

	memset(image->file, 0, sizeof(*header) + sizeof(*segment));
	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_ident[EI_VERSION] = EV_CURRENT;
	header->e_type = ET_EXEC;
	header->e_machine = image->machine;
	header->e_version = EV_CURRENT;
	header->e_entry = image->entry;
	header->e_phoff = sizeof(*header);
	header->e_shoff = end + 64;
	header->e_ehsize = sizeof(*header);
	header->e_phentsize = sizeof(*segment);
	header->e_phnum = 1;
	header->e_shentsize = sizeof(*sections);
	header->e_shnum = 3;
	header->e_shstrndx = 2;
	*segment = (Elf64_Phdr){ .p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_offset = IMAGE_CODE_OFFSET,
				 .p_vaddr = IMAGE_CODE_ADDRESS,
				 .p_filesz = IMAGE_CODE_BYTES,
				 .p_memsz = IMAGE_CODE_BYTES };
	memcpy(image->file + IMAGE_FRAME_OFFSET, image->frame, image->size);
	memcpy(image->file + end, names, sizeof(names));
	sections[0] = (Elf64_Shdr){ 0 };
	sections[1] = (Elf64_Shdr){ .sh_name = 1,
				    .sh_type = SHT_PROGBITS,
				    .sh_addr = IMAGE_FRAME_ADDRESS,
				    .sh_offset = IMAGE_FRAME_OFFSET,
				    .sh_size = image->size };
	sections[2] = (Elf64_Shdr){
		.sh_name = 11, .sh_type = SHT_STRTAB, .sh_offset = end, .sh_size = sizeof(names)
	};
	return unwind_table__build_image(image->file, end + 0x1000 - 0x200, table);
}

#endif

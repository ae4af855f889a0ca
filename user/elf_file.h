/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open ELF file of unknown origin: its segments, the functions that it defines, its versions
 * and build id. Everything is read with pread() and bounded: a file that is cut short while it is
 * read, or that lies about its sizes, gives an error.
 */
#ifndef ALLOCPATH_ELF_FILE_H
#define ALLOCPATH_ELF_FILE_H

#include <gelf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define ELF_FILE_MAX_SEGMENTS 32

struct elf_segment {
	__u64 address;
	__u64 offset;
	__u64 size; /* in the file */
	bool executable;
};

struct elf_file {
	int fd; /* the caller's */
	__u64 size;
	Elf *elf;
	__u16 machine;
	bool is_64_bit;
	bool has_interpreter;
	struct elf_segment loads[ELF_FILE_MAX_SEGMENTS];
	unsigned int nr_loads;
	__u64 eh_frame_header; /* address of .eh_frame_hdr; size 0: none */
	__u64 eh_frame_header_size;
};

/* A function that the file defines. The name lives as long as the elf_file. */
struct elf_function {
	const char *name;
	__u64 address;
	__u64 size;
	const char *unit; /* source or object file of a local one, as far as the table says */
};

/* Called for each function; anything but 0 ends the walk and is its result. */
typedef int elf_function_visit(const struct elf_function *function, void *context);

/* -ENOENT: not an ELF program or library. -EINVAL: malformed. After an error nothing is held. */
int elf_file__open(struct elf_file *file, int fd);
void elf_file__close(struct elf_file *file);

/* File offset of an address of executable code. */
int elf_file__offset(const struct elf_file *file, __u64 address, __u64 *offset);
/* Reads all of [address, address + size) as the file has it. */
int elf_file__read(const struct elf_file *file, __u64 address, void *buffer, size_t size);

/*
 * Exported functions of SHT_DYNSYM, or all of SHT_SYMTAB: a static executable's are local where it
 * is position independent. -ENOENT: no such table.
 */
int elf_file__each_function(const struct elf_file *file, __u32 table, elf_function_visit *visit,
			    void *context);

/* A section as the file has it, in bytes of the file that exist. */
struct elf_section {
	__u64 address;
	__u64 offset;
	__u64 size;
};

/* -ENOENT: there is no section of that name with contents, or no section has a name. */
int elf_file__section(const struct elf_file *file, const char *name, struct elf_section *section);

/*
 * What a slot of the global offset table is filled with by name, if the file defines that itself:
 * its address. -ENOENT: another file's, or nothing.
 */
int elf_file__import(const struct elf_file *file, __u64 slot, __u64 *address);

/*
 * Copies the string that begins `before` bytes ahead of text and holds it, at the first place in
 * the segments where that stands, cut to size with its end mark. -ENOENT: nowhere in the first few
 * megabytes.
 */
int elf_file__find_text(const struct elf_file *file, const char *text, size_t before, char *string,
			size_t size);

/* A program that needs no loader and no library. */
bool elf_file__is_static(const struct elf_file *file);
/* NULL: it has none. */
const char *elf_file__soname(const struct elf_file *file);
/* The highest NN of the version definitions GLIBC_2.NN; -ENOENT: none. */
int elf_file__glibc_minor(const struct elf_file *file);
/* In hex, owned by the caller. -ENOENT: none. */
int elf_file__build_id(const struct elf_file *file, char **build_id);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that ask the builder of tables for more memory or time than it may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cfi_image.h"
#include "unwind_builder.h"
#include "unwind_child.h"

#define WAIT_MS 60000
#define GIB (1ULL << 30)
/* The least that a record of a function takes. */
#define RECORD_BYTES 20
/* As much as is read: more is refused unread. */
#define NR_RECORDS ((256U << 20) / RECORD_BYTES - 64)

static struct cfi_image image;

/* A program of the image's code whose .eh_frame and names are that long: holes, but for a CIE. */
static int make_file(__u64 frame_bytes, __u64 names_bytes)
{
	static const char names[] = "\0.eh_frame\0.names";
	static const unsigned char start[] = { 0x0c, 7, 8, 0x90, 1 };
	Elf64_Shdr sections[3] = { 0 };
	__u64 frame_end = IMAGE_FRAME_OFFSET + frame_bytes;
	struct unwind_table table;
	Elf64_Ehdr *header = (Elf64_Ehdr *)image.file;
	int fd = memfd_create("giant", MFD_CLOEXEC);

	assert_true(fd >= 0);
	memset(&image, 0, sizeof(image));
	image.machine = EM_X86_64;
	image__common(&image, "zR", start, sizeof(start));
	assert_int_equal(image__build(&image, &table), 0);
	unwind_table__free(&table);
	sections[1] = (Elf64_Shdr){ .sh_name = 1,
				    .sh_type = SHT_PROGBITS,
				    .sh_addr = IMAGE_FRAME_ADDRESS,
				    .sh_offset = IMAGE_FRAME_OFFSET,
				    .sh_size = frame_bytes };
	sections[2] = (Elf64_Shdr){ .sh_name = 11,
				    .sh_type = SHT_STRTAB,
				    .sh_offset = frame_end + sizeof(sections),
				    .sh_size = names_bytes };
	header->e_shoff = frame_end;
	assert_int_equal(ftruncate(fd, (off_t)(sections[2].sh_offset + names_bytes)), 0);
	assert_int_equal(pwrite(fd, image.file, IMAGE_FRAME_OFFSET + image.size, 0),
			 IMAGE_FRAME_OFFSET + image.size);
	assert_int_equal(pwrite(fd, sections, sizeof(sections), (off_t)frame_end),
			 sizeof(sections));
	assert_int_equal(pwrite(fd, names, sizeof(names), (off_t)sections[2].sh_offset),
			 sizeof(names));
	return fd;
}

/* Fills its .eh_frame with records of functions of one byte, the last of the code first. */
static void add_records(int fd)
{
	size_t size = (size_t)NR_RECORDS * RECORD_BYTES;
	unsigned char *bytes = mmap(NULL, IMAGE_FRAME_OFFSET + image.size + size,
				    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	__u32 *at;

	assert_ptr_not_equal(bytes, MAP_FAILED);
	at = (__u32 *)(bytes + IMAGE_FRAME_OFFSET + image.size);
	for (__u32 i = 0; i < NR_RECORDS; i++, at += RECORD_BYTES / 4) {
		__u32 place = (__u32)image.size + i * RECORD_BYTES;
		__u32 function = (NR_RECORDS - i) % IMAGE_CODE_BYTES;

		at[0] = RECORD_BYTES - 4;
		at[1] = place + 4;
		at[2] = IMAGE_CODE_ADDRESS + function - (IMAGE_FRAME_ADDRESS + place + 8);
		at[3] = 1;
	}
	munmap(bytes, IMAGE_FRAME_OFFSET + image.size + size);
}

static int build(struct unwind_builder *builder, int fd)
{
	struct pollfd poll_fd = { .fd = unwind_builder__fd(builder), .events = POLLIN };
	struct unwind_result result;
	int n;

	assert_int_equal(unwind_builder__submit(builder, 1, fd), 0);
	close(fd);
	while ((n = unwind_builder__collect(builder, &result)) == 0)
		assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
	assert_int_equal(n, 1);
	if (!result.err)
		unwind_table__free(&result.table);
	return result.err;
}

static void giant_files_are_refused(void **state)
{
	struct unwind_builder *builder;
	pid_t first;

	(void)state;
	assert_int_equal(unwind_builder__open(&builder), 0);
	assert_int_equal(build(builder, make_file(1 << 20, 4096)), 0);
	first = unwind_builder__pid(builder);
	/* longer than anything that is read */
	assert_int_equal(build(builder, make_file(64 * GIB, 4096)), -E2BIG);
	/* nothing has a name then, and nothing a record */
	assert_int_equal(build(builder, make_file(1 << 20, 3 * GIB)), 0);
	assert_int_equal(unwind_builder__pid(builder), first);
	unwind_builder__close(builder);
}

static void giant_tables_take_bounded_time(void **state)
{
	struct unwind_builder *builder;
	pid_t first;
	int fd;

	(void)state;
	assert_int_equal(unwind_builder__open(&builder), 0);
	assert_int_equal(build(builder, make_file(1 << 20, 4096)), 0);
	first = unwind_builder__pid(builder);
	unwind_builder__set_limits(builder, 100 * 1000000ULL, ~0ULL);
	fd = make_file((__u64)NR_RECORDS * RECORD_BYTES, 4096);
	add_records(fd);
	assert_int_equal(build(builder, fd), -ETIMEDOUT);
	assert_int_equal(build(builder, make_file(1 << 20, 4096)), 0);
	assert_int_not_equal(unwind_builder__pid(builder), first);
	unwind_builder__close(builder);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(giant_files_are_refused),
		cmocka_unit_test(giant_tables_take_bounded_time),
	};

	/* The builder starts this program again. */
	if (argc > 1 && strcmp(argv[1], UNWIND_CHILD_COMMAND) == 0)
		return unwind_child__main();
	return cmocka_run_group_tests_name("unwind_giant", tests, NULL, NULL);
}

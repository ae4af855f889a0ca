/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demangle.h"
#include "symbol_batch.h"

/* What the tests look for, in the file that runs. */
__attribute__((noinline)) static int local_function(int value)
{
	return value * 3 + (int)getpid();
}

extern int asm_function(void);
__asm__(".text\n.type asm_function, @function\n.globl asm_function\nasm_function:\n"
	"	mov $1, %eax\n	ret\n	.size asm_function, 3\n"
	"	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n");

/* The file offset of an address of ours. */
static __u64 offset_of(const void *address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long start, end, offset;
	__u64 found = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %*s %llx", &start, &end, &offset) == 3 &&
		    (uintptr_t)address >= start && (uintptr_t)address < end)
			found = (uintptr_t)address - start + offset;
	}
	fclose(maps);
	assert_int_not_equal(found, 0);
	return found;
}

static const char *function_at(struct symbols *symbols, const struct symbol_object *object,
			       __u64 offset)
{
	const struct symbol_frame *frames = NULL;
	size_t nr = 0;

	assert_int_equal(symbols__frames(symbols, object, offset, &frames, &nr), 0);
	assert_int_equal(nr, 1);
	assert_null(frames->file);
	return frames->function;
}

static void own_functions_by_path(void **state)
{
	const struct symbol_object self = { .path = "/proc/self/exe", .fd = -1, .by_path = true };
	__u64 local = offset_of((const void *)local_function);
	struct symbols *symbols = symbols__open(NULL);
	const struct symbols_stats *stats;
	const char *name;

	(void)state;
	assert_int_not_equal(local_function(1), 0);
	name = function_at(symbols, &self, local);
	assert_string_equal(name, "local_function");
	/* Once found it is kept, at each offset the same text. */
	assert_ptr_equal(function_at(symbols, &self, local), name);
	assert_ptr_equal(function_at(symbols, &self, local + 1), name);
	assert_null(function_at(symbols, &self, 0));
	assert_null(function_at(symbols, &self, ~0ULL));
	stats = symbols__stats(symbols);
	assert_int_equal(stats->files, 1);
	assert_int_equal(stats->frames, 4);
	assert_int_equal(stats->frames_named, 2);
	assert_int_not_equal(stats->bytes, 0);
	symbols__close(symbols);
}

static void behind_a_symbols_end_there_is_no_name(void **state)
{
	const struct symbol_object self = { .path = "/proc/self/exe", .fd = -1, .by_path = true };
	__u64 offset = offset_of((const void *)asm_function);
	struct symbols *symbols = symbols__open(NULL);
	char text[64];

	(void)state;
	assert_string_equal(function_at(symbols, &self, offset + 2), "asm_function");
	assert_null(function_at(symbols, &self, offset + 3));
	assert_null(function_at(symbols, &self, offset + 8));
	symbols__nameless(&self, 0x1f3, text, sizeof(text));
	assert_string_equal(text, "exe+0x1f3");
	symbols__close(symbols);
}

static void a_descriptor_outlives_the_name(void **state)
{
	struct symbol_object object = { .path = "/nowhere/gone (deleted)" };
	struct symbols *symbols = symbols__open(NULL);

	(void)state;
	object.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(object.fd >= 0);
	assert_string_equal(function_at(symbols, &object, offset_of((const void *)local_function)),
			    "local_function");
	close(object.fd);
	symbols__close(symbols);
}

static void another_build_id_is_refused(void **state)
{
	struct symbol_object object = { .path = "/proc/self/exe", .fd = -1 };
	__u64 offset = offset_of((const void *)local_function);
	struct symbols *symbols = symbols__open(NULL);

	(void)state;
	/* Nobody vouches for what lies at that path. */
	assert_null(function_at(symbols, &object, offset));
	object.build_id = "0123456789abcdef0123456789abcdef01234567";
	assert_null(function_at(symbols, &object, offset));
	assert_string_equal(symbols__build_id(symbols, &object), object.build_id);
	object.by_path = true;
	assert_null(function_at(symbols, &object, offset));
	assert_int_equal(symbols__stats(symbols)->files, 0);
	assert_int_equal(symbols__stats(symbols)->files_refused, 2);
	symbols__close(symbols);
}

static void cancelled_reads_nothing(void **state)
{
	const struct symbol_object self = { .path = "/proc/self/exe", .fd = -1, .by_path = true };
	__u64 offset = offset_of((const void *)local_function);
	volatile sig_atomic_t cancel = 1;
	const struct symbols_options options = { .cancel = &cancel };
	struct symbols *symbols = symbols__open(&options);

	(void)state;
	assert_null(function_at(symbols, &self, offset));
	assert_int_equal(symbols__stats(symbols)->files, 0);
	/* It was not kept as nameless. */
	cancel = 0;
	assert_string_equal(function_at(symbols, &self, offset), "local_function");
	symbols__close(symbols);
}

static void memory_is_bounded(void **state)
{
	const struct symbol_object self = { .path = "/proc/self/exe", .fd = -1, .by_path = true };
	const struct symbols_options options = { .max_bytes = 1 << 20 };
	struct symbols *symbols = symbols__open(&options);
	const struct symbols_stats *stats;
	__u64 offset;

	(void)state;
	for (offset = 0; offset < 100000; offset++)
		function_at(symbols, &self, offset);
	stats = symbols__stats(symbols);
	assert_int_equal(stats->frames, 100000);
	assert_int_not_equal(stats->frames_not_kept, 0);
	assert_true(stats->bytes < 2 << 20);
	symbols__close(symbols);
}

static const char *code_at(struct symbols *symbols, __u64 address)
{
	const struct symbol_process self = { .pid = getpid() };
	const struct symbol_frame *frames = NULL;
	size_t nr = 0;

	assert_int_equal(symbols__jit_frames(symbols, &self, address, &frames, &nr), 0);
	assert_int_equal(nr, 1);
	return frames->function;
}

static void a_perf_map_that_grows_is_read_again(void **state)
{
	const struct symbol_process self = { .pid = getpid() };
	struct symbols *symbols = symbols__open(NULL);
	const char *name = NULL;
	char path[64];
	FILE *map;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	assert_null(code_at(symbols, 0x1000));
	map = fopen(path, "wex");
	assert_non_null(map);
	fprintf(map, "1000 10 first\n");
	fflush(map);
	symbols__keep_map(symbols, &self, -1);
	unlink(path);
	assert_string_equal(code_at(symbols, 0x1000), "first");
	assert_null(code_at(symbols, 0x2000));
	fprintf(map, "2000 10 second\n");
	fclose(map);
	/* Not at once, and not only then: it rests in between. */
	for (int tries = 0; !name && tries < 500; tries++) {
		usleep(10000);
		name = code_at(symbols, 0x2000);
	}
	assert_string_equal(name, "second");
	symbols__close(symbols);
}

/* More files than are open at a time, asked for in turn: together each is read once. */
static void a_batch_is_in_the_order_of_files(void **state)
{
	enum {
		FILES = 300,
		TURNS = 3
	};
	static struct symbol_request requests[FILES * TURNS];
	__u64 offset = offset_of((const void *)local_function);
	struct symbols *symbols = symbols__open(NULL);
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	size_t nr = 0;

	(void)state;
	assert_true(self >= 0);
	for (int turn = 0; turn < TURNS; turn++)
		for (int file = 0; file < FILES; file++) {
			char path[400];

			sprintf(path, "/proc/self/fd/./%*d", file + 1, self);
			for (char *at = path; *at; at++)
				if (*at == ' ')
					*at = '/';
			requests[nr++] = (struct symbol_request){
				.object = { .path = turn ? requests[file].object.path :
							   strdup(path),
					    .fd = -1,
					    .by_path = true },
				.offset = offset + (__u64)turn,
			};
		}
	assert_int_equal(symbol_batch__find(symbols, requests, nr, stderr), 0);
	assert_int_equal(symbols__stats(symbols)->frames_named, FILES * TURNS);
	assert_int_equal(symbols__stats(symbols)->files, FILES);
	for (size_t i = 0; i < nr; i++) {
		assert_string_equal(function_at(symbols, &requests[i].object, requests[i].offset),
				    "local_function");
	}
	for (size_t i = 0; i < nr; i++)
		if (requests[i].offset == offset)
			free((char *)requests[i].object.path);
	close(self);
	symbols__close(symbols);
}

static void what_is_no_file_has_no_names(void **state)
{
	static const char *const paths[] = { "/dev/zero", "/proc/self/mem", "/etc", "/nowhere", "",
					     "[heap]",	  "/etc/passwd" };
	struct symbols *symbols = symbols__open(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct symbol_object object = { .path = paths[i], .fd = -1, .by_path = true };

		assert_null(function_at(symbols, &object, 0x1000));
	}
	symbols__close(symbols);
}

static const char *doubling(int levels)
{
	static char name[1024];
	int length = sprintf(name, "_Z1fISt4pairIiiE");

	/* What a level refers to, in base 36, is the one before; its template's name has one too. */
	for (int i = 0; i < levels; i++) {
		static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
		char last[3] = { digits[(1 + 2 * i) / 36], digits[(1 + 2 * i) % 36] };
		const char *id = last[0] == '0' ? last + 1 : last;

		length += sprintf(name + length, "St4pairIS%s_S%s_E", id, id);
	}
	sprintf(name + length, "EvT_");
	return name;
}

static void names_are_demangled(void **state)
{
	static char text[1 << 20];

	(void)state;
	assert_true(demangle("_ZN3foo3barEi", text, sizeof(text)));
	assert_string_equal(text, "foo::bar(int)");
	assert_true(demangle("_ZN4core3fmt5write17h0123456789abcdefE", text, sizeof(text)));
	assert_string_equal(text, "core::fmt::write");
	assert_true(demangle("_RNvCs1234_7mycrate3foo", text, sizeof(text)));
	assert_string_equal(text, "mycrate::foo");
	assert_false(demangle("malloc", text, sizeof(text)));
	assert_false(demangle("_Zzz", text, sizeof(text)));
	/* Each level doubles what comes out: 3 of them are a name, 29 are gigabytes. */
	assert_true(demangle(doubling(3), text, sizeof(text)));
	assert_true(strlen(text) > 200 && strlen(text) < 2000);
	assert_false(demangle(doubling(29), text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_functions_by_path),
		cmocka_unit_test(behind_a_symbols_end_there_is_no_name),
		cmocka_unit_test(a_descriptor_outlives_the_name),
		cmocka_unit_test(another_build_id_is_refused),
		cmocka_unit_test(cancelled_reads_nothing),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(a_perf_map_that_grows_is_read_again),
		cmocka_unit_test(a_batch_is_in_the_order_of_files),
		cmocka_unit_test(what_is_no_file_has_no_names),
		cmocka_unit_test(names_are_demangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

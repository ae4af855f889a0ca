/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unwind_builder.h"
#include "unwind_child.h"
#include "unwind_wire.h"

#define WAIT_MS 20000
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int open_builder(void **state)
{
	struct unwind_builder *builder;

	if (unwind_builder__open(&builder))
		return -1;
	*state = builder;
	return 0;
}

static int close_builder(void **state)
{
	unwind_builder__close(*state);
	return 0;
}

static void submit(struct unwind_builder *builder, __u64 id, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unwind_builder__submit(builder, id, fd), 0);
	close(fd);
}

static void collect(struct unwind_builder *builder, struct unwind_result *result)
{
	struct pollfd poll_fd = { .fd = unwind_builder__fd(builder), .events = POLLIN };
	int n;

	while ((n = unwind_builder__collect(builder, result)) == 0)
		assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
	assert_int_equal(n, 1);
}

static void tables_are_those_built_here(void **state)
{
	static const char *const paths[] = { "/proc/self/exe", "/bin/sh", "/bin/ls" };
	struct unwind_table table;
	struct unwind_result result;

	for (int i = 0; i < 3; i++)
		submit(*state, (__u64)i + 100, paths[i]);
	assert_int_equal(unwind_builder__pending(*state), 3);
	for (int i = 0; i < 3; i++) {
		int fd;

		collect(*state, &result);
		assert_int_equal(result.err, 0);
		assert_in_range(result.id, 100, 102);
		fd = open(paths[result.id - 100], O_RDONLY | O_CLOEXEC);
		assert_int_equal(unwind_table__build(fd, &table), 0);
		close(fd);
		assert_int_equal(result.table.first_page, table.first_page);
		assert_int_equal(result.table.nr_pages, table.nr_pages);
		assert_int_equal(result.table.nr_chunks, table.nr_chunks);
		assert_int_equal(result.table.nr_rules, table.nr_rules);
		assert_int_equal(result.table.nr_rows, table.nr_rows);
		assert_memory_equal(result.table.pages, table.pages,
				    table.nr_pages * sizeof(*table.pages));
		assert_memory_equal(result.table.rules, table.rules,
				    table.nr_rules * sizeof(*table.rules));
		assert_memory_equal(result.table.rows, table.rows,
				    table.nr_chunks * UNWIND_CHUNK_ROWS * sizeof(*table.rows));
		unwind_table__free(&table);
		unwind_table__free(&result.table);
	}
	assert_int_equal(unwind_builder__pending(*state), 0);
	assert_int_equal(unwind_builder__collect(*state, &result), 0);
}

static void small_files_come_first(void **state)
{
	struct unwind_result result;

	/* The first goes at once, if the child is ready; of those that wait the smallest is next. */
	submit(*state, 1, "/dev/null");
	submit(*state, 2, "/lib/x86_64-linux-gnu/libc.so.6");
	submit(*state, 3, "/lib/x86_64-linux-gnu/libm.so.6");
	submit(*state, 4, "/bin/true");
	collect(*state, &result);
	assert_int_equal(result.id, 1);
	assert_int_equal(result.err, -ENOENT);
	for (__u64 id = 4; id >= 2; id--) {
		collect(*state, &result);
		assert_int_equal(result.id, id);
		assert_int_equal(result.err, 0);
		unwind_table__free(&result.table);
	}
}

static void a_dead_child_refuses_its_file_only(void **state)
{
	struct unwind_result result;
	pid_t first = unwind_builder__pid(*state);

	assert_true(first > 0);
	/* The child is ready once it has answered. Stopped, it is surely at the file when it dies. */
	submit(*state, 1, "/dev/null");
	collect(*state, &result);
	assert_int_equal(kill(first, SIGSTOP), 0);
	submit(*state, 2, "/bin/ls");
	submit(*state, 3, "/bin/true");
	assert_int_equal(kill(first, SIGKILL), 0);
	collect(*state, &result);
	assert_int_equal(result.id, 2);
	assert_int_equal(result.err, -EIO);
	assert_null(result.table.pages);
	collect(*state, &result);
	assert_int_equal(result.id, 3);
	assert_int_equal(result.err, 0);
	unwind_table__free(&result.table);
	assert_int_not_equal(unwind_builder__pid(*state), first);
}

/* The child that is at a file is ended, the file refused, and another child goes on. */
static void assert_replaced(struct unwind_builder *builder, pid_t first)
{
	struct unwind_result result;

	collect(builder, &result);
	assert_int_equal(result.id, 2);
	assert_int_equal(result.err, -ETIMEDOUT);
	assert_null(result.table.pages);
	assert_int_equal(kill(first, 0), -1);
	submit(builder, 3, "/bin/true");
	collect(builder, &result);
	assert_int_equal(result.id, 3);
	assert_int_equal(result.err, 0);
	unwind_table__free(&result.table);
	assert_int_not_equal(unwind_builder__pid(builder), first);
}

static pid_t ready_child(struct unwind_builder *builder)
{
	struct unwind_result result;

	submit(builder, 1, "/dev/null");
	collect(builder, &result);
	return unwind_builder__pid(builder);
}

static void one_that_hangs_is_ended(void **state)
{
	pid_t first = ready_child(*state);

	unwind_builder__set_limits(*state, ~0ULL, 500 * 1000000ULL);
	assert_int_equal(kill(first, SIGSTOP), 0);
	submit(*state, 2, "/bin/ls");
	assert_replaced(*state, first);
}

static void one_that_works_for_ever_is_ended(void **state)
{
	/* A file that takes tens of milliseconds; the child is stopped in the midst of it. */
	static const char *const large[] = {
		"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
		"/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
	};
	const char *path = NULL;
	pid_t first;

	for (size_t i = 0; !path && i < sizeof(large) / sizeof(large[0]); i++)
		if (!access(large[i], R_OK))
			path = large[i];
	if (!path) {
		skip();
		return;
	}
	first = ready_child(*state);
	unwind_builder__set_limits(*state, 1000000, ~0ULL);
	submit(*state, 2, path);
	usleep(10000);
	assert_int_equal(kill(first, SIGSTOP), 0);
	assert_replaced(*state, first);
}

/* What /proc says of the child in a line of its status file. */
static void read_status(pid_t pid, const char *name, char *value, size_t size)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	value[0] = '\0';
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			snprintf(value, size, "%.*s", (int)strcspn(line + strlen(name) + 1, "\n"),
				 line + strlen(name) + 1);
	fclose(file);
}

/* Bytes of address space that it may have. */
static unsigned long long memory_limit(pid_t pid)
{
	unsigned long long limit = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Max address space %llu", &limit) == 1)
			break;
	fclose(file);
	return limit;
}

static void the_child_has_no_rights(void **state)
{
	pid_t pid = unwind_builder__pid(*state);
	struct unwind_result result;
	char value[64];

	submit(*state, 1, "/bin/true");
	collect(*state, &result);
	unwind_table__free(&result.table);
	read_status(pid, "CapEff:", value, sizeof(value));
	assert_int_equal(strtoull(value, NULL, 16), 0);
	read_status(pid, "CapPrm:", value, sizeof(value));
	assert_int_equal(strtoull(value, NULL, 16), 0);
	read_status(pid, "NoNewPrivs:", value, sizeof(value));
	assert_int_equal(atoi(value), 1);
#ifndef __SANITIZE_ADDRESS__
	assert_true(memory_limit(pid) == 1ULL << 30);
#endif
	if (!geteuid()) {
		read_status(pid, "Uid:", value, sizeof(value));
		assert_int_equal(atoi(value), 65534);
		read_status(pid, "Groups:", value, sizeof(value));
		assert_int_equal(strspn(value, " \t"), strlen(value));
	}
#ifndef __SANITIZE_ADDRESS__
	read_status(pid, "Seccomp:", value, sizeof(value));
	assert_int_equal(atoi(value), 2);
#endif
}

static void the_child_dies_with_us(void **state)
{
	int pipe_fds[2];
	pid_t child, parent;
	char path[64];

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	parent = fork();
	if (!parent) {
		struct unwind_builder *builder;
		struct unwind_result result;

		if (unwind_builder__open(&builder))
			_exit(1);
		submit(builder, 1, "/dev/null");
		collect(builder, &result);
		child = unwind_builder__pid(builder);
		if (write(pipe_fds[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(read(pipe_fds[0], &child, sizeof(child)), sizeof(child));
	snprintf(path, sizeof(path), "/proc/%d/cmdline", child);
	for (int i = 0; i < 500; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, path + 32, 1);

		if (fd >= 0)
			close(fd);
		/* Gone, or a zombie that nobody has reaped yet: it has no memory. */
		if (n <= 0)
			goto out;
		usleep(10000);
	}
	fail_msg("child %d lives on", child);
out:
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* A table as the child sends it, in memory that is not sealed yet. */
static int write_table(struct unwind_table *table, size_t *size)
{
	int sealed, fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;

	assert_int_equal(unwind_table__build(fd, table), 0);
	close(fd);
	assert_int_equal(unwind_wire__write(table, &sealed), 0);
	assert_int_equal(fstat(sealed, &st), 0);
	*size = (size_t)st.st_size;
	bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, sealed, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, bytes, *size), *size);
	munmap(bytes, *size);
	close(sealed);
	return fd;
}

/* Changes what is at an offset, 32 bits of it, and says what becomes of the table. */
static int map_changed(size_t offset, __u32 value)
{
	struct unwind_table table, mapped;
	size_t size;
	int fd = write_table(&table, &size), err;

	unwind_table__free(&table);
	assert_int_equal(pwrite(fd, &value, sizeof(value), (off_t)offset), sizeof(value));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	err = unwind_wire__map(fd, &mapped);
	if (!err)
		unwind_table__free(&mapped);
	close(fd);
	return err;
}

static void a_wrong_table_is_not_taken(void **state)
{
	struct unwind_table table, mapped;
	size_t size, pages, rules, rows;
	int fd = write_table(&table, &size);

	(void)state;
	rows = size - table.nr_chunks * UNWIND_CHUNK_ROWS * sizeof(*table.rows);
	rules = rows - table.nr_rules * sizeof(*table.rules);
	pages = rules - table.nr_pages * sizeof(*table.pages);
	assert_int_equal(unwind_wire__map(fd, &mapped), -EPROTO); /* not sealed */
	close(fd);
	assert_int_equal(map_changed(0, table.first_page), 0);
	assert_int_equal(map_changed(0, ~0U), -EPROTO);
	assert_int_equal(map_changed(4, table.nr_pages + 1), -EPROTO);
	assert_int_equal(map_changed(8, ~0U), -EPROTO);
	assert_int_equal(map_changed(12, ~0U), -EPROTO);
	assert_int_equal(map_changed(12, 0), -EPROTO);
	assert_int_equal(map_changed(16, (__u32)table.nr_rows + 1), -EPROTO);
	assert_int_equal(map_changed(pages, table.nr_chunks), -EPROTO);
	assert_int_equal(map_changed(pages + 4, 0xffffffff), -EPROTO);
	assert_int_equal(map_changed(pages + sizeof(*table.pages), ~0U), -EPROTO);
	assert_int_equal(map_changed(rules, UNWIND_SP), -EPROTO);
	assert_int_equal(map_changed(rules + 2 * sizeof(*table.rules), UNWIND_NONE), -EPROTO);
	assert_int_equal(map_changed(rules + 2 * sizeof(*table.rules), NR_UNWIND_KINDS), -EPROTO);
	assert_int_equal(map_changed(rules + 2 * sizeof(*table.rules), UNWIND_SP | 0x300), -EPROTO);
	assert_int_equal(map_changed(rows, UNWIND_ROW(0, table.nr_rules)), -EPROTO);
	assert_int_equal(map_changed(rows, UNWIND_ROW(1, 0)), -EPROTO);
	assert_int_equal(map_changed(rows, UNWIND_ROW(0, 0)), 0);
	unwind_table__free(&table);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tables_are_those_built_here, open_builder,
						close_builder),
		cmocka_unit_test_setup_teardown(small_files_come_first, open_builder,
						close_builder),
		cmocka_unit_test_setup_teardown(a_dead_child_refuses_its_file_only, open_builder,
						close_builder),
		cmocka_unit_test_setup_teardown(one_that_hangs_is_ended, open_builder,
						close_builder),
		cmocka_unit_test_setup_teardown(one_that_works_for_ever_is_ended, open_builder,
						close_builder),
		cmocka_unit_test_setup_teardown(the_child_has_no_rights, open_builder,
						close_builder),
		cmocka_unit_test(the_child_dies_with_us),
		cmocka_unit_test(a_wrong_table_is_not_taken),
	};

	/* The builder starts this program again. */
	if (argc > 1 && strcmp(argv[1], UNWIND_CHILD_COMMAND) == 0)
		return unwind_child__main();
	return cmocka_run_group_tests_name("unwind_builder", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "names.h"

struct fixture {
	struct names names;
	__u32 gone; /* a process that is no more */
	char exe[4096]; /* our own */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	ssize_t length;
	pid_t pid;

	assert_non_null(fixture);
	*state = fixture;
	length = readlink("/proc/self/exe", fixture->exe, sizeof(fixture->exe) - 1);
	assert_true(length > 0);
	pid = fork();
	if (!pid)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fixture->gone = (__u32)pid;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	names__free(&fixture->names);
	free(fixture);
	return 0;
}

/* What the kernel side sends of a process; filename may be NULL. */
static struct process_names *learn(struct names *names, __u32 type, __u32 id, __u32 parent_id,
				   __u32 tgid, const char *filename)
{
	struct event event = { .type = type, .id = id, .parent_id = parent_id, .tgid = tgid };

	if (filename)
		snprintf(event.filename, sizeof(event.filename), "%s", filename);
	assert_int_equal(names__learn(names, &event), 0);
	return names__of(names, id);
}

static void nothing_is_known_at_first(void **state)
{
	struct fixture *fixture = *state;

	assert_null(names__of(&fixture->names, 0));
	assert_null(names__of(&fixture->names, 1));
	assert_null(names__of(&fixture->names, UINT32_MAX));
}

static void a_running_process_is_read_from_proc(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *of;
	char *cgroup = proc__cgroup((__u32)getpid());

	of = learn(&fixture->names, EVENT_PROCESS, 1, 0, (__u32)getpid(), NULL);
	assert_non_null(of);
	assert_string_equal(of->exe, fixture->exe);
	if (cgroup)
		assert_string_equal(of->cgroup, cgroup);
	assert_false(of->ended);
	free(cgroup);
}

/* Its own /proc names our program: the child may have exec'd before we came to read. */
static void a_fork_child_has_its_parents_program(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *parent, *child;

	parent = learn(&fixture->names, EVENT_EXEC, 1, 0, fixture->gone, "/bin/parent");
	assert_string_equal(parent->exe, "/bin/parent");
	child = learn(&fixture->names, EVENT_PROCESS, 2, 1, (__u32)getpid(), NULL);
	assert_string_equal(child->exe, "/bin/parent");
}

static void a_gone_child_has_its_parents_names(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *parent, *child;

	parent = learn(&fixture->names, EVENT_PROCESS, 1, 0, (__u32)getpid(), NULL);
	if (!parent->cgroup)
		skip();
	/* The table moves when it grows: the parent's names must be found again. */
	child = learn(&fixture->names, EVENT_PROCESS, 100000, 1, fixture->gone, NULL);
	parent = names__of(&fixture->names, 1);
	assert_string_equal(child->exe, parent->exe);
	assert_string_equal(child->cgroup, parent->cgroup);
	assert_ptr_not_equal(child->exe, parent->exe);
	assert_ptr_not_equal(child->cgroup, parent->cgroup);
}

static void after_an_exec_proc_is_right(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *of;

	learn(&fixture->names, EVENT_EXEC, 1, 0, fixture->gone, "/bin/before");
	of = learn(&fixture->names, EVENT_EXEC, 2, 1, (__u32)getpid(), "as/it/was/called");
	assert_string_equal(of->exe, fixture->exe);
}

static void a_gone_exec_has_the_path_as_called(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *of;

	learn(&fixture->names, EVENT_EXEC, 1, 0, fixture->gone, "/bin/before");
	of = learn(&fixture->names, EVENT_EXEC, 2, 1, fixture->gone, "as/it/was/called");
	assert_string_equal(of->exe, "as/it/was/called");
	of = learn(&fixture->names, EVENT_EXEC, 3, 2, fixture->gone, NULL);
	assert_null(of->exe);
}

static void an_end_keeps_the_names(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *of;

	learn(&fixture->names, EVENT_EXEC, 1, 0, fixture->gone, "/bin/short");
	of = learn(&fixture->names, EVENT_END, 1, 0, fixture->gone, NULL);
	assert_true(of->ended);
	assert_string_equal(of->exe, "/bin/short");
	/* The ring was full at its begin: the end is all that we hear. */
	of = learn(&fixture->names, EVENT_END, 2, 0, fixture->gone, NULL);
	assert_true(of->ended);
	assert_null(of->exe);
}

static void a_forgotten_number_is_unknown(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *child;

	learn(&fixture->names, EVENT_EXEC, 1, 0, fixture->gone, "/bin/parent");
	child = learn(&fixture->names, EVENT_PROCESS, 2, 1, fixture->gone, NULL);
	names__forget(&fixture->names, 1);
	names__forget(&fixture->names, 1);
	names__forget(&fixture->names, UINT32_MAX);
	assert_null(names__of(&fixture->names, 1));
	assert_string_equal(child->exe, "/bin/parent");
	child = learn(&fixture->names, EVENT_PROCESS, 3, 1, fixture->gone, NULL);
	assert_null(child->exe);
}

static void other_events_are_passed_over(void **state)
{
	struct fixture *fixture = *state;

	assert_null(learn(&fixture->names, EVENT_FILE, 1, 0, (__u32)getpid(), NULL));
	assert_null(learn(&fixture->names, 0, 1, 0, (__u32)getpid(), NULL));
	assert_null(learn(&fixture->names, UINT32_MAX, 1, 0, (__u32)getpid(), NULL));
	assert_int_equal(fixture->names.room, 0);
}

static void a_file_name_without_an_end_is_cut(void **state)
{
	struct fixture *fixture = *state;
	struct event event = { .type = EVENT_EXEC, .id = 1, .tgid = fixture->gone };

	memset(event.filename, 0xff, sizeof(event.filename));
	assert_int_equal(names__learn(&fixture->names, &event), 0);
	assert_int_equal(strlen(names__of(&fixture->names, 1)->exe), MAX_FILENAME);
}

static void odd_numbers_do_no_harm(void **state)
{
	struct fixture *fixture = *state;
	struct process_names *of;

	/* No such parent; its own parent, twice; no such process. */
	of = learn(&fixture->names, EVENT_PROCESS, 7, UINT32_MAX, (__u32)getpid(), NULL);
	assert_string_equal(of->exe, fixture->exe);
	of = learn(&fixture->names, EVENT_PROCESS, 7, 7, (__u32)getpid(), NULL);
	assert_string_equal(of->exe, fixture->exe);
	of = learn(&fixture->names, EVENT_PROCESS, 8, 9, UINT32_MAX, NULL);
	assert_null(of->exe);
	assert_null(of->cgroup);
	of = learn(&fixture->names, EVENT_PROCESS, 0, 0, (__u32)getpid(), NULL);
	assert_string_equal(of->exe, fixture->exe);
}

static void a_process_that_is_gone_has_no_names(void **state)
{
	struct fixture *fixture = *state;
	char comm[MAX_COMM] = "kept";

	assert_null(proc__exe(fixture->gone));
	assert_null(proc__cgroup(fixture->gone));
	assert_null(proc__foreign_allocator(fixture->gone));
	assert_int_equal(proc__comm(fixture->gone, comm), -ENOENT);
	assert_string_equal(comm, "kept");
}

static void our_own_names_are_read(void **state)
{
	struct fixture *fixture = *state;
	char *exe = proc__exe((__u32)getpid()), *cgroup = proc__cgroup((__u32)getpid());
	char *allocator = proc__foreign_allocator((__u32)getpid());

	assert_string_equal(exe, fixture->exe);
	if (cgroup)
		assert_int_equal(cgroup[0], '/');
	assert_null(allocator);
	free(exe);
	free(cgroup);
}

static void any_comm_fits(void **state)
{
	static const char *const comms[] = { "",
					     "plain",
					     "fifteen bytes..",
					     "a\nb) R 1 1",
					     "\x1b[2J\xff",
					     "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
					     "\\\\\\\\\\\\\\" };
	char comm[MAX_COMM + 1], before[MAX_COMM] = "";

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	for (size_t i = 0; i < sizeof(comms) / sizeof(comms[0]); i++) {
		memset(comm, 'x', sizeof(comm));
		assert_int_equal(prctl(PR_SET_NAME, comms[i]), 0);
		assert_int_equal(proc__comm((__u32)getpid(), comm), 0);
		assert_true(strnlen(comm, MAX_COMM) < MAX_COMM);
		assert_int_equal(comm[MAX_COMM], 'x');
		if (!strpbrk(comms[i], "\n\\"))
			assert_string_equal(comm, comms[i]);
	}
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
}

/* A mapped file of that name is enough. */
static void another_allocator_is_named(void **state)
{
	char directory[] = "/tmp/allocpath-names.XXXXXX", path[512], *found;
	void *mapped;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/libjemalloc.so.2%0200d", directory, 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	mapped = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	found = proc__foreign_allocator((__u32)getpid());
	munmap(mapped, 4096);
	close(fd);
	unlink(path);
	rmdir(directory);
	assert_non_null(found);
	assert_string_equal(found, path + sizeof(directory));
	free(found);
}

#define names_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		names_test(nothing_is_known_at_first),
		names_test(a_running_process_is_read_from_proc),
		names_test(a_fork_child_has_its_parents_program),
		names_test(a_gone_child_has_its_parents_names),
		names_test(after_an_exec_proc_is_right),
		names_test(a_gone_exec_has_the_path_as_called),
		names_test(an_end_keeps_the_names),
		names_test(a_forgotten_number_is_unknown),
		names_test(other_events_are_passed_over),
		names_test(a_file_name_without_an_end_is_cut),
		names_test(odd_numbers_do_no_harm),
		names_test(a_process_that_is_gone_has_no_names),
		names_test(our_own_names_are_read),
		names_test(any_comm_fits),
		names_test(another_allocator_is_named),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork CASE: several processes, a line of truth from each. A forked child begins with empty books:
 * what it frees of its parent's is of_unknown. A vfork child works on its parent's memory and so
 * on its parent's ledger, until it execs.
 *
 *   fork        a child that frees, resizes and allocates
 *   tree        a child that has a child
 *   threads     fork out of a threaded program; the child uses the arenas it inherited
 *   vfork       a child that allocates on the parent's account, then exits
 *   vfork_exec  a child that allocates on the parent's account, then execs
 *   spawn       posix_spawn of this program
 *   fork_exec   a child that allocates, then execs
 *   exec N      this process, N times over
 *   leaf        what the exec'd ones do
 */
#include <spawn.h>
#include <sys/wait.h>

#include "truth_calls.h"
#include "truth_print.h"

#define SELF "/proc/self/exe"

static const char *case_name;
static uintptr_t inherited[8];

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(4);
}

static void allocate(unsigned long number, size_t size)
{
	for (unsigned long i = 0; i < number; i++)
		t_malloc(size + i);
}

static void leaf(void)
{
	allocate(5, 300);
	t_free(t_malloc(180000));
}

static void exec_leaf(void)
{
	execl(SELF, "fork", "leaf", (char *)NULL);
	_exit(5);
}

static void prepare(void)
{
	allocate(4, 1000);
	inherited[0] = t_malloc(100);
	inherited[1] = t_malloc(200);
	inherited[2] = t_malloc(150000);
	inherited[3] = t_malloc(160000);
	inherited[4] = t_malloc(5000);
	inherited[5] = t_calloc(3, 1000);
}

static void child_work(void)
{
	truth_forget();
	t_free(inherited[0]);
	t_free(inherited[2]);
	inherited[1] = t_realloc(inherited[1], 3000);
	inherited[3] = t_realloc(inherited[3], 320000);
	t_free(inherited[3]);
	t_realloc(inherited[4], 0);
	allocate(10, 40);
	t_free(t_malloc(100000));
	allocate(1, 200000);
}

static void fork_once(void)
{
	pid_t pid;

	prepare();
	pid = fork();
	if (!pid) {
		child_work();
		truth_print("fork", case_name);
		_exit(0);
	}
	wait_for(pid);
	/* its own copies, untouched by the child */
	for (int i = 0; i < 5; i++)
		t_free(inherited[i]);
}

static void fork_tree(void)
{
	pid_t pid;

	prepare();
	pid = fork();
	if (!pid) {
		truth_forget();
		t_free(inherited[0]);
		inherited[0] = t_malloc(111);
		pid = fork();
		if (!pid) {
			child_work();
			truth_print("fork", case_name);
			_exit(0);
		}
		wait_for(pid);
		t_free(inherited[0]);
		truth_print("fork", case_name);
		_exit(0);
	}
	wait_for(pid);
}

static void *fill(void *argument)
{
	pthread_barrier_t *barrier = argument;

	inherited[6] = t_malloc(100);
	inherited[7] = t_malloc(100000);
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

static void fork_threads(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	pid_t pid;

	prepare();
	pthread_barrier_init(&barrier, NULL, 2);
	if (t_pthread_create(&thread, fill, &barrier))
		_exit(2);
	pthread_barrier_wait(&barrier);
	pid = fork();
	if (!pid) {
		child_work();
		t_free(inherited[6]);
		inherited[7] = t_realloc(inherited[7], 120000);
		t_free(inherited[7]);
		truth_print("fork", case_name);
		_exit(0);
	}
	wait_for(pid);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void vfork_and(bool exec)
{
	pid_t pid;

	prepare();
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is the case */
	if (!pid) {
		inherited[6] = t_malloc(300000); /* NOLINT: that is the case */
		inherited[7] = t_malloc(600);
		t_free(inherited[0]);
		t_free(inherited[6]);
		if (exec)
			exec_leaf();
		_exit(0);
	}
	wait_for(pid);
	t_free(inherited[7]);
}

static void spawn(void)
{
	char *const arguments[] = { "fork", "leaf", NULL };
	pid_t pid;

	prepare();
	if (posix_spawn(&pid, SELF, NULL, NULL, arguments, environ))
		_exit(5);
	wait_for(pid);
}

static void fork_exec(void)
{
	pid_t pid;

	prepare();
	pid = fork();
	if (!pid) {
		child_work();
		truth_print("fork", case_name);
		exec_leaf();
	}
	wait_for(pid);
}

static void exec_again(unsigned long times)
{
	char digits[2] = { (char)('0' + (times - 1) % 10), 0 };

	/* each image does something else, to be told apart */
	allocate(times + 1, 100 * times + 1);
	t_free(t_malloc(140000));
	truth_print("fork", case_name);
	if (!times)
		return;
	execl(SELF, "fork", "exec", digits, (char *)NULL);
	_exit(5);
}

int main(int argc, char **argv)
{
	case_name = argc > 1 ? argv[1] : "fork";
	truth_start();
	if (!strcmp(case_name, "exec")) {
		exec_again(argc > 2 ? strtoul(argv[2], NULL, 10) % 10 : 3);
		return 0;
	}
	if (!strcmp(case_name, "fork"))
		fork_once();
	else if (!strcmp(case_name, "tree"))
		fork_tree();
	else if (!strcmp(case_name, "threads"))
		fork_threads();
	else if (!strcmp(case_name, "vfork"))
		vfork_and(false);
	else if (!strcmp(case_name, "vfork_exec"))
		vfork_and(true);
	else if (!strcmp(case_name, "spawn"))
		spawn();
	else if (!strcmp(case_name, "fork_exec"))
		fork_exec();
	else if (!strcmp(case_name, "leaf"))
		leaf();
	else
		return 2;
	truth_print("fork", case_name);
	return 0;
}

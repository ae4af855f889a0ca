/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nested return|jump DEPTH: a call of malloc inside a call of malloc, DEPTH deep. A seccomp filter
 * answers mmap with SIGSYS, and the handler calls malloc again for a mapping. At the bottom the
 * handlers return, each with ENOMEM for the mmap that they stand for, so that malloc falls back on
 * the heap; or they are jumped out of, which abandons DEPTH calls. Then 34 requests that return. All
 * of it ten times over. Exit 0 if it lived.
 *
 * With one thread malloc holds no lock there, and has changed nothing yet.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "truth_calls.h"

#define TIMES 10
#define MAPPED 200000

static int depth, deepest;
static int jumps;
static sigjmp_buf bottom;

/* What the system call that was refused returns. */
static void set_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#else
	context->uc_mcontext.regs[0] = result;
#endif
}

static void refused(int signal, siginfo_t *info, void *context)
{
	void *block;

	(void)signal;
	(void)info;
	if (++depth == deepest && jumps)
		siglongjmp(bottom, 1);
	if (depth < deepest) {
		block = libc_malloc(MAPPED);
		if (!block)
			_exit(3);
		libc_free(block);
	}
	set_result(context, -ENOMEM);
}

static int refuse_mmap(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Apart, so that the jump finds no variable of its caller in a register. */
static __attribute__((noinline)) int go_down(void)
{
	depth = 0;
	if (!sigsetjmp(bottom, 1))
		libc_free(libc_malloc(MAPPED));
	return depth == deepest;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
	void *block;

	if (argc != 3)
		return 2;
	jumps = !strcmp(argv[1], "jump");
	deepest = atoi(argv[2]);
	/* so that the threshold stays where it is */
	if (mallopt(M_MMAP_THRESHOLD, MAPPED) != 1 || sigaction(SIGSYS, &action, NULL) ||
	    refuse_mmap())
		return 2;
	for (int i = 0; i < TIMES; i++) {
		if (!go_down())
			return 1;
		/* life goes on */
		for (size_t size = 1; size < MAPPED / 2; size *= 2) {
			block = libc_calloc(1, size);
			block = libc_realloc(block, 2 * size);
			if (!block)
				return 1;
			libc_free(block);
		}
	}
	return 0;
}

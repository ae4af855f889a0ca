/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seccomp_strict [strict|filter]: a program whose system calls are watched. What it may not call
 * kills it, so a probe that makes it call something would show. Exit 0 if it lived.
 *
 *   strict  read, write, _exit and sigreturn only: malloc lives off a heap that was grown before
 *   filter  what malloc needs, and no more
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "truth_calls.h"

#define ALLOW(call)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int enter_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(mprotect),
		ALLOW(madvise),
		ALLOW(getrandom),
		ALLOW(write),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void allocate(size_t most)
{
	for (int i = 0; i < 1000; i++) {
		void *block = libc_malloc(most);

		block = libc_realloc(block, most / 2);
		libc_free(block);
		libc_free(libc_calloc(1, most));
		libc_free(libc_memalign(64, most));
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "strict";

	allocate(1000);
	if (!strcmp(mode, "strict")) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			return 2;
		allocate(1000);
	} else {
		if (enter_filter())
			return 2;
		allocate(1000);
		allocate(300000);
	}
	/* exit_group, libc's way out, is not among the four of strict mode */
	syscall(SYS_exit, 0);
	return 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_child.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "unwind_wire.h"

#define NOBODY 65534
#define MAX_DESCRIPTORS 8
/* LLVM's table takes 30 MiB, and the libraries that we are linked with are mapped too. */
#define MAX_MEMORY_BYTES (1 << 30)
#define MAX_FILE_BYTES (256 << 20) /* of a table */

#if defined(__x86_64__)
#define AUDIT_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static int limit(void)
{
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
		{ RLIMIT_AS, MAX_MEMORY_BYTES },
#endif
		{ RLIMIT_NOFILE, MAX_DESCRIPTORS },
		{ RLIMIT_FSIZE, MAX_FILE_BYTES },
		{ RLIMIT_CORE, 0 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit value = { .rlim_cur = limits[i].value, .rlim_max = limits[i].value };

		if (setrlimit(limits[i].resource, &value))
			return -errno;
	}
	return 0;
}

/* Nobody, without any capability, and no way to get one back. */
static int drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* In a user namespace nobody may not exist. What is left without capabilities is little. */
	if (!geteuid() &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	     setresuid(NOBODY, NOBODY, NOBODY)) &&
	    errno != EINVAL)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, none) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

#define ALLOW(name)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1),                                    \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/*
 * Nothing but reading, memory and answering: no open, no socket, no process. A kernel without
 * filters is no reason to build no tables; the rights are gone all the same.
 */
static void filter_calls(void)
{
#if defined(AUDIT_ARCHITECTURE) && !defined(__SANITIZE_ADDRESS__)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(pread64),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(brk),
		ALLOW(madvise),
		ALLOW(read),
		ALLOW(lseek),
		ALLOW(fstat),
		ALLOW(newfstatat),
		ALLOW(fcntl),
		ALLOW(memfd_create),
		ALLOW(write),
		ALLOW(close),
		ALLOW(sendmsg),
		ALLOW(recvmsg),
		ALLOW(clock_gettime),
		ALLOW(futex),
		ALLOW(rt_sigreturn),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
#endif
}

/* Answers one request. The builder is gone, or has had enough of us: an error. */
static int serve(int fd)
{
	struct unwind_reply reply = { 0 };
	struct unwind_request request;
	struct unwind_table table;
	int file, memory = -1, err;

	err = unwind_wire__receive(fd, &request, sizeof(request), &file);
	if (err)
		return err;
	reply.id = request.id;
	reply.err = file < 0 ? -EBADF : unwind_table__build(file, &table);
	if (file >= 0)
		close(file);
	if (!reply.err) {
		reply.err = unwind_wire__write(&table, &memory);
		unwind_table__free(&table);
	}
	err = unwind_wire__send(fd, &reply, sizeof(reply), memory);
	if (memory >= 0)
		close(memory);
	return err;
}

int unwind_child__main(void)
{
	const struct unwind_reply ready = { .is_ready = 1 };
	struct stat st;
	int err;

	if (fstat(UNWIND_CHILD_FD, &st) || !S_ISSOCK(st.st_mode))
		return log__error(2, "%s is for allocpath itself", UNWIND_CHILD_COMMAND);
	err = limit();
	if (!err)
		err = drop_rights();
	/* Only now: a change of user clears it. */
	if (err || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return 1;
	filter_calls();
	err = unwind_wire__send(UNWIND_CHILD_FD, &ready, sizeof(ready), -1);
	while (!err)
		err = serve(UNWIND_CHILD_FD);
	return 0;
}

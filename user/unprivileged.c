/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unprivileged.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

static int close_others(unsigned int keep)
{
	if (keep > 3 && syscall(SYS_close_range, 3, keep - 1, 0))
		return -errno;
	if (syscall(SYS_close_range, keep + 1, ~0U, 0))
		return -errno;
	return 0;
}

int unprivileged__detach(int keep_fd, pid_t parent)
{
	int err;

	if (keep_fd < 3)
		return -EINVAL;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	/* It may have ended before that. */
	if (getppid() != parent)
		return -ESRCH;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	err = close_others((unsigned int)keep_fd);
	if (err != -ENOSYS)
		return err;
	/* Before 5.9: as many as there may be. */
	for (int fd = (int)sysconf(_SC_OPEN_MAX); fd > STDERR_FILENO; fd--)
		if (fd != keep_fd)
			close(fd);
	return 0;
}

int unprivileged__enter(__u64 data_bytes)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct no_capability[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const struct rlimit data = { .rlim_cur = data_bytes, .rlim_max = data_bytes };
	const struct rlimit none = { 0 };

#ifdef __SANITIZE_ADDRESS__ /* which reserves terabytes */
	(void)data;
#else
	if (setrlimit(RLIMIT_DATA, &data))
		return -errno;
#endif
	if (setrlimit(RLIMIT_CORE, &none))
		return -errno;
	/* In a user namespace nobody may not exist. What is left without capabilities is little. */
	if (!geteuid() &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	     setresuid(NOBODY, NOBODY, NOBODY)) &&
	    errno != EINVAL)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, no_capability) ||
	    prctl(PR_SET_DUMPABLE, 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL)) /* which a change of user clears */
		return -errno;
	return 0;
}

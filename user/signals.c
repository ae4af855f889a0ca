/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/types.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "signals.h"

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t stop_again;
static int wake_fd = -1; /* for as long as the process lives */

static void signals__wake(void)
{
	static const __u64 one = 1;
	int error = errno;

	if (write(wake_fd, &one, sizeof(one)) < 0)
		errno = error; /* it is readable already */
}

static void signals__on_stop(int signal)
{
	if (stop_signal)
		stop_again = 1;
	stop_signal = signal;
	signals__wake();
}

static void signals__on_child(int signal)
{
	(void)signal;
	signals__wake();
}

int signals__catch(void)
{
	struct sigaction stop = { .sa_handler = signals__on_stop };
	struct sigaction child = { .sa_handler = signals__on_child };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction hangup;

	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return -errno;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	/* Under nohup it stays ignored, for CMD too. */
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGCHLD, &child, NULL);
	/* A closed pipe is a write that fails, reported as such. */
	sigaction(SIGPIPE, &ignore, NULL);
	return 0;
}

bool signals__stopped(void)
{
	return stop_signal != 0;
}

const volatile sig_atomic_t *signals__again(void)
{
	return &stop_again;
}

int signals__fd(void)
{
	return wake_fd;
}

void signals__read(void)
{
	__u64 nr;

	if (read(wake_fd, &nr, sizeof(nr)) < 0)
		return; /* none came */
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debug_fetch.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "debug_file.h"
#include "fd_message.h"
#include "unprivileged.h"

#define TICK_MS 100 /* how often a cancel is looked for */
#define GRACE_MS 1500 /* for the library to give up by itself, and to tidy its cache */

struct debug_fetch {
	__u64 left_ms;
	const volatile sig_atomic_t *cancel;
	bool gave_up;
};

/* What the child says, with the descriptor where err is 0. */
struct answer {
	int err;
};

static __u64 child_deadline; /* of the child's one request, in ms; for its callback */

static __u64 now_ms(void)
{
	return clock__now_ns() / 1000000;
}

bool debug_fetch__is_wanted(void)
{
	const char *urls = getenv(DEBUGINFOD_URLS_ENV_VAR);

	return urls && *urls;
}

bool debug_fetch__is_there(void)
{
	void *library = dlopen(DEBUGINFOD_SONAME, RTLD_LAZY | RTLD_LOCAL);

	if (library)
		dlclose(library);
	return library != NULL;
}

struct debug_fetch *debug_fetch__open(unsigned int total_ms, const volatile sig_atomic_t *cancel)
{
	struct debug_fetch *fetch;

	if (!debug_fetch__is_wanted())
		return NULL;
	fetch = calloc(1, sizeof(*fetch));
	if (fetch) {
		fetch->left_ms = total_ms;
		fetch->cancel = cancel;
	}
	return fetch;
}

void debug_fetch__close(struct debug_fetch *fetch)
{
	free(fetch);
}

bool debug_fetch__gave_up(const struct debug_fetch *fetch)
{
	return fetch && fetch->gave_up;
}

static int check_time(debuginfod_client *client, long done, long of)
{
	(void)client;
	(void)done;
	(void)of;
	return now_ms() >= child_deadline;
}

/* In the child: the library, with all that it loads, is never in our own process. */
static int ask(const char *build_id, enum fetch_kind kind)
{
	__typeof__(&debuginfod_find_debuginfo) find;
	__typeof__(&debuginfod_set_progressfn) set_progress;
	__typeof__(&debuginfod_begin) begin;
	debuginfod_client *client;
	void *library;

	library = dlopen(DEBUGINFOD_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return -ENOSYS;
	*(void **)&begin = dlsym(library, "debuginfod_begin");
	*(void **)&set_progress = dlsym(library, "debuginfod_set_progressfn");
	*(void **)&find = dlsym(library, kind == FETCH_DEBUG ? "debuginfod_find_debuginfo" :
							       "debuginfod_find_executable");
	if (!begin || !set_progress || !find)
		return -ENOSYS;
	client = begin();
	if (!client)
		return -ENOMEM;
	set_progress(client, check_time);
	return find(client, (const unsigned char *)build_id, 0, NULL);
}

static void run_child(int socket, pid_t parent, const char *build_id, enum fetch_kind kind,
		      __u64 deadline)
{
	struct answer answer;
	int fd;

	if (unprivileged__detach(socket, parent))
		_exit(1);
	/* The library writes its progress there where it is asked to. */
	unsetenv(DEBUGINFOD_PROGRESS_ENV_VAR);
	child_deadline = deadline;
	fd = ask(build_id, kind);
	answer.err = fd < 0 ? fd : 0;
	/* It was told to stop, whatever it calls that. */
	if (fd < 0 && now_ms() >= deadline)
		answer.err = -ETIMEDOUT;
	_exit(fd_message__send(socket, &answer, sizeof(answer), &fd, fd < 0 ? 0 : 1) ? 1 : 0);
}

/* The child's answer, -ETIMEDOUT or -ECANCELED. */
static int wait_for_answer(struct debug_fetch *fetch, int socket, __u64 deadline)
{
	int fds[FD_MESSAGE_MAX_FDS];
	struct answer answer;
	__u64 now;
	long n;

	for (now = now_ms(); now < deadline; now = now_ms()) {
		unsigned int left = (unsigned int)(deadline - now);

		if (fetch->cancel && *fetch->cancel)
			return -ECANCELED;
		if (fd_message__wait(socket, left < TICK_MS ? left : TICK_MS))
			continue;
		n = fd_message__receive(socket, &answer, sizeof(answer), fds);
		if (n != sizeof(answer))
			return -EIO;
		if (answer.err)
			return answer.err;
		return fds[0] < 0 ? -EIO : fds[0];
	}
	return -ETIMEDOUT;
}

static int get(struct debug_fetch *fetch, const char *build_id, enum fetch_kind kind)
{
	__u64 start = now_ms(), grace;
	pid_t self = getpid(), child;
	int sockets[2], result;

	grace = fetch->left_ms / 2 < GRACE_MS ? fetch->left_ms / 2 : GRACE_MS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	child = fork();
	if (!child)
		run_child(sockets[1], self, build_id, kind, start + fetch->left_ms - grace);
	close(sockets[1]);
	if (child < 0)
		result = -errno;
	else
		result = wait_for_answer(fetch, sockets[0], start + fetch->left_ms);
	close(sockets[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	start = now_ms() - start;
	fetch->left_ms -= start < fetch->left_ms ? start : fetch->left_ms;
	return result;
}

int debug_fetch__get(struct debug_fetch *fetch, const char *build_id, enum fetch_kind kind)
{
	int result;

	if (!fetch->left_ms || fetch->gave_up)
		return -ETIMEDOUT;
	result = get(fetch, build_id, kind);
	/* Our time, or that of DEBUGINFOD_TIMEOUT. */
	if (result == -ETIMEDOUT || result == -ETIME || !fetch->left_ms)
		fetch->gave_up = true;
	if (result < 0)
		return fetch->gave_up ? -ETIMEDOUT : -ENOENT;
	if (!debug_file__check(result, build_id))
		return result;
	close(result);
	return -ESTALE;
}

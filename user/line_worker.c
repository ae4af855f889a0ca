/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "line_worker.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd_message.h"
#include "line_reader.h"
#include "unprivileged.h"

#define MAX_DATA_BYTES (1ULL << 30) /* compressed debug information is unpacked in memory */
#define TICK_MS 100 /* how often a cancel is looked for */

void line_worker__open(struct line_worker *worker, const volatile sig_atomic_t *cancel)
{
	*worker = (struct line_worker){
		.socket = -1,
		.timeout_ms = LINE_WORKER_MS,
		.cancel = cancel,
	};
}

static void stop(struct line_worker *worker)
{
	if (!worker->pid)
		return;
	close(worker->socket);
	kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
	worker->socket = -1;
	memset(worker->slots, 0, sizeof(worker->slots));
}

void line_worker__close(struct line_worker *worker)
{
	stop(worker);
}

static void run_child(int socket, pid_t parent)
{
	if (unprivileged__detach(socket, parent) || unprivileged__enter(MAX_DATA_BYTES))
		_exit(1);
	line_reader__serve(socket);
	_exit(0);
}

static int start(struct line_worker *worker)
{
	pid_t self = getpid(), pid;
	int sockets[2], err = 0;

	if (worker->pid)
		return 0;
	if (worker->lost >= LINE_WORKER_LIVES)
		return -EPIPE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	pid = fork();
	if (!pid)
		run_child(sockets[1], self);
	if (pid < 0)
		err = -errno;
	close(sockets[1]);
	if (err) {
		close(sockets[0]);
		return err;
	}
	worker->pid = pid;
	worker->socket = sockets[0];
	return 0;
}

/* The slot of an owner, or for it: then *is_new, and what was there is closed by the open. */
static unsigned int find_slot(struct line_worker *worker, const void *owner, bool *is_new)
{
	unsigned int oldest = 0, i;

	*is_new = false;
	for (i = 0; i < LINE_MAX_FILES; i++) {
		if (worker->slots[i].owner == owner)
			return i;
		if (worker->slots[i].used < worker->slots[oldest].used)
			oldest = i;
	}
	*is_new = true;
	return oldest;
}

void line_worker__forget(struct line_worker *worker, const void *owner)
{
	for (unsigned int i = 0; i < LINE_MAX_FILES; i++)
		if (worker->slots[i].owner == owner)
			worker->slots[i] = (struct line_slot){ 0 };
}

/* The process may have been taken over by what it reads: each offset has to lie in the text. */
static int check(const struct line_answer *answer, long size)
{
	long text = size - (long)offsetof(struct line_answer, text);

	if (text < 1 || answer->nr_frames > LINE_MAX_FRAMES || answer->text_size != text ||
	    answer->text[text - 1] || answer->text[0])
		return -EIO;
	for (__u32 i = 0; i < answer->nr_frames; i++)
		if (answer->frames[i].function >= answer->text_size ||
		    answer->frames[i].file >= answer->text_size)
			return -EIO;
	return 0;
}

static int receive(struct line_worker *worker, struct line_answer *answer)
{
	__u64 deadline = clock__now_ns() + worker->timeout_ms * 1000000ULL, now;
	int fds[FD_MESSAGE_MAX_FDS];

	for (now = clock__now_ns(); now < deadline; now = clock__now_ns()) {
		unsigned int left = (unsigned int)((deadline - now) / 1000000) + 1;
		long size;

		if (worker->cancel && *worker->cancel)
			return -ECANCELED;
		if (fd_message__wait(worker->socket, left < TICK_MS ? left : TICK_MS))
			continue;
		size = fd_message__receive(worker->socket, answer, sizeof(*answer), fds);
		for (int i = 0; i < FD_MESSAGE_MAX_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		return size <= 0 ? -EIO : check(answer, size);
	}
	return -ETIMEDOUT;
}

int line_worker__ask(struct line_worker *worker, const void *owner, int fd, int alt_fd,
		     __u64 address, struct line_answer *answer)
{
	struct line_request request = { .operation = LINE_OPEN, .address = address };
	const int fds[] = { fd, alt_fd };
	bool is_new;
	int err;

	err = start(worker);
	if (err)
		return err;
	request.slot = find_slot(worker, owner, &is_new);
	if (is_new)
		err = fd_message__send(worker->socket, &request, sizeof(request), fds,
				       alt_fd < 0 ? 1 : 2);
	request.operation = LINE_FRAMES;
	if (!err)
		err = fd_message__send(worker->socket, &request, sizeof(request), NULL, 0);
	if (!err) {
		worker->slots[request.slot].owner = owner;
		worker->slots[request.slot].used = ++worker->clock;
		err = receive(worker, answer);
	}
	if (!err)
		return 0;
	/* What it would still say belongs to no question. */
	stop(worker);
	if (err != -ECANCELED)
		worker->lost++;
	if (err != -ECANCELED && err != -ETIMEDOUT)
		err = -EIO;
	return err;
}

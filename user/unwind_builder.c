/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "unwind_child.h"
#include "unwind_wire.h"

/* Descriptors of files that wait. A busy host maps about a thousand. */
#define MAX_WAITING 2048
#define CHECK_SECONDS 1
/* A table of 4 million rows takes half a second; a stopped or starved child gets no processor. */
#define MAX_CPU_NS (10ULL * 1000000000)
#define MAX_WALL_NS (120ULL * 1000000000)
#define FIRST_CHILD_FD (UNWIND_CHILD_FD + 1)

struct waiting_file {
	__u64 id;
	__u64 size;
	int fd;
};

struct unwind_builder {
	int epoll_fd; /* the socket and the timer */
	int timer_fd; /* runs while a file is being built */
	int socket_fd; /* -1: no child */
	pid_t pid;
	bool is_ready; /* the child has said so */
	bool is_broken; /* no child can be started */
	bool is_building; /* building is at the child */
	__u64 building;
	__u64 cpu_ns; /* the child's when it got the file */
	__u64 wall_ns;
	__u64 max_cpu_ns, max_wall_ns;
	struct waiting_file *waiting;
	size_t nr_waiting;
};

/* Processor time of the child. */
static __u64 child_ns(const struct unwind_builder *builder)
{
	clockid_t clock;

	return clock_getcpuclockid(builder->pid, &clock) ? 0 : clock__ns(clock);
}

static void set_timer(const struct unwind_builder *builder, time_t seconds)
{
	struct itimerspec value = { .it_interval.tv_sec = seconds, .it_value.tv_sec = seconds };

	timerfd_settime(builder->timer_fd, 0, &value, NULL);
}

static int watch(const struct unwind_builder *builder, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(builder->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* All but the standard ones and the child's own. close_range() is of 5.9. */
static void close_others(void)
{
	long last = sysconf(_SC_OPEN_MAX);

	if (!close_range(FIRST_CHILD_FD, ~0U, 0))
		return;
	for (int fd = FIRST_CHILD_FD; fd < last; fd++)
		close(fd);
}

/* Between fork and exec: only what is safe there. */
static void run_child(int socket_fd)
{
	int null = open("/dev/null", O_RDWR);

	/* Out of the way of the numbers below, and with another flag than ours. */
	socket_fd = fcntl(socket_fd, F_DUPFD, FIRST_CHILD_FD);
	if (null < 0 || socket_fd < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0 || dup2(socket_fd, UNWIND_CHILD_FD) < 0)
		_exit(1);
	close_others();
	/* The terminal's ^C is for us: what is being built may still be wanted for the report. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	execl("/proc/self/exe", "allocpath", UNWIND_CHILD_COMMAND, (char *)NULL);
	_exit(1);
}

static int start_child(struct unwind_builder *builder)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	/* Ours does not wait, the child's does. */
	err = fcntl(pair[0], F_SETFL, O_NONBLOCK) ? -errno : watch(builder, pair[0]);
	if (err)
		goto out;
	builder->pid = fork();
	if (builder->pid < 0) {
		err = -errno;
		goto out;
	}
	if (!builder->pid)
		run_child(pair[1]);
	close(pair[1]);
	builder->socket_fd = pair[0];
	builder->is_ready = false;
	return 0;
out:
	close(pair[0]);
	close(pair[1]);
	return err;
}

static void end_child(struct unwind_builder *builder)
{
	if (builder->socket_fd < 0)
		return;
	close(builder->socket_fd);
	builder->socket_fd = -1;
	builder->is_ready = false;
	set_timer(builder, 0);
	/* It may have closed its socket and live on. */
	kill(builder->pid, SIGKILL);
	while (waitpid(builder->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int unwind_builder__open(struct unwind_builder **result)
{
	struct unwind_builder *builder = calloc(1, sizeof(*builder));
	int err = -ENOMEM;

	if (!builder)
		return -ENOMEM;
	builder->socket_fd = builder->timer_fd = -1;
	unwind_builder__set_limits(builder, MAX_CPU_NS, MAX_WALL_NS);
	builder->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (builder->epoll_fd < 0) {
		err = -errno;
		goto out;
	}
	builder->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (builder->timer_fd < 0) {
		err = -errno;
		goto out;
	}
	builder->waiting = calloc(MAX_WAITING, sizeof(*builder->waiting));
	if (!builder->waiting)
		goto out;
	err = watch(builder, builder->timer_fd);
	if (!err)
		err = start_child(builder);
out:
	if (err)
		unwind_builder__close(builder);
	else
		*result = builder;
	return err;
}

void unwind_builder__close(struct unwind_builder *builder)
{
	if (!builder)
		return;
	end_child(builder);
	for (size_t i = 0; i < builder->nr_waiting; i++)
		close(builder->waiting[i].fd);
	if (builder->timer_fd >= 0)
		close(builder->timer_fd);
	if (builder->epoll_fd >= 0)
		close(builder->epoll_fd);
	free(builder->waiting);
	free(builder);
}

void unwind_builder__set_limits(struct unwind_builder *builder, __u64 cpu_ns, __u64 wall_ns)
{
	builder->max_cpu_ns = cpu_ns;
	builder->max_wall_ns = wall_ns;
}

/* Gives the child the smallest file that waits, if it has nothing to do. */
static void send_next(struct unwind_builder *builder)
{
	struct waiting_file *smallest = builder->waiting;
	struct unwind_request request;

	if (!builder->is_ready || builder->is_building || !builder->nr_waiting)
		return;
	for (size_t i = 1; i < builder->nr_waiting; i++)
		if (builder->waiting[i].size < smallest->size)
			smallest = &builder->waiting[i];
	request.id = smallest->id;
	builder->cpu_ns = child_ns(builder);
	builder->wall_ns = clock__now_ns();
	/* An error is that of a dead child: the next collect() meets it, and the file with it. */
	unwind_wire__send(builder->socket_fd, &request, sizeof(request), smallest->fd);
	close(smallest->fd);
	builder->building = smallest->id;
	builder->is_building = true;
	*smallest = builder->waiting[--builder->nr_waiting];
	set_timer(builder, CHECK_SECONDS);
}

int unwind_builder__submit(struct unwind_builder *builder, __u64 id, int fd)
{
	struct stat st;
	int copy;

	if (builder->nr_waiting == MAX_WAITING)
		return -ENOSPC;
	if (fstat(fd, &st))
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_CHILD_FD);
	if (copy < 0)
		return -errno;
	builder->waiting[builder->nr_waiting++] =
		(struct waiting_file){ .id = id, .size = (__u64)st.st_size, .fd = copy };
	send_next(builder);
	return 0;
}

int unwind_builder__fd(const struct unwind_builder *builder)
{
	return builder->epoll_fd;
}

pid_t unwind_builder__pid(const struct unwind_builder *builder)
{
	return builder->socket_fd < 0 ? 0 : builder->pid;
}

size_t unwind_builder__pending(const struct unwind_builder *builder)
{
	return builder->nr_waiting + builder->is_building;
}

/* The child died, or has to: what it was at is refused, and another one takes over. */
static int replace_child(struct unwind_builder *builder, int why, struct unwind_result *result)
{
	bool was_building = builder->is_building;
	int err;

	/* One that dies before its first word would do so for ever. */
	builder->is_broken = !builder->is_ready;
	end_child(builder);
	builder->is_building = false;
	if (!builder->is_broken) {
		err = start_child(builder);
		builder->is_broken = err;
	}
	if (!was_building)
		return builder->is_broken ? -ECHILD : 0;
	*result = (struct unwind_result){ .id = builder->building, .err = why };
	return 1;
}

/* Whether the file at the child has taken too long. Reading the timer makes it quiet again. */
static bool is_late(const struct unwind_builder *builder)
{
	__u64 ticks;

	if (read(builder->timer_fd, &ticks, sizeof(ticks)) != sizeof(ticks) ||
	    !builder->is_building)
		return false;
	return child_ns(builder) - builder->cpu_ns > builder->max_cpu_ns ||
	       clock__now_ns() - builder->wall_ns > builder->max_wall_ns;
}

static int take_reply(struct unwind_builder *builder, const struct unwind_reply *reply, int memory,
		      struct unwind_result *result)
{
	int err = reply->err;

	if (!builder->is_building || reply->id != builder->building || reply->is_ready || err > 0 ||
	    (!err && memory < 0))
		return replace_child(builder, -EIO, result);
	*result = (struct unwind_result){ .id = reply->id, .err = err };
	if (!err) {
		err = unwind_wire__map(memory, &result->table);
		/* Who hands us such a table is not what we started any more. */
		if (err == -EPROTO)
			return replace_child(builder, -EIO, result);
		result->err = err;
	}
	builder->is_building = false;
	set_timer(builder, 0);
	send_next(builder);
	return 1;
}

int unwind_builder__collect(struct unwind_builder *builder, struct unwind_result *result)
{
	bool late = is_late(builder);
	struct unwind_reply reply;
	int memory, err;

	while (!builder->is_broken) {
		err = unwind_wire__receive(builder->socket_fd, &reply, sizeof(reply), &memory);
		if (err == -EAGAIN)
			return late ? replace_child(builder, -ETIMEDOUT, result) : 0;
		if (err)
			return replace_child(builder, -EIO, result);
		if (!builder->is_ready && reply.is_ready) {
			builder->is_ready = true;
			if (memory >= 0)
				close(memory);
			send_next(builder);
			continue;
		}
		err = take_reply(builder, &reply, memory, result);
		if (memory >= 0)
			close(memory);
		return err;
	}
	return -ECHILD;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "collector.h"
#include "log.h"
#include "probe_attach.h"
#include "window_edge.h"
#include "windows.h"

#define CANARY_CALLS 4
#define CANARY_MOST_NS 250000000ULL /* the tail is not looked for beyond */
#define CANARY_QUIET_NS 1000000ULL /* without a slow batch it is over */

static __u64 thread__cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

/* Signals are the main thread's. */
static int thread__start(pthread_t *thread, void *(*run)(void *), void *context)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void probes__attach_file(struct probes *probes, size_t number)
{
	int error = 0;

	if (!probes->nr_pids)
		error = probes__attach_again(probes, number, 0);
	for (size_t i = 0; i < probes->nr_pids; i++)
		probes__attach_again(probes, number, probes->pids[i]); /* one may be gone */
	if (error)
		log__note("%s is not probed in this window: %s", probes->files[number].path,
			  strerror(-error));
}

/* Nanoseconds of a batch of allocations. */
static __u64 canary__batch_ns(void)
{
	__u64 begin_ns = clock__now_ns();

	for (int i = 0; i < CANARY_CALLS; i++) {
		void *volatile block = malloc(64);

		free(block);
	}
	return clock__now_ns() - begin_ns;
}

double window_edge__attach(struct windows *windows, double *cpu_s)
{
	struct probes *probes = &windows->collector->probes;
	__u64 before_ns = thread__cpu_ns(), begin_ns;

	windows->warming = probes__attach_own(probes);
	begin_ns = clock__now_ns();
	for (size_t i = 0; i < probes->nr_files; i++)
		probes__attach_file(probes, i);
	windows->own_calls_hit = canary__batch_ns() >
				 CANARY_CALLS * windows->collector->bare_trap_ns / 2;
	*cpu_s = (double)(thread__cpu_ns() - before_ns) / 1e9;
	return (double)begin_ns / 1e9;
}

struct closer {
	struct windows *windows;
	size_t first, step; /* descriptors */
};

static void *closer__run(void *context)
{
	struct closer *closer = context;
	struct windows *windows = closer->windows;

	for (size_t i = closer->first; i < windows->nr_closing; i += closer->step)
		close(windows->closing[i]);
	__atomic_fetch_add(&windows->closers_cpu_ns, thread__cpu_ns(), __ATOMIC_RELAXED);
	free(closer);
	return NULL;
}

/* Takes the descriptors of all links from their files; without room for them they are closed here. */
static void windows__take_links(struct windows *windows)
{
	struct probes *probes = &windows->collector->probes;
	size_t nr = 0;

	for (size_t i = 0; i < probes->nr_files; i++)
		nr += probes->files[i].nr_link_fds;
	free(windows->closing);
	windows->nr_closing = 0;
	windows->closing = calloc(nr + 1, sizeof(int));
	if (windows->warming >= 0 && windows->closing)
		windows->closing[windows->nr_closing++] = windows->warming;
	else if (windows->warming >= 0)
		close(windows->warming);
	windows->warming = -1;
	for (size_t i = 0; i < probes->nr_files; i++) {
		struct probed_file *file = &probes->files[i];

		if (windows->closing) {
			for (size_t j = 0; j < file->nr_link_fds; j++)
				windows->closing[windows->nr_closing++] = file->link_fds[j];
			file->nr_link_fds = 0;
		}
		probed_file__detach(file);
	}
}

void window_edge__detach(struct windows *windows)
{
	size_t nr;

	windows->closed_s = (double)clock__now_ns() / 1e9;
	windows__take_links(windows);
	nr = windows->nr_closing < MAX_CLOSERS ? windows->nr_closing : MAX_CLOSERS;
	windows->closers_cpu_ns = 0;
	windows->nr_closers = 0;
	for (size_t i = 0; i < nr; i++) {
		struct closer *closer = malloc(sizeof(*closer));

		if (closer)
			*closer = (struct closer){ windows, i, nr };
		if (closer &&
		    !thread__start(&windows->closers[windows->nr_closers], closer__run, closer)) {
			windows->nr_closers++;
			continue;
		}
		free(closer);
		for (size_t j = i; j < windows->nr_closing; j += nr)
			close(windows->closing[j]);
	}
}

double window_edge__join(struct windows *windows)
{
	while (windows->nr_closers)
		pthread_join(windows->closers[--windows->nr_closers], NULL);
	return (double)windows->closers_cpu_ns / 1e9;
}

double window_edge__tail_s(struct windows *windows)
{
	struct collector *collector = windows->collector;
	__u64 begin_ns = clock__now_ns(), at_ns = begin_ns, slow_ns = 0;
	__u64 slow_batch_ns = CANARY_CALLS * collector->bare_trap_ns / 2;
	unsigned int slow_in_row = 0;

	/* Probed by process our own calls are not hit. */
	if (!windows->own_calls_hit || !collector->bare_trap_ns)
		return -1;
	while (at_ns - begin_ns < CANARY_MOST_NS &&
	       at_ns - (slow_ns ? slow_ns : begin_ns) < CANARY_QUIET_NS) {
		bool is_slow = canary__batch_ns() > slow_batch_ns;

		at_ns = clock__now_ns();
		/* A single one may be the scheduler's doing. */
		slow_in_row = is_slow ? slow_in_row + 1 : 0;
		if (slow_in_row >= 2)
			slow_ns = at_ns;
	}
	return (double)(slow_ns ? slow_ns : begin_ns) / 1e9 - windows->closed_s;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "thread.h"

#include <limits.h>
#include <pthread.h>

#include "arena.h"
#include "cache.h"
#include "config.h"
#include "ledger.h"
#include "sample.h"

__thread struct thread thread __attribute__((tls_model("initial-exec")));

static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER; /* slots, threads of arenas */
static pthread_key_t thread_key;
static bool has_key, is_open;

#ifdef __SANITIZE_THREAD__
#define LAST_ROUND                                                                                 \
	(PTHREAD_DESTRUCTOR_ITERATIONS - 1) /* ThreadSanitizer's own end is in the last */
#else
#define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

/*
 * Other keys' destructors free memory too, and may do so after this one: it puts itself off to
 * the last round.
 */
static void thread_end(void *round)
{
	long number = (long)round;

	if (number < LAST_ROUND && !pthread_setspecific(thread_key, (void *)(number + 1)))
		return;
	cache__empty();
	cache__close();
	pthread_mutex_lock(&threads_lock);
	arena__leave(thread.arena);
	ledger__leave();
	thread.state = THREAD_ENDED;
	pthread_mutex_unlock(&threads_lock);
}

/* No thread is inside an arena while the process is copied; the caches of others are lost. */
static void fork_prepare(void)
{
	pthread_mutex_lock(&threads_lock);
	arenas__lock();
}

static void fork_parent(void)
{
	arenas__unlock();
	pthread_mutex_unlock(&threads_lock);
}

static void fork_child(void)
{
	arenas__reset_locks();
	pthread_mutex_init(&threads_lock, NULL);
	if (thread.state == THREAD_READY)
		ledger__reopen();
}

/* Once. Whatever allocates in here finds an allocator that is open. */
static void open_process(void)
{
	config__read();
	ledger__open();
	is_open = true;
}

void thread__begin(void)
{
	static bool has_hooks;
	bool hook;

	pthread_mutex_lock(&threads_lock);
	if (!is_open)
		open_process();
	thread.state = THREAD_READY;
	ledger__claim();
	thread.arena = arena__join();
	cache__open();
	sample__begin();
	hook = !has_hooks;
	has_hooks = true;
	pthread_mutex_unlock(&threads_lock);
	if (hook) {
		has_key = !pthread_key_create(&thread_key, thread_end);
		pthread_atfork(fork_prepare, fork_parent, fork_child);
	}
	if (has_key)
		pthread_setspecific(thread_key, (void *)1L);
}

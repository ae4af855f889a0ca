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
static bool has_key;

/* Other keys' destructors free memory too. The last of the rounds is left to sanitizers. */
#define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)

static void thread_end(void *round)
{
	long number = (long)round;

	if (number < LAST_ROUND && !pthread_setspecific(thread_key, (void *)(number + 1)))
		return;
	cache__reset(false);
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

/* It has the locks that its parent's thread took. */
static void fork_child(void)
{
	fork_parent();
	if (thread.state == THREAD_READY)
		ledger__reopen();
}

void thread__begin(void)
{
	static bool is_open;
	bool first;

	pthread_mutex_lock(&threads_lock);
	first = !is_open;
	is_open = true;
	if (first) {
		config__read();
		ledger__open();
	}
	thread.state = THREAD_READY;
	ledger__claim();
	thread.arena = arena__join();
	cache__reset(true);
	sample__begin();
	pthread_mutex_unlock(&threads_lock);
	/* What follows may ask for memory: it finds an allocator that is open. */
	if (first) {
		has_key = !pthread_key_create(&thread_key, thread_end);
		pthread_atfork(fork_prepare, fork_parent, fork_child);
	}
	if (has_key)
		pthread_setspecific(thread_key, (void *)1L);
}

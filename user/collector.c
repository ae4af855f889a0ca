/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "collector.h"
#include "log.h"
#include "options.h"
#include "profile_build.h"
#include "profile_calls.h"
#include "profile_estimate.h"
#include "rule_settings.h"
#include "profile_stacks.h"

/* For the tables of what runs already, before measuring begins: most are there by then. */
#define TABLES_WAIT_MS 3000

/* Between two looks at the tables. */
#define LEAST_PAUSE_MS 50
#define MOST_PAUSE_MS 400

/* Listed once for each program. */
static int collector__refuse_32bit(struct collector *collector, const struct event *event)
{
	static const char why[] = "a 32-bit program: its system calls and arguments are not read";
	const struct probes *probes = &collector->probes;
	char *exe = event__exe(&collector->names, event);
	int error = 0;

	for (size_t i = 0; exe && i < probes->nr_refusals; i++)
		if (!strcmp(probes->refusals[i].path, exe))
			goto out;
	error = probes__refuse(&collector->probes, exe ? exe : "[gone]", why);
out:
	free(exe);
	return error;
}

static int collector__on_rule_event(struct collector *collector, const struct rule_event *event)
{
	const struct process_names *of = names__of(&collector->names, event->id);
	bool lives = of && !of->ended;

	return rule_log__add(&collector->rule_log, event, lives ? of->tgid : 0);
}

/*
 * What a program's environment says of its threshold. The kernel side has seen that there is
 * something, and has taken a command's descendants to have its own environment.
 */
static void collector__learn_environment(struct collector *collector, const struct event *event)
{
	struct rule_state *state = session__rule_state(&collector->session, event->slot, event->id);
	struct rule_state known;

	if (!state || (state->origin != RULE_PENDING && state->origin != RULE_ENVIRONMENT))
		return;
	if (rule_state__of_process(&known, (pid_t)event->tgid) ||
	    (state->origin == RULE_ENVIRONMENT && known.low == state->low &&
	     known.pins == state->pins))
		return;
	known.maps = state->maps;
	known.origin = RULE_ENVIRONMENT;
	*state = known;
}

static int collector__on_event(void *context, void *data, size_t size)
{
	struct collector *collector = context;
	const struct event *event = data;
	char path[96];

	if (size == sizeof(struct rule_event))
		return collector__on_rule_event(collector, data);
	if (size < sizeof(*event))
		return 0;
	if (event->type == EVENT_EXEC)
		collector__learn_environment(collector, event);
	if (event->type == EVENT_MAPPING) {
		unwinder__learn(&collector->unwinder, event);
		return 0;
	}
	if (event->type == EVENT_JIT) {
		jit_maps__meet(&collector->jit_maps, event);
		return 0;
	}
	if (event->type == EVENT_EXEC && collector->follows_files)
		probes__consider_exec(&collector->probes, (pid_t)event->tgid);
	if (event->type == EVENT_32BIT)
		return collector__refuse_32bit(collector, event);
	if (event->type != EVENT_FILE)
		return names__learn(&collector->names, event);
	if (!collector->follows_files)
		return 0;
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", event->tgid,
		 (unsigned long long)event->address, (unsigned long long)event->end);
	if (access(path, F_OK)) /* the loader has split the mapping since */
		probes__consider_process(&collector->probes, (pid_t)event->tgid);
	else
		probes__consider_link(&collector->probes, path);
	return 0;
}

static int collector__on_stack(void *context, void *data, size_t size)
{
	struct collector *collector = context;

	return stack_store__add(&collector->stacks, data, size) == -ENOMEM ? -ENOMEM : 0;
}

int collector__open(struct collector *collector, const struct options *options)
{
	int error;

	collector->ring = ring_buffer__new(session__events_fd(&collector->session),
					   collector__on_event, collector, NULL);
	if (!collector->ring)
		return log__error(-errno, "the event ring cannot be mapped: %s", strerror(errno));
	collector->takes_stacks = options->takes_stacks;
	collector->sample_bytes = options->sample_bytes;
	if (!options->takes_stacks)
		return 0;
	error = ring_buffer__add(collector->ring, session__stacks_fd(&collector->session),
				 collector__on_stack, collector);
	if (error)
		return log__error(error, "the ring of stacks cannot be mapped: %s",
				  strerror(-error));
	return unwinder__open(&collector->unwinder, &collector->session);
}

int collector__prepare_stacks(struct collector *collector)
{
	int error;

	if (!collector->takes_stacks)
		return 0;
	error = session__walk_mappings(&collector->session);
	if (error)
		return log__error(error, "the mappings of processes cannot be walked: %s",
				  strerror(-error));
	error = ring_buffer__consume(collector->ring);
	if (error < 0)
		return log__error(error, "the event ring cannot be read: %s", strerror(-error));
	if (unwinder__wait(&collector->unwinder, TABLES_WAIT_MS))
		log__note(
			"unwind tables are still being built: until they stand, stacks end early");
	return 0;
}

static struct profile_process *collector__fold_of(struct collector *collector, const char *exe)
{
	for (size_t i = 0; i < collector->nr_folded; i++) {
		struct profile_process *fold = &collector->folded[i];

		if (exe && fold->exe ? !strcmp(exe, fold->exe) : exe == fold->exe)
			return fold;
	}
	return NULL;
}

/* Adds an ended process to its exe's fold, which takes it over when it is the first. */
static int collector__fold_in(struct collector *collector, struct profile_process *process)
{
	struct profile_process *fold = collector__fold_of(collector, process->exe), *folded;
	int error;

	if (fold) {
		error = profile_process__add(fold, process);
		profile_process__free(process);
		return error;
	}
	folded = realloc(collector->folded, (collector->nr_folded + 1) * sizeof(*folded));
	if (!folded) {
		profile_process__free(process);
		return -ENOMEM;
	}
	collector->folded = folded;
	collector->folded[collector->nr_folded++] = *process;
	return 0;
}

static int collector__id_ended(void *context, __u32 id)
{
	struct collector *collector = context;
	const struct process_names *of = names__of(&collector->names, id);

	return !of || of->ended;
}

/* Folds every ended process away. */
static int collector__fold(struct collector *collector)
{
	/* Of younger ones the event with their names may still be on its way. */
	__u32 newest = session__last_id(&collector->session);
	struct snapshot snapshot;
	bool *has_ended;
	int error;

	/* Of what ends from here on the snapshot may lack the last samples and calls. */
	has_ended = calloc(MAX_PROCESSES, sizeof(*has_ended));
	if (!has_ended)
		return -ENOMEM;
	for (__u32 slot = 0; slot < MAX_PROCESSES; slot++)
		has_ended[slot] = collector->session.processes[slot].identity.ended;
	error = collector__take(collector, &snapshot, false);
	if (error)
		goto out;
	for (size_t i = 0; !error && i < snapshot.nr_processes; i++) {
		const struct process *process = &snapshot.processes[i];
		struct profile_process made;
		__u32 slot = process->identity.slot;

		if (!has_ended[slot] || process->identity.id > newest)
			continue;
		error = profile_build__process(collector, &snapshot, process, &made);
		if (!error && collector->windows.collector)
			profile_process__estimate(&made);
		if (!error)
			error = collector__fold_in(collector, &made);
		if (!error) {
			size_t nr;
			const struct size_entry *entries =
				snapshot__sizes_of(&snapshot, process->identity.id, &nr);
			const struct call_entry *calls;
			const struct sample_entry *samples;

			error = session__release_slot(&collector->session, slot, entries, nr);
			calls = snapshot__calls_of(&snapshot, process->identity.id, &nr);
			session__forget_calls(&collector->session, calls, nr);
			samples = snapshot__samples_of(&snapshot, process->identity.id, &nr);
			session__forget_samples(&collector->session, samples, nr);
			names__forget(&collector->names, process->identity.id);
			rule_log__forget(&collector->rule_log, process->identity.id);
			windows__forget(&collector->windows, process->identity.id);
			collector->nr_released++;
		}
	}
	snapshot__free(&snapshot);
out:
	free(has_ended);
	return error;
}

static bool is_three_quarters(__u64 used, __u64 room)
{
	return used > room / 4 * 3;
}

/* Makes room before a table is full: what is full then is a counted loss. */
static int collector__make_room(struct collector *collector)
{
	struct session *session = &collector->session;
	__u64 used = session__last_id(session) - collector->nr_released;

	if (is_three_quarters(session__nr_granules(session), MAX_GRANULES) ||
	    is_three_quarters(session__nr_live_blocks(session), MAX_LIVE_BLOCKS))
		session__sweep(session, collector__id_ended, collector);
	if (is_three_quarters(used, MAX_PROCESSES) ||
	    is_three_quarters(session__nr_size_rows(session), MAX_SIZE_ROWS) ||
	    is_three_quarters(session__nr_samples(session), MAX_SAMPLES))
		return collector__fold(collector);
	return 0;
}

int collector__pause_ms(const struct collector *collector)
{
	return collector->pause_ms ? collector->pause_ms : LEAST_PAUSE_MS;
}

/*
 * Tables fill without waking anybody, so they are looked at now and then. The last quarter of the
 * smallest one, of granules, lasts the longest pause at 80,000 new mappings a second.
 */
static void collector__pace(struct collector *collector, int nr_events)
{
	struct session *session = &collector->session;
	__u64 filled = session__nr_granules(session) + session__nr_live_blocks(session) +
		       session__nr_size_rows(session) + session__nr_samples(session) +
		       session__last_id(session);

	if (nr_events || filled != collector->nr_filled)
		collector->pause_ms = LEAST_PAUSE_MS;
	else if (collector->pause_ms < MOST_PAUSE_MS)
		collector->pause_ms = 2 * collector__pause_ms(collector);
	collector->nr_filled = filled;
}

int collector__poll(struct collector *collector, int timeout_ms, int wake_fd)
{
	struct pollfd waits[] = {
		{ .fd = ring_buffer__epoll_fd(collector->ring), .events = POLLIN },
		{ .fd = unwinder__fd(&collector->unwinder), .events = POLLIN },
		{ .fd = wake_fd, .events = POLLIN },
	};
	int error;

	timeout_ms = jit_maps__timeout_ms(&collector->jit_maps, timeout_ms);
	if (poll(waits, 3, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	/* Not only when woken: new stacks wake nobody until there are many. */
	error = ring_buffer__consume(collector->ring);
	if (error < 0 && error != -EINTR)
		return error;
	collector__pace(collector, error);
	unwinder__work(&collector->unwinder);
	jit_maps__look(&collector->jit_maps, false);
	return collector__make_room(collector);
}

struct traps collector__traps_of(const struct collector *collector, const struct ledger *books)
{
	const __u64(*events)[NR_OUTCOMES] = books->events;
	struct traps traps = { .each_ns = collector->bare_trap_ns };

	traps.nr = events[KIND_ALLOC][OUTCOME_SEEN] + events[KIND_FREE][OUTCOME_SEEN] +
		   events[KIND_RETURN][OUTCOME_SEEN];
	if (books->nr_timed)
		traps.each_ns += books->timed_ns / books->nr_timed;
	return traps;
}

struct traps collector__traps(const struct collector *collector)
{
	struct ledger books;

	if (session__read_books(&collector->session, &books))
		memset(&books, 0, sizeof(books));
	return collector__traps_of(collector, &books);
}

int collector__take(struct collector *collector, struct snapshot *snapshot, bool next_epoch)
{
	struct session *session = &collector->session;
	int error = 0;

	memset(snapshot, 0, sizeof(*snapshot));
	ring_buffer__consume(collector->ring);
	jit_maps__look(&collector->jit_maps, true);
	snapshot->processes = calloc(MAX_PROCESSES, sizeof(struct process));
	if (!snapshot->processes)
		return -ENOMEM;
	snapshot->epoch = session__epoch(session);
	if (next_epoch)
		session__next_epoch(session);
	/* First: so there are never more than requests, whose rows are written first and read last. */
	if (session->keeps_callers)
		error = session__read_calls(session, &snapshot->calls, &snapshot->nr_calls);
	if (!error && collector->takes_stacks)
		error = session__read_samples(session, &snapshot->samples, &snapshot->nr_samples);
	/* What the samples name has been sent before they were counted. */
	if (!error && collector->takes_stacks)
		ring_buffer__consume(collector->ring);
	for (__u32 slot = 0; slot < MAX_PROCESSES; slot++) {
		struct process *process = &snapshot->processes[snapshot->nr_processes];

		if (!session->processes[slot].identity.id)
			continue;
		*process = session->processes[slot];
		process->identity.slot = slot;
		snapshot->nr_processes++;
	}
	if (!error)
		error = session__read_sizes(session, &snapshot->sizes, &snapshot->nr_sizes);
	if (!error)
		error = session__read_books(session, &snapshot->books);
	if (!error && collector->takes_stacks)
		error = session__read_sample_sums(session, snapshot->sums);
	snapshot->at_ns = collector->end_ns ? collector->end_ns : clock__now_ns();
	if (error)
		snapshot__free(snapshot);
	return error;
}

void snapshot__free(struct snapshot *snapshot)
{
	free(snapshot->processes);
	free(snapshot->sizes);
	free(snapshot->calls);
	free(snapshot->samples);
	memset(snapshot, 0, sizeof(*snapshot));
}

void collector__close(struct collector *collector)
{
	ring_buffer__free(collector->ring);
	unwinder__close(&collector->unwinder);
	stack_store__free(&collector->stacks);
	jit_maps__close(&collector->jit_maps);
	windows__close(&collector->windows);
	probes__free(&collector->probes);
	session__close(&collector->session);
	names__free(&collector->names);
	rule_log__free(&collector->rule_log);
	for (size_t i = 0; i < collector->nr_folded; i++)
		profile_process__free(&collector->folded[i]);
	free(collector->folded);
	free(collector->detached_why);
	memset(collector, 0, sizeof(*collector));
}

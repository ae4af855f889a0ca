/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "collector.h"
#include "log.h"
#include "process_clock.h"
#include "window_edge.h"
#include "windows.h"

#define STEP_S 0.005 /* how often an open window is looked at */
#define LEAD_S (2 * STEP_S) /* awake before a window */
#define MEASURE_EVERY 64 /* windows between two looks for the tail */

/* Processes whose clocks are read around a window: more would take longer than it. */
#define MAX_CLOCKS 512

struct window_process {
	__u32 id, slot;
	pid_t pid;
	bool has_clock, is_gone;
	double from_s; /* in the run since */
	double gone_s; /* seen to be gone; about */
	double cpu_from_s; /* its CPU time then */
	double cpu_s, cpu_at_s; /* last read, and when */
	double begin_cpu_s, begin_s; /* before this window; begin_s 0: not read */
	__u64 other_entries; /* that were no requests, until the window before */
	struct window_sums sums;
};

static double now_s(void)
{
	return (double)clock__now_ns() / 1e9;
}

static void sleep_until(double until_s)
{
	struct timespec until = { .tv_sec = (time_t)until_s };

	until.tv_nsec = (long)((until_s - (double)until.tv_sec) * 1e9);
	/* Ended early by a signal: its caller looks at the clock. */
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static struct window_process *windows__find(struct windows *windows, __u32 id, size_t *at)
{
	size_t low = 0, high = windows->nr_processes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (windows->processes[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	if (low == windows->nr_processes || windows->processes[low].id != id)
		return NULL;
	return &windows->processes[low];
}

static size_t windows__since(const struct windows *windows, double from_s)
{
	size_t low = 0, high = windows->budget.nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (windows->times[middle].open_s < from_s)
			low = middle + 1;
		else
			high = middle;
	}
	return windows->budget.nr - low;
}

static double run__start_s(const struct windows *windows)
{
	return (double)windows->collector->start_ns / 1e9;
}

static const struct process *collector__process(const struct collector *collector, __u32 id)
{
	for (__u32 slot = 0; slot < MAX_PROCESSES; slot++) {
		const struct process *process = session__process(&collector->session, slot, id);

		if (process)
			return process;
	}
	return NULL;
}

static __u64 process__other_entries(const struct process *process)
{
	return process->counters.internal + process->counters.failed +
	       process->counters.unknown_result;
}

/* A process that asks for the first time in a window: its windows before this one were empty. */
static struct window_process *windows__meet(struct windows *windows, __u32 id, size_t at)
{
	const struct process *process = collector__process(windows->collector, id);
	struct window_process *added;
	double cpu_s;

	if (windows->nr_processes == windows->processes_room) {
		size_t room = windows->processes_room ? 2 * windows->processes_room : 64;

		added = realloc(windows->processes, room * sizeof(*added));
		if (!added)
			return NULL;
		windows->processes = added;
		windows->processes_room = room;
	}
	added = &windows->processes[at];
	memmove(added + 1, added, (windows->nr_processes - at) * sizeof(*added));
	windows->nr_processes++;
	*added = (struct window_process){ .id = id, .is_gone = true, .gone_s = now_s() };
	added->from_s = run__start_s(windows);
	if (!process)
		return added;
	added->slot = (__u32)(process - windows->collector->session.processes);
	added->pid = (pid_t)process->identity.tgid;
	added->is_gone = process->identity.ended;
	if (process_clock__started_s(process->identity.start_ns) > added->from_s)
		added->from_s = process_clock__started_s(process->identity.start_ns);
	else
		added->cpu_from_s = process_clock__find(windows->first_clocks,
							windows->nr_first_clocks, added->pid);
	added->has_clock = !added->is_gone && !process_clock__read(added->pid, &cpu_s);
	if (!added->has_clock)
		cpu_s = 0;
	added->cpu_s = cpu_s;
	added->cpu_at_s = now_s();
	/* This window is not among those that began before. */
	window_sums__add_empty(
		&added->sums, (double)windows__since(windows, added->from_s),
		added->has_clock && cpu_s > added->cpu_from_s ? cpu_s - added->cpu_from_s : 0);
	return added;
}

static void windows__read_clocks(struct windows *windows, bool at_begin)
{
	size_t nr = 0;

	for (size_t i = windows->nr_processes; i-- > 0 && nr < MAX_CLOCKS;) {
		struct window_process *process = &windows->processes[i];
		double cpu_s;

		if (!process->has_clock || process->is_gone)
			continue;
		nr++;
		if (process_clock__read(process->pid, &cpu_s)) {
			process->is_gone = true;
			process->gone_s = now_s();
			continue;
		}
		process->cpu_s = cpu_s;
		process->cpu_at_s = now_s();
		if (at_begin) {
			process->begin_cpu_s = cpu_s;
			process->begin_s = process->cpu_at_s;
		}
	}
}

/* CPU time of a process in the window alone; its clock was read somewhat before and behind it. */
static double window_process__cpu_s(const struct window_process *process, double window_s)
{
	double span_s = process->cpu_at_s - process->begin_s;

	if (!process->has_clock || process->begin_s <= 0 || span_s < window_s)
		return -1;
	return (process->cpu_s - process->begin_cpu_s) * window_s / span_s;
}

static int windows__take_in(struct windows *windows, struct window_process *process,
			    struct window_part part, const struct window_entry *entries, size_t nr)
{
	const struct process *of =
		session__process(&windows->collector->session, process->slot, process->id);
	struct window_class classes[nr + 1];

	for (size_t i = 0; i < nr; i++) {
		classes[i] =
			(struct window_class){ entries[i].key.size_class, entries[i].row.count };
		part.count += entries[i].row.count;
		part.bytes += entries[i].row.bytes;
	}
	part.traps = part.count;
	if (of) {
		__u64 other = process__other_entries(of);

		part.traps += other - process->other_entries;
		process->other_entries = other;
	}
	part.cpu_s = window_process__cpu_s(process, part.window_s);
	process->begin_s = 0;
	return window_sums__add(&process->sums, &part, classes, nr);
}

/* What the window that has ended told of each process that ever asked for something. */
static int windows__drain(struct windows *windows, double window_s)
{
	struct collector *collector = windows->collector;
	struct window_part part = {
		.window_s = window_s,
		.weight = windows->period_s / window_s,
		.trap_s = (double)collector__traps(collector).each_ns / 1e9,
	};
	struct window_entry *entries;
	size_t nr, at = 0, first = 0;
	int error;

	error = session__drain_window(&collector->session, &entries, &nr);
	if (error)
		return error;
	/* Newcomers first, since an array that grows moves. */
	for (size_t i = 0; !error && i < nr; i++)
		if ((!i || entries[i].key.id != entries[i - 1].key.id) &&
		    !windows__find(windows, entries[i].key.id, &at) &&
		    !windows__meet(windows, entries[i].key.id, at))
			error = -ENOMEM;
	for (size_t i = 0; !error && i < windows->nr_processes; i++) {
		struct window_process *process = &windows->processes[i];
		size_t end = first;

		while (end < nr && entries[end].key.id == process->id)
			end++;
		if (end > first || !process->is_gone)
			error = windows__take_in(windows, process, part, entries + first,
						 end - first);
		first = end;
	}
	free(entries);
	return error;
}

/* A worst case that fades: what was seen once may be seen again. */
static double worst(double before, double now)
{
	double faded = before + (now - before) / 16;

	return now > faded ? now : faded;
}

static void windows__learn_costs(struct windows *windows, double attach_s, double cpu_s,
				 double tail_s)
{
	struct window_costs *costs = &windows->costs;

	costs->attach_s = worst(costs->attach_s, attach_s);
	costs->cpu_s = worst(costs->cpu_s, cpu_s);
	if (tail_s >= 0)
		costs->tail_s = worst(costs->tail_s, tail_s);
	costs->nr_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	windows->budget.edge_cpu_s += cpu_s;
	window_plan__set_costs(&windows->plan, costs);
}

static void windows__plan(struct windows *windows)
{
	windows->next_s = window_plan__next(&windows->plan, now_s(), &windows->period_s);
	windows->budget.window_s = windows->plan.window_s;
	windows->budget.period_s = windows->period_s;
	windows->budget.attach_s = windows->costs.attach_s;
	windows->budget.tail_s = windows->costs.tail_s;
}

/* Open until its end, or until traps have taken too much of the host. */
static void windows__stay_open(struct windows *windows, double start_s)
{
	struct collector *collector = windows->collector;
	double end_s = start_s + windows->plan.window_s;
	__u64 before = collector__traps(collector).nr;

	for (;;) {
		double at_s = now_s(), next_s = at_s + STEP_S;
		struct traps traps;

		if (at_s >= end_s)
			return;
		sleep_until(next_s < end_s ? next_s : end_s);
		traps = collector__traps(collector);
		if (window_plan__is_spent(&windows->plan,
					  (double)((traps.nr - before) * traps.each_ns) / 1e9,
					  windows->costs.nr_cpus)) {
			windows->budget.nr_early++;
			return;
		}
	}
}

static int windows__note_times(struct windows *windows, const struct window_times *times)
{
	if (windows->budget.nr == windows->times_room) {
		size_t room = windows->times_room ? 2 * windows->times_room : 256;
		struct window_times *larger = realloc(windows->times, room * sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		windows->times = larger;
		windows->times_room = room;
	}
	windows->times[windows->budget.nr] = *times;
	windows->budget.times = windows->times;
	return 0;
}

static int windows__run(struct windows *windows)
{
	struct collector *collector = windows->collector;
	struct session *session = &collector->session;
	struct window_times times;
	double cpu_s, tail_s = -1;
	bool measures = windows->budget.nr % MEASURE_EVERY == 0;
	int error;

	/*
	 * Others' clocks lag behind by up to a tick, which goes out on average if it does so at both
	 * ends alike: so this is before attaching, which brings them forward, and after as short a
	 * sleep as at the end, since a thread that wakes from a long one may first be put on their CPU.
	 */
	while (windows->next_s - now_s() > STEP_S)
		sleep_until(now_s() + STEP_S);
	sleep_until(windows->next_s);
	windows__read_clocks(windows, true);
	times.attach_s = window_edge__attach(windows, &cpu_s);
	session__open_window(session);
	times.open_s = now_s();
	windows__stay_open(windows, times.open_s);
	session__close_window(session);
	times.close_s = times.gone_s = now_s();
	windows__read_clocks(windows, false);
	window_edge__detach(windows);
	if (measures)
		tail_s = window_edge__tail_s(windows);
	error = session__close_calls(session);
	if (!error)
		error = windows__note_times(windows, &times);
	if (!error)
		error = windows__drain(windows, times.close_s - times.open_s);
	if (error)
		return error;
	cpu_s += window_edge__join(windows);
	windows->times[windows->budget.nr++].gone_s = now_s();
	windows->budget.open_s += times.close_s - times.open_s;
	if (measures && tail_s < 0)
		tail_s = now_s() - windows->closed_s;
	windows__learn_costs(windows, times.open_s - times.attach_s, cpu_s, tail_s);
	window_plan__adapt(&windows->plan,
			   process_clock__host_busy(&windows->busy_s, &windows->busy_at_s));
	windows__plan(windows);
	return 0;
}

int windows__open(struct windows *windows, struct collector *collector, double budget)
{
	double begin_s, attached_s, cpu_s, tail_s;
	__u64 seed = clock__now_ns();

	windows->collector = collector;
	windows->warming = -1;
	windows->budget.share = budget;
	windows->costs.nr_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		log__note("no random numbers from the kernel: windows start by the clock");
	window_plan__init(&windows->plan, budget, seed);
	/* One window that counts nothing, for its costs. */
	begin_s = window_edge__attach(windows, &cpu_s);
	attached_s = now_s();
	window_edge__detach(windows);
	tail_s = window_edge__tail_s(windows);
	cpu_s += window_edge__join(windows);
	if (tail_s < 0)
		tail_s = now_s() - windows->closed_s;
	windows__learn_costs(windows, attached_s - begin_s, cpu_s, tail_s);
	process_clock__host_busy(&windows->busy_s, &windows->busy_at_s);
	log__note(
		"budget %g %%: windows of %.1f ms, one in each %.2f s; attach %.1f ms, tail %.1f ms, "
		"own CPU %.1f ms",
		100 * budget, 1000 * windows->plan.window_s, windows->plan.period_s,
		1000 * windows->costs.attach_s, 1000 * windows->costs.tail_s,
		1000 * windows->costs.cpu_s);
	windows__plan(windows);
	return process_clock__read_all(&windows->first_clocks, &windows->nr_first_clocks);
}

int windows__poll(struct windows *windows)
{
	if (!windows->collector || now_s() < windows->next_s - LEAD_S)
		return 0;
	return windows__run(windows);
}

int windows__due_ms(const struct windows *windows, int most_ms)
{
	double due_ms;

	if (!windows->collector)
		return most_ms;
	due_ms = (windows->next_s - LEAD_S - now_s()) * 1000;
	if (due_ms < 0)
		return 0;
	return due_ms < most_ms ? (int)due_ms : most_ms;
}

/* CPU time from the begin of the run, or of the process, to now or its end. */
static double window_process__whole_cpu_s(struct window_process *process)
{
	double cpu_s = process->cpu_s, lived_s;

	if (!process->is_gone && !process_clock__read(process->pid, &cpu_s))
		return cpu_s - process->cpu_from_s;
	if (!process->is_gone) {
		process->is_gone = true;
		process->gone_s = now_s();
	}
	/* Its last stretch, of which no window told: on average half of the time until it was missed. */
	lived_s = process->cpu_at_s - process->from_s;
	cpu_s -= process->cpu_from_s;
	if (lived_s > 0)
		cpu_s += cpu_s / lived_s * (process->gone_s - process->cpu_at_s) / 2;
	return cpu_s;
}

size_t windows__of(struct windows *windows, const struct process *process,
		   struct profile_windows *sums, const struct profile_share **shares)
{
	struct window_process *found;
	double whole_s, from_s;
	size_t at;

	memset(sums, 0, sizeof(*sums));
	*shares = NULL;
	if (!windows->collector)
		return 0;
	found = windows__find(windows, process->identity.id, &at);
	if (!found) {
		from_s = process_clock__started_s(process->identity.start_ns);
		if (from_s < run__start_s(windows))
			from_s = run__start_s(windows);
		sums->count.nr = sums->bytes.nr = (double)windows__since(windows, from_s);
		return 0;
	}
	*sums = found->sums.sums;
	*shares = found->sums.shares;
	if (found->has_clock) {
		whole_s = window_process__whole_cpu_s(found);
	} else {
		whole_s = (found->is_gone ? found->gone_s : now_s()) - found->from_s;
	}
	sums->whole_d = whole_s > sums->traps_s ? whole_s - sums->traps_s : 0;
	return found->sums.nr_shares;
}

void windows__forget(struct windows *windows, __u32 id)
{
	struct window_process *found;
	size_t at;

	found = windows__find(windows, id, &at);
	if (!found)
		return;
	window_sums__free(&found->sums);
	windows->nr_processes--;
	memmove(found, found + 1, (windows->nr_processes - at) * sizeof(*found));
}

void windows__finish(struct windows *windows)
{
	if (windows->collector)
		window_edge__join(windows);
}

void windows__close(struct windows *windows)
{
	windows__finish(windows);
	for (size_t i = 0; i < windows->nr_processes; i++)
		window_sums__free(&windows->processes[i].sums);
	free(windows->processes);
	free(windows->times);
	free(windows->first_clocks);
	free(windows->closing);
	memset(windows, 0, sizeof(*windows));
}

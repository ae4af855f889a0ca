/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector.h"
#include "guard.h"
#include "log.h"

#define MOST_TRAP_PERCENT 5
#define PERIOD_NS 100000000ULL
#define NS_PER_S 1000000000ULL

static void detach(struct collector *collector, const struct traps *traps, __u64 now_ns)
{
	session__stop_probing(&collector->session);
	probes__detach(&collector->probes);
	if (asprintf(&collector->detached_why,
		     "after %.1f s: %llu traps of %.1f us within a second are more than %d %% of the "
		     "host's CPU",
		     (double)(now_ns - collector->start_ns) / 1e9, (unsigned long long)traps->nr,
		     (double)traps->each_ns / 1000, MOST_TRAP_PERCENT) < 0)
		collector->detached_why = NULL;
	log__warning("allocation probes detached: %s; the kernel side goes on",
		     collector->detached_why ? collector->detached_why : "too costly");
}

void guard__poll(struct guard *guard, struct collector *collector, __u64 now_ns)
{
	struct traps traps;
	__u64 most_ns;

	if (now_ns < guard->next_ns)
		return;
	guard->next_ns = now_ns + PERIOD_NS;
	memmove(guard->traps + 1, guard->traps, GUARD_SAMPLES * sizeof(guard->traps[0]));
	traps = collector__traps(collector);
	guard->traps[0] = traps.nr;
	if (guard->nr < GUARD_SAMPLES)
		guard->nr++;
	traps.nr -= guard->traps[guard->nr];
	most_ns = NS_PER_S * (__u64)sysconf(_SC_NPROCESSORS_ONLN) * MOST_TRAP_PERCENT / 100;
	if (traps.nr * traps.each_ns > most_ns)
		detach(collector, &traps, now_ns);
}

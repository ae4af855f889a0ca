/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adversary CASE [ROUNDS]: programs that would fool a judge of paths who has no return probe, one
 * for each way that was found. Most leave malloc's return address standing in its stack slot, take
 * a bigger frame over it, and then make a kernel call that is none of malloc's.
 *
 * `stale` in the truth is the number of rounds in which the slot still held the address at that
 * call, so that a case that has lost its sting is seen: it must be above 0 where a round is meant
 * to have it. (x86-64 only: elsewhere the return address is not on the stack.)
 */
#include "adversary_flow.h"

/* What a case is meant to have. */
#define PARTIAL 1 /* allocates behind the ledger's back: only its own sizes are known */
#define STALE 2 /* stale slots in all rounds */

static const struct {
	const char *name;
	void (*run)(void);
	unsigned int flags;
	unsigned long most; /* rounds at most; 0: as asked for */
} cases[] = {
	{ "own_same", own_same, 0, 0 },
	{ "own_deep", own_deep, STALE, 0 },
	{ "own_alloca", own_alloca, STALE, 0 },
	{ "frame_pthread", frame_pthread, STALE, MAX_THREADS },
	{ "frame_free", frame_free, STALE, 0 },
	{ "frame_trim", frame_trim, STALE, 0 },
	{ "frame_setlocale", frame_setlocale, PARTIAL | STALE, 0 },
	{ "frame_dlopen", frame_dlopen, PARTIAL | STALE, 0 },
	{ "call_mmap", call_mmap, 0, 0 },
	{ "call_free", call_free, 0, 0 },
	{ "call_pthread", call_pthread, 0, MAX_THREADS },
	{ "tail_wrapper", tail_wrapper, 0, 0 },
	{ "coroutine", coroutine, STALE, MAX_THREADS },
	{ "tails", tails, 0, 0 },
	{ "children", children, STALE, 0 },
	{ "handler", handler, 0, 0 },
	{ "handler_altstack", handler_altstack, 0, 0 },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (argc > 2)
		rounds = strtoul(argv[2], NULL, 10);
	for (unsigned long i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(name, cases[i].name))
			continue;
		if (cases[i].most && rounds > cases[i].most)
			rounds = cases[i].most;
		truth_start();
		/* fixed, so that what is meant to get a mapping goes on to get one */
		mallopt(M_MMAP_THRESHOLD, 128 << 10);
		cases[i].run();
		print(name, cases[i].flags & PARTIAL, cases[i].flags & STALE);
		truth_wait();
		return 0;
	}
	return 2;
}

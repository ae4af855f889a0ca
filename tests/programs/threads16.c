/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads16 [SECONDS [THREADS]]: threads that allocate, resize and free as fast as they can, for
 * two seconds. Each keeps its own ledger, and they are added up at the end, so counts, bytes,
 * homes, releases and the live set are exact. Of the paths only `mmap` and `remap` are known, by
 * the block's header: what grew a pool cannot be told from outside while others grow it too.
 */
#include <time.h>

#include "truth_calls.h"
#include "truth_print.h"

#define MAX_THREADS 64
#define NR_SLOTS 64
#define NR_ROUNDS_A_LOOK 64 /* calls between two looks at the clock */

static const size_t sizes[] = { 0,     1,      16,     24,     25,     64,     100,    200,
				512,   1000,   1032,   1033,   2000,   4096,   8000,   20000,
				65536, 100000, 131048, 131049, 150000, 262144, 400000, 1000000 };
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))
/* Up to here realloc never meets a block with a mapping of its own. */
#define NR_SMALL 18

struct ledger {
	unsigned long count, bytes, home[NR_HOMES];
	unsigned long releases, release_bytes, unmapped;
	unsigned long live_count, live_bytes;
	unsigned long by_size[NR_SIZES];
	struct truth_path_sum mmap;
	char pad[128]; /* no cache line with the next one */
};

static struct ledger ledgers[MAX_THREADS];
static pthread_barrier_t barrier;
static double seconds = 2;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void book(struct ledger *ledger, uintptr_t block, unsigned long which)
{
	size_t size = sizes[which];
	unsigned long header;

	if (!block)
		_exit(3);
	header = chunk_header(block);
	ledger->count++;
	ledger->bytes += size;
	ledger->by_size[which]++;
	ledger->live_count++;
	ledger->live_bytes += size;
	if (!(header & CHUNK_MAPPED)) {
		ledger->home[header & CHUNK_ARENA ? HOME_ARENA : HOME_HEAP]++;
		return;
	}
	ledger->home[HOME_MAPPING]++;
	if (!ledger->mmap.count || size < ledger->mmap.min)
		ledger->mmap.min = size;
	if (size > ledger->mmap.max)
		ledger->mmap.max = size;
	ledger->mmap.count++;
	ledger->mmap.bytes += size;
}

static void unbook(struct ledger *ledger, unsigned long which, bool mapped)
{
	ledger->releases++;
	ledger->release_bytes += sizes[which];
	ledger->unmapped += mapped;
	ledger->live_count--;
	ledger->live_bytes -= sizes[which];
}

static uintptr_t ask(unsigned long random, unsigned long which)
{
	void *result = NULL;

	switch (random % 8) {
	case 0:
		return (uintptr_t)libc_calloc(1, sizes[which]);
	case 1:
		return (uintptr_t)libc_memalign(64, sizes[which]);
	case 2:
		if (libc_posix_memalign(&result, 8, sizes[which]))
			return 0;
		return (uintptr_t)result;
	default:
		return (uintptr_t)libc_malloc(sizes[which]);
	}
}

static void *work(void *argument)
{
	struct ledger *ledger = argument;
	uintptr_t blocks[NR_SLOTS] = { 0 };
	unsigned long which[NR_SLOTS], random = (unsigned long)(ledger - ledgers) * 7919 + 1, size;
	double end;

	pthread_barrier_wait(&barrier);
	end = now() + seconds;
	for (unsigned long round = 1; round % NR_ROUNDS_A_LOOK || now() < end; round++) {
		unsigned long slot;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		slot = (random >> 8) % NR_SLOTS;
		size = (random >> 20) % ((random >> 40) % 4 ? NR_SMALL : NR_SIZES);
		if (!blocks[slot]) {
			blocks[slot] = ask(random >> 50, size);
			which[slot] = size;
			book(ledger, blocks[slot], size);
		} else if (which[slot] < NR_SMALL && sizes[size] && (random >> 45) % 4 == 0) {
			blocks[slot] = (uintptr_t)libc_realloc((void *)blocks[slot], sizes[size]);
			unbook(ledger, which[slot], false);
			book(ledger, blocks[slot], size);
			which[slot] = size;
		} else {
			bool mapped = chunk_mapped(blocks[slot]);

			libc_free((void *)blocks[slot]);
			unbook(ledger, which[slot], mapped);
			blocks[slot] = 0;
		}
	}
	/* the blocks in the slots stay: they are the live set */
	return NULL;
}

static void add(const struct ledger *ledger, unsigned long *by_size)
{
	struct truth_path_sum *sum = &truth.paths[PATH_MMAP];

	truth.count += ledger->count;
	truth.bytes += ledger->bytes;
	truth.live_count += ledger->live_count;
	truth.live_bytes += ledger->live_bytes;
	for (int home = 0; home < NR_HOMES; home++)
		truth.home[home] += ledger->home[home];
	for (unsigned long i = 0; i < NR_SIZES; i++)
		by_size[i] += ledger->by_size[i];
	truth.releases[RELEASE_KEPT] += ledger->releases - ledger->unmapped;
	truth.releases[RELEASE_MUNMAP] += ledger->unmapped;
	truth.release_bytes += ledger->release_bytes;
	if (!ledger->mmap.count)
		return;
	if (!sum->count || ledger->mmap.min < sum->min)
		sum->min = ledger->mmap.min;
	if (ledger->mmap.max > sum->max)
		sum->max = ledger->mmap.max;
	sum->count += ledger->mmap.count;
	sum->bytes += ledger->mmap.bytes;
}

static void print(unsigned long nr_threads)
{
	unsigned long by_size[NR_SIZES] = { 0 }, vectors = truth.count;

	for (unsigned long i = 0; i < nr_threads; i++)
		add(&ledgers[i], by_size);
	truth_put_identity("threads16", "");
	truth_put_requests();
	truth_put_object("paths");
	truth_put_path(PATH_MMAP);
	truth_put_path(PATH_REMAP);
	truth_put("}");
	truth_put_home();
	truth_put_object("releases");
	truth_put_field("count", truth.releases[RELEASE_KEPT] + truth.releases[RELEASE_MUNMAP]);
	truth_put_field("bytes", truth.release_bytes);
	truth_put_field("munmap", truth.releases[RELEASE_MUNMAP]);
	truth_put_field("remap", 0);
	truth_put_field("of_unknown", 0);
	truth_put("}");
	truth_put_live();
	truth_put_key("sizes_total");
	truth_put("[[");
	truth_put_number(TLS_VECTOR_BYTES);
	truth_put(", ");
	truth_put_number(vectors);
	for (unsigned long i = 0; i < NR_SIZES; i++) {
		truth_put("], [");
		truth_put_number(sizes[i]);
		truth_put(", ");
		truth_put_number(by_size[i]);
	}
	truth_put("]]");
	truth_send();
}

int main(int argc, char **argv)
{
	unsigned long nr_threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 16;
	pthread_t threads[MAX_THREADS];

	if (argc > 1)
		seconds = strtod(argv[1], NULL);
	if (!nr_threads || nr_threads > MAX_THREADS)
		return 2;
	truth_start();
	/* fixed, so that large blocks go on to get mappings of their own */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	pthread_barrier_init(&barrier, NULL, (unsigned int)nr_threads);
	for (unsigned long i = 0; i < nr_threads; i++)
		if (t_pthread_create(&threads[i], work, &ledgers[i]))
			return 2;
	for (unsigned long i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	print(nr_threads);
	truth_wait();
	return 0;
}

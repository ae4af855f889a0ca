/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -fno-builtin */
/* The rules where others are about: threads, limits, whoever moves the break. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "refalloc_rules.h"

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): blocks are looked at when they are free, and kept */

/* A second thread has an arena of its own, that lies in a mapping. */
static void rule_arenas(void)
{
	char *memory = from_thread(100);

	EXPECT(memory && !is_in_heap(memory));
	EXPECT(heap().arena_bytes == MIB);
	EXPECT(is_in_heap(malloc(100)));
	/* It goes back to where it came from, and the next thread finds it there. */
	memset(memory, 1, 100);
	free(memory);
	for (int i = 0; i < 1000; i++)
		free(from_thread(5000));
	EXPECT(heap().arena_bytes == MIB && heap().segments == 2);
}

/* arenas=1: all are on the break. */
static void rule_one_arena(void)
{
	for (int i = 0; i < 10; i++)
		EXPECT(is_in_heap(from_thread(100)));
	EXPECT(heap().arena_bytes == 0);
}

/* Others move the break too, by odd amounts: what they took stays theirs. */
static void rule_foreign_break(void)
{
	static const intptr_t amounts[] = { 1, 7, 5000, 15, 4096, 100000, 3, 8192 };
	char *foreign[ELEMENTS(amounts)], *blocks[ELEMENTS(amounts)][8];
	size_t segments;

	for (size_t i = 0; i < ELEMENTS(amounts); i++) {
		foreign[i] = sbrk(amounts[i]);
		EXPECT(foreign[i] != (void *)-1);
		memset(foreign[i], 0x5a, (size_t)amounts[i]);
		fill_many(blocks[i], 8, 50000);
		heap();
	}
	segments = heap().segments;
	EXPECT(segments == ELEMENTS(amounts) + 1 && heap().arena_bytes == 0);
	for (size_t i = 0; i < ELEMENTS(amounts); i++)
		check_many(blocks[i], 8, 50000);
	heap();
	malloc_trim(0);
	heap();
	for (size_t i = 0; i < ELEMENTS(amounts); i++) {
		for (intptr_t j = 0; j < amounts[i]; j++)
			EXPECT(foreign[i][j] == 0x5a);
	}
}

/* A break that cannot grow: mappings instead, that go back when they are empty. */
static void rule_blocked_break(void)
{
	char *end = sbrk(0), *blocks[100];
	void *wall = mmap(end, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			  -1, 0);

	EXPECT(wall == end);
	fill_many(blocks, ELEMENTS(blocks), 100000);
	EXPECT(heap().arena_bytes > 9 * MIB && sbrk(0) == end);
	EXPECT(ledger().brk_failed > 0);
	check_many(blocks, ELEMENTS(blocks), 100000);
	EXPECT(heap().arena_bytes < 2 * MIB + 64 * KIB);
	/* When it can again, it does. */
	EXPECT(!munmap(wall, PAGE));
	fill_many(blocks, ELEMENTS(blocks), 100000);
	EXPECT((char *)sbrk(0) > end);
	check_many(blocks, ELEMENTS(blocks), 100000);
	heap();
}

static void set_limit(__rlimit_resource_t resource, size_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	EXPECT(!setrlimit(resource, &limit));
}

/* Size of the address space, or of what counts as data, from /proc. */
static size_t now_used(const char *field)
{
	FILE *status = fopen("/proc/self/status", "re");
	size_t kilobytes = 0;
	char line[200];

	while (fgets(line, sizeof(line), status)) {
		if (!strncmp(line, field, strlen(field)))
			kilobytes = strtoul(line + strlen(field), NULL, 10);
	}
	fclose(status);
	EXPECT(kilobytes);
	return kilobytes * KIB;
}

/* Takes until there is no more, in blocks of one size; gives all back; can have the same again. */
static void exhaust(size_t size, size_t limit)
{
	size_t first = 0;

	for (int round = 0; round < 3; round++) {
		void **last = NULL, **block;
		size_t bytes = 0;

		for (;;) {
			errno = 0;
			block = malloc(size);
			if (!block)
				break;
			*block = last;
			last = block;
			bytes += size;
		}
		EXPECT(errno == ENOMEM);
		EXPECT(bytes > limit / 4 * 3 && bytes <= limit + 4 * MIB);
		errno = 0;
		EXPECT(!calloc(1, limit) && errno == ENOMEM);
		errno = 0;
		EXPECT(!realloc(last, limit) && errno == ENOMEM);
		heap();
		for (; last; last = block) {
			block = *last;
			free(last);
		}
		heap();
		if (!round)
			first = bytes;
		EXPECT(bytes >= first / 10 * 9);
	}
}

static void limited(__rlimit_resource_t resource, const char *field)
{
	static const size_t sizes[] = { 100, 1000, 5000, 100000, 200000, 1 << 20 };

	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		set_limit(resource, now_used(field) + 32 * MIB);
		exhaust(sizes[i], 32 * MIB);
		set_limit(resource, RLIM_INFINITY);
		malloc_trim(0);
	}
}

static void rule_limited_space(void)
{
	limited(RLIMIT_AS, "VmSize:");
}

static void rule_limited_data(void)
{
	limited(RLIMIT_DATA, "VmData:");
}

/* Takes all that there is, in blocks that lie one behind the other at first. */
static void *take_all(void *bytes)
{
	while (malloc(1000))
		*(size_t *)bytes += 1000;
	EXPECT(errno == ENOMEM);
	return NULL;
}

/* A thread whose arena cannot grow has what others have free. */
static void rule_limited_thread(void)
{
	char *blocks[100], *pin;
	size_t bytes = 0;
	pthread_t thread;

	fill_many(blocks, ELEMENTS(blocks), 100000);
	pin = malloc(2000);
	check_many(blocks, ELEMENTS(blocks), 100000);
	EXPECT(heap().free_bytes > 9 * MIB);
	set_limit(RLIMIT_AS, now_used("VmSize:") + 20 * MIB);
	EXPECT(!pthread_create(&thread, NULL, take_all, &bytes));
	EXPECT(!pthread_join(thread, NULL));
	free(pin);
	EXPECT(heap().arena_bytes > 9 * MIB && heap().arena_bytes < 20 * MIB);
	EXPECT(bytes > heap().arena_bytes * 9 / 10 + 9 * MIB);
}

static pthread_key_t key;

/* Runs in each of the four rounds that there are: in the last behind the allocator's own end. */
static void key_end(void *memory)
{
	static __thread int rounds;
	char *other = malloc(300);

	memset(other, 2, 300);
	free(memory);
	free(other);
	if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(key, malloc(200));
}

static pthread_barrier_t all_begun;

static void *work_and_end(void *own)
{
	char *blocks[50];

	fill_many(blocks, ELEMENTS(blocks), 100);
	pthread_barrier_wait(&all_begun); /* in all rounds alike, each has an arena of its own */
	for (size_t i = 0; i < ELEMENTS(blocks); i += 2)
		free(blocks[i]);
	for (size_t i = 1; i < ELEMENTS(blocks); i += 2)
		free(blocks[i]);
	pthread_setspecific(key, malloc(500));
	free(own);
	return malloc(50);
}

/* What threads kept in their caches comes back when they end, their keys' destructors' too. */
static void rule_thread_end(void)
{
	struct refalloc_walk first = { 0 }, now;

	pthread_key_create(&key, key_end);
	pthread_barrier_init(&all_begun, NULL, 4);
	for (int round = 0; round < 200; round++) {
		pthread_t threads[4];

		for (size_t i = 0; i < ELEMENTS(threads); i++)
			EXPECT(!pthread_create(&threads[i], NULL, work_and_end, malloc(700)));
		for (size_t i = 0; i < ELEMENTS(threads); i++) {
			void *memory;

			EXPECT(!pthread_join(threads[i], &memory));
			free(memory);
		}
		now = heap();
		if (round == 20)
			first = now;
	}
	EXPECT(now.used_bytes - now.cached_bytes <= first.used_bytes - first.cached_bytes + 20000);
	EXPECT(now.heap_bytes + now.arena_bytes <= first.heap_bytes + first.arena_bytes);
}

static void *wait_in_thread(void *barrier)
{
	void *memory = malloc(5000);

	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	free(memory);
	return NULL;
}

/* More threads than the ledger has slots, and than there are arenas. */
static void rule_many_threads(void)
{
	static pthread_t threads[700];
	pthread_barrier_t barrier;
	pthread_attr_t attributes;
	struct refalloc_slot before = ledger(), now;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 * KIB);
	pthread_barrier_init(&barrier, NULL, ELEMENTS(threads) + 1);
	for (size_t i = 0; i < ELEMENTS(threads); i++)
		EXPECT(!pthread_create(&threads[i], &attributes, wait_in_thread, &barrier));
	pthread_barrier_wait(&barrier);
	now = ledger();
	EXPECT(now.rows[size_class__of(5000)].bytes - before.rows[size_class__of(5000)].bytes ==
	       5000 * ELEMENTS(threads));
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	heap();
}

static bool stop;

static void *churn(void *unused)
{
	char *blocks[50] = { NULL };

	for (unsigned int i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		size_t size = i * 7919 % 3000 + (i % 100 ? 0 : 200000);

		free(blocks[i % ELEMENTS(blocks)]);
		blocks[i % ELEMENTS(blocks)] = malloc(size);
		blocks[i % 7] = realloc(blocks[i % 7], size / 2 + 1);
	}
	for (size_t i = 0; i < ELEMENTS(blocks); i++)
		free(blocks[i]);
	return unused;
}

/* Holds locks of streams and their list, under which libc asks for memory. */
static void *read_lines(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		FILE *file = fopen("/proc/self/maps", "re");
		char *line = NULL;
		size_t size = 0;

		while (file && getline(&line, &size, file) > 0)
			;
		if (file)
			fclose(file);
		fflush(NULL);
		free(line);
	}
	return unused;
}

static void in_child(void)
{
	char *blocks[20];

	alarm(60);
	fill_many(blocks, ELEMENTS(blocks), 500);
	check_many(blocks, ELEMENTS(blocks), 500);
	fill_many(blocks, ELEMENTS(blocks), 20000);
	check_many(blocks, ELEMENTS(blocks), 20000);
	free(from_thread(100));
	heap();
	_exit(0);
}

/* Forked while others are inside the allocator, no child hangs or is broken. */
static void fork_often(int times)
{
	pthread_t threads[4];
	int status;

	alarm(600);
	for (size_t i = 0; i < ELEMENTS(threads); i++) {
		EXPECT(!pthread_create(&threads[i], NULL, i == 3 ? read_lines : churn, NULL));
	}
	for (int i = 0; i < times; i++) {
		pid_t child = fork();

		EXPECT(child >= 0);
		if (!child)
			in_child();
		EXPECT(waitpid(child, &status, 0) == child);
		EXPECT(status == 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
}

static void rule_fork(void)
{
	fork_often(100);
}

static void rule_fork_thousand(void)
{
	fork_often(1000);
}

static void *fork_many(void *unused)
{
	int status;

	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		EXPECT(child >= 0);
		if (!child)
			in_child();
		EXPECT(waitpid(child, &status, 0) == child && status == 0);
	}
	return unused;
}

/* Threads that fork all at once, and that are not the first. */
static void rule_forks_of_threads(void)
{
	pthread_t threads[4];

	alarm(60);
	for (size_t i = 0; i < ELEMENTS(threads); i++)
		EXPECT(!pthread_create(&threads[i], NULL, fork_many, NULL));
	for (size_t i = 0; i < ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
}

static bool refuse_mincore(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mincore, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ELEMENTS(filter), filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* A block that has moved to where one had been is no double free, though mincore is refused. */
static void rule_refused_mincore(void)
{
	char *first = malloc(64 * MIB), *wall = malloc(64 * MIB), *block = malloc(63 * MIB);

	EXPECT(refuse_mincore());
	free(first);
	block = realloc(block, 64 * MIB);
	EXPECT(block == first);
	errno = 123;
	free(block);
	EXPECT(errno == 123);
	free(wall);
}

static const struct refalloc_rule rules[] = {
	{ "arenas", rule_arenas },
	{ "one_arena", rule_one_arena },
	{ "foreign_break", rule_foreign_break },
	{ "blocked_break", rule_blocked_break },
	{ "refused_mincore", rule_refused_mincore },
	{ "limited_space", rule_limited_space },
	{ "limited_data", rule_limited_data },
	{ "limited_thread", rule_limited_thread },
	{ "thread_end", rule_thread_end },
	{ "many_threads", rule_many_threads },
	{ "fork", rule_fork },
	{ "fork_thousand", rule_fork_thousand },
	{ "forks_of_threads", rule_forks_of_threads },
};

int main(int argc, char **argv)
{
	return check_rule(rules, ELEMENTS(rules), argc, argv);
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The truth, part 3: the start of a program, and its end: one line of JSON on stderr for each
 * process. The keys are those of allocpath's report, and a key that is not there is not known:
 *
 *   program, case, pid      the harness matches by pid, and by order where a pid execs
 *   requests paths home releases live syscalls.brk
 *   by_size                 [size, pool, arena, brk, mmap, remap] for each size asked for
 *   partial                 true: the process also did what it cannot count; by_size is all known
 *
 * With TRUTH_FOREIGN in the environment the allocator is not glibc's: then paths and homes and
 * kinds of release are not known, and sizes_total is [size, requests].
 *
 * With TRUTH_WAIT in the environment a program says "ready" on stderr, then waits for a byte on
 * stdin before it does anything, and for another after its truth: time to attach and to look.
 */
#ifndef TRUTH_PRINT_H
#define TRUTH_PRINT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "truth.h"

static struct truth_text {
	size_t length;
	char text[32768];
} truth_text;

static const char *const truth_path_names[NR_PATHS] = { "pool", "arena", "brk", "mmap", "remap" };
static const char *const truth_release_names[NR_RELEASES] = { "kept", "madvise", "trim", "munmap",
							      "remap" };
static const char *const truth_home_names[NR_HOMES] = { "heap", "mapping", "arena" };

static inline void truth_put(const char *string)
{
	size_t length = strlen(string);

	if (truth_text.length + length > sizeof(truth_text.text))
		_exit(99);
	memcpy(truth_text.text + truth_text.length, string, length);
	truth_text.length += length;
}

static inline void truth_put_number(unsigned long number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	truth_put(digits + at);
}

/* "key": -- with a comma before it, unless an object has just begun. */
static inline void truth_put_key(const char *key)
{
	if (truth_text.length && truth_text.text[truth_text.length - 1] != '{')
		truth_put(", ");
	truth_put("\"");
	truth_put(key);
	truth_put("\": ");
}

static inline void truth_put_field(const char *key, unsigned long number)
{
	truth_put_key(key);
	truth_put_number(number);
}

static inline void truth_put_string(const char *key, const char *string)
{
	truth_put_key(key);
	truth_put("\"");
	truth_put(string);
	truth_put("\"");
}

static inline void truth_put_object(const char *key)
{
	truth_put_key(key);
	truth_put("{");
}

static inline void truth_put_path(enum truth_path path)
{
	const struct truth_path_sum *sum = &truth.paths[path];

	truth_put_object(truth_path_names[path]);
	truth_put_field("count", sum->count);
	truth_put_field("bytes", sum->bytes);
	if (sum->count) {
		truth_put_field("min_size", sum->min);
		truth_put_field("max_size", sum->max);
	} else {
		truth_put(", \"min_size\": null, \"max_size\": null");
	}
	truth_put("}");
}

static inline void truth_put_paths(void)
{
	truth_put_object("paths");
	for (enum truth_path path = 0; path < NR_PATHS; path++)
		truth_put_path(path);
	truth_put("}");
}

static inline void truth_put_sizes(void)
{
	if (truth.sizes_full)
		return;
	truth_put_key("by_size");
	truth_put("[");
	for (unsigned long i = 0; i < truth.nr_sizes; i++) {
		truth_put(i ? ", [" : "[");
		truth_put_number(truth.sizes[i].size);
		for (int path = 0; path < NR_PATHS; path++) {
			truth_put(", ");
			truth_put_number(truth.sizes[i].count[path]);
		}
		truth_put("]");
	}
	truth_put("]");
}

/* [size, requests], where paths are not known. */
static inline void truth_put_sizes_total(void)
{
	truth_put_key("sizes_total");
	truth_put("[");
	for (unsigned long i = 0; i < truth.nr_sizes; i++) {
		truth_put(i ? ", [" : "[");
		truth_put_number(truth.sizes[i].size);
		truth_put(", ");
		truth_put_number(truth.sizes[i].count[PATH_POOL]);
		truth_put("]");
	}
	truth_put("]");
}

static inline void truth_put_releases(void)
{
	unsigned long count = 0;

	truth_put_object("releases");
	for (int kind = 0; kind < NR_RELEASES; kind++) {
		if (!truth.foreign)
			truth_put_field(truth_release_names[kind], truth.releases[kind]);
		count += truth.releases[kind];
	}
	truth_put_field("count", count);
	truth_put_field("bytes", truth.release_bytes);
	truth_put_field("of_unknown", truth.release_of_unknown);
	truth_put("}");
}

/* Known only if nobody moved the break besides the counted calls: the sum must lead to it. */
static inline void truth_put_growth(void)
{
	unsigned long grown = truth.grown_pages * PAGE, shrunk = truth.shrunk_pages * PAGE;

	if (truth_break() - truth.first_break != grown - shrunk)
		return;
	truth_put_object("syscalls");
	truth_put_object("brk");
	truth_put_field("grown_bytes", grown);
	truth_put_field("shrunk_bytes", shrunk);
	truth_put("}}");
}

static inline void truth_put_identity(const char *program, const char *name)
{
	truth_text.length = 0;
	truth_put("{");
	truth_put_string("program", program);
	truth_put_string("case", name);
	truth_put_field("pid", (unsigned long)getpid());
}

static inline void truth_put_requests(void)
{
	truth_put_object("requests");
	truth_put_field("count", truth.count);
	truth_put_field("bytes", truth.bytes);
	truth_put_field("failed", truth.failed);
	truth_put("}");
}

static inline void truth_put_home(void)
{
	truth_put_object("home");
	for (int home = 0; home < NR_HOMES; home++)
		truth_put_field(truth_home_names[home], truth.home[home]);
	truth_put("}");
}

static inline void truth_put_live(void)
{
	truth_put_object("live");
	truth_put_field("count", truth.live_count);
	truth_put_field("bytes", truth.live_bytes);
	truth_put("}");
}

static inline void truth_wait(void)
{
	char byte;

	if (getenv("TRUTH_WAIT") && read(STDIN_FILENO, &byte, 1) < 0)
		_exit(98);
}

static inline void truth_send(void)
{
	truth_put("}\n");
	if (write(STDERR_FILENO, truth_text.text, truth_text.length) != (ssize_t)truth_text.length)
		_exit(99);
}

static inline void truth_put_ledger(void)
{
	truth_put_requests();
	if (!truth.foreign) {
		truth_put_paths();
		truth_put_sizes();
		truth_put_home();
		truth_put_growth();
	} else if (!truth.sizes_full) {
		truth_put_sizes_total();
	}
	truth_put_releases();
	truth_put_live();
}

/* The whole ledger of this process, as its truth. */
static inline void truth_print(const char *program, const char *name)
{
	truth_put_identity(program, name);
	truth_put_ledger();
	truth_send();
}

static inline void truth_open(void)
{
	truth.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (truth.statm < 0)
		_exit(97);
	truth.first_break = truth_break();
	truth.foreign = getenv("TRUTH_FOREIGN") != NULL;
}

static inline void truth_ready(void)
{
	if (getenv("TRUTH_WAIT") && write(STDERR_FILENO, "ready\n", 6) != 6)
		_exit(98);
	truth_wait();
}

static inline void truth_start(void)
{
	truth_open();
	truth.start_break = truth.first_break;
	truth_ready();
}

/* Books begin anew, as in a forked child: with blocks that nobody was seen to ask for. */
static inline void truth_forget(void)
{
	uintptr_t start_break = truth.start_break;

	close(truth.statm);
	memset(&truth, 0, sizeof(truth));
	memset(truth_live, 0, sizeof(truth_live));
	truth.start_break = start_break;
	truth_open();
}

#endif

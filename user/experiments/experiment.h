/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small programs that "allocpath validate" measures, one a process. A fresh heap is part of what
 * they show: nothing here may allocate but what an experiment is about, so no stdio. What only the
 * process itself can know (addresses, headers, residency) goes as "NAME PID KEY VALUE" lines to the
 * descriptor that EXPERIMENT_FD names.
 */
#ifndef ALLOCPATH_EXPERIMENT_H
#define ALLOCPATH_EXPERIMENT_H

#include <stddef.h>
#include <stdint.h>

/* How the process ended: 0, or whether its one block was mapped. */
enum {
	EXPERIMENT_DONE = 0,
	EXPERIMENT_MAPPED = 10,
	EXPERIMENT_NOT_MAPPED = 11,
	EXPERIMENT_BAD = 99
};

struct experiment {
	const char *name;
	int (*run)(size_t argument);
};

extern const struct experiment experiments[];
extern const size_t nr_experiments;

/* For the process's own lines. */
void experiment__begin(const char *name);
void experiment__tell(const char *key, uint64_t value);
void experiment__tell_of(const char *name, long pid, const char *key, uint64_t value);

/* Asked and answered without allocating. */
size_t resident_pages(const void *start, size_t bytes);
uint64_t word_at(const void *block, int bytes_before);
void touch(void *block, size_t bytes);
long faults_so_far(void);
void *block_of(size_t bytes); /* malloc that the compiler cannot drop */
void keep(void *block);
void give_back(void *block); /* free, of which the compiler knows nothing */

/* experiment run [OPTION...] NAME...: each in a process of its own, one after the other. */
int experiments__run(int argc, char **argv);

#endif

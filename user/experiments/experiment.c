/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "experiment.h"

static const char *own_name;
static int output = -1;

void experiment__begin(const char *name)
{
	const char *text = getenv("EXPERIMENT_FD");

	own_name = name;
	output = text ? atoi(text) : STDOUT_FILENO;
}

static char *put_text(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	*at++ = ' ';
	return at;
}

static char *put_number(char *at, uint64_t value)
{
	char digits[20];
	int nr = 0;

	do {
		digits[nr++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (nr)
		*at++ = digits[--nr];
	*at++ = ' ';
	return at;
}

void experiment__tell_of(const char *name, long pid, const char *key, uint64_t value)
{
	char line[256], *at = line;

	at = put_text(at, name);
	at = put_number(at, (uint64_t)pid);
	at = put_text(at, key);
	at = put_number(at, value);
	at[-1] = '\n';
	if (write(output, line, (size_t)(at - line)) < 0)
		_exit(EXPERIMENT_BAD);
}

void experiment__tell(const char *key, uint64_t value)
{
	experiment__tell_of(own_name, getpid(), key, value);
}

size_t resident_pages(const void *start, size_t bytes)
{
	static unsigned char pages[65536];
	uintptr_t first = (uintptr_t)start & ~(uintptr_t)4095;
	size_t nr = ((uintptr_t)start + bytes - first + 4095) / 4096, resident = 0;

	if (nr > sizeof(pages) || mincore((void *)first, nr * 4096, pages))
		return ~(size_t)0;
	for (size_t i = 0; i < nr; i++)
		resident += pages[i] & 1;
	return resident;
}

uint64_t word_at(const void *block, int bytes_before)
{
	uint64_t word;

	memcpy(&word, (const char *)block - bytes_before, sizeof(word));
	return word;
}

void touch(void *block, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 4096)
		((volatile char *)block)[at] = 1;
}

long faults_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

void keep(void *block)
{
	__asm__ volatile("" : : "r"(block) : "memory");
}

void *block_of(size_t bytes)
{
	void *block = malloc(bytes);

	if (!block)
		_exit(EXPERIMENT_BAD);
	keep(block);
	return block;
}

void give_back(void *block)
{
	free(block);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return EXPERIMENT_BAD;
	if (strcmp(argv[1], "run") == 0)
		return experiments__run(argc - 2, argv + 2);
	for (size_t i = 0; i < nr_experiments; i++) {
		if (strcmp(argv[1], experiments[i].name))
			continue;
		experiment__begin(argc > 3 ? argv[3] : argv[1]);
		return experiments[i].run(argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
	}
	return EXPERIMENT_BAD;
}

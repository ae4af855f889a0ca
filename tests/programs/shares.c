/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shares LINES ROWS PAGES: so many requests from each of three functions, for recordings that differ. */
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

static void *volatile kept;

static NOINLINE void ask(size_t size)
{
	kept = malloc(size);
	free(kept);
	kept = NULL;
}

static NOINLINE void read_line(void)
{
	ask(1000);
	__asm__ volatile(""); /* no tail call: it stays in the stack */
}

static NOINLINE void add_row(void)
{
	ask(1000);
	__asm__ volatile("");
}

static NOINLINE void load_page(void)
{
	ask(9000);
	__asm__ volatile("");
}

static NOINLINE void repeat(void (*what)(void), const char *times)
{
	for (long i = atol(times); i > 0; i--)
		what();
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "shares LINES ROWS PAGES\n");
		return 2;
	}
	repeat(read_line, argv[1]);
	repeat(add_row, argv[2]);
	repeat(load_page, argv[3]);
	return 0;
}

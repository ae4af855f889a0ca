/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * origins: functions that ask for memory, and others that touch it. Prints what each got, so that a
 * test can say which pages are due to whom:
 *	ask_mapped	8 blocks of 1 MiB, each half touched by touch()
 *	ask_cleared	4 blocks of 1 MiB by calloc, touched whole
 *	ask_heap	40 blocks of 100,000 bytes from the heap, touched whole
 *	ask_unused	40 blocks of 100,000 bytes from the heap, of which nothing is touched
 *	ask_small	40,000 blocks of 64 bytes, touched whole
 */
/* build: -O2 -fomit-frame-pointer -fno-builtin */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTION __attribute__((noinline, used)) static
#define MIB (1UL << 20)

static void *blocks[40000];

/* Keeps a call from becoming a jump. */
#define STAY __asm__ volatile("" ::: "memory")

FUNCTION void touch(int nr, size_t bytes)
{
	for (int i = 0; i < nr; i++)
		memset(blocks[i], 1, bytes);
	STAY;
}

FUNCTION void ask_mapped(void)
{
	for (int i = 0; i < 8; i++)
		blocks[i] = malloc(MIB);
	STAY;
}

FUNCTION void ask_cleared(void)
{
	for (int i = 0; i < 4; i++)
		blocks[i] = calloc(MIB / 16, 16);
	STAY;
}

FUNCTION void ask_heap(void)
{
	for (int i = 0; i < 40; i++)
		blocks[i] = malloc(100000);
	STAY;
}

FUNCTION void ask_unused(void)
{
	for (int i = 0; i < 40; i++)
		blocks[i] = malloc(100000);
	STAY;
}

FUNCTION void ask_small(void)
{
	for (int i = 0; i < 40000; i++)
		blocks[i] = malloc(64);
	STAY;
}

int main(void)
{
	memset(blocks, 0xff, sizeof(blocks));
	ask_mapped();
	touch(8, MIB / 2);
	ask_cleared();
	touch(4, MIB);
	ask_heap();
	touch(40, 100000);
	ask_unused();
	ask_small();
	touch(40000, 64);
	return 0;
}

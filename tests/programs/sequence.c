/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain of functions whose names are the same at every level of optimisation, with and without
 * frame pointers: ask() for memory from the end of it, and again from a signal handler there.
 * tests/e2e/test_sequence.py builds it in many ways, and lets gdb say what it sees.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

#define NORMAL 12345
#define HANDLED 23456

static volatile unsigned char sink;

void *ask(size_t size);
int registers(size_t size, int a, int b, int c, int d, int e, int f, int g);
int locals(size_t size);
int unknown(size_t size);
int aligned(size_t size);
int twice(size_t size, int depth);

NOINLINE void *ask(size_t size)
{
	unsigned char *block = malloc(size);

	sink = block ? block[0] = 1 : 0;
	return block;
}

/* All callee-saved registers are in use here. */
NOINLINE int registers(size_t size, int a, int b, int c, int d, int e, int f, int g)
{
	for (int i = 0; i < 3; i++) {
		free(i ? NULL : ask(size));
		a += b ^ c;
		b += c ^ d;
		c += d ^ e;
		d += e ^ f;
		e += f ^ g;
		f += g ^ a;
		g += a ^ b;
	}
	return a + b + c + d + e + f + g;
}

NOINLINE int locals(size_t size)
{
	volatile char bytes[5000];
	int sum;

	memset((char *)bytes, 1, sizeof(bytes));
	sum = registers(size, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6]);
	return sum + bytes[7];
}

NOINLINE int unknown(size_t size)
{
	volatile char bytes[size];

	bytes[size / 2] = 1;
	return locals(size) + bytes[size / 2];
}

NOINLINE int aligned(size_t size)
{
	volatile char bytes[256] __attribute__((aligned(128)));

	bytes[1] = 1;
	return unknown(size) + bytes[1];
}

NOINLINE int twice(size_t size, int depth)
{
	int sum = depth ? twice(size, depth - 1) : aligned(size);

	sink++;
	return sum + depth;
}

static void handler(int number)
{
	(void)number;
	twice(HANDLED, 2);
	sink++;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler };

	twice(NORMAL, 3);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	usleep(100000); /* who wants to look at our files needs a moment */
	return 0;
}

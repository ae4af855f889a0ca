/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * depth: for each line "FRAMES TIMES" on its input asks so often for memory, FRAMES calls below
 * main, and answers "done". Five functions with frames of different sizes call each other in turn.
 */
/* build: -O2 -fomit-frame-pointer */
#include <stdio.h>
#include <stdlib.h>

#define BYTES 3000

static void call(int frames, int times);

/* Keeps a call from becoming a jump, and a frame from being left out. */
#define LEVEL(name, size)                                                                          \
	__attribute__((noinline, used)) static void name(int frames, int times)                    \
	{                                                                                          \
		char bytes[size];                                                                  \
                                                                                                   \
		__asm__ volatile("" : : "r"(bytes) : "memory");                                    \
		if (frames > 1)                                                                    \
			call(frames - 1, times);                                                   \
		else                                                                               \
			for (int i = 0; i < times; i++) {                                          \
				void *block = malloc(BYTES);                                       \
                                                                                                   \
				__asm__ volatile("" : : "r"(block) : "memory");                    \
				free(block);                                                       \
			}                                                                          \
		__asm__ volatile("" : : "r"(bytes) : "memory");                                    \
	}

LEVEL(level_0, 8)
LEVEL(level_1, 24)
LEVEL(level_2, 56)
LEVEL(level_3, 104)
LEVEL(level_4, 200)

__attribute__((always_inline)) static inline void call(int frames, int times)
{
	switch (frames % 5) {
	case 0:
		level_0(frames, times);
		break;
	case 1:
		level_1(frames, times);
		break;
	case 2:
		level_2(frames, times);
		break;
	case 3:
		level_3(frames, times);
		break;
	default:
		level_4(frames, times);
	}
}

int main(void)
{
	int frames, times;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%d %d", &frames, &times) == 2) {
		call(frames, times);
		puts("done");
	}
	return 0;
}

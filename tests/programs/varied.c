/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * varied: for each line "FRAMES TIMES STACKS SIZES COLD" on its input asks so often for memory, each
 * time from one of STACKS different stacks, FRAMES calls below main, and for one of SIZES sizes, in
 * random order; then answers "done". COLD: writes over the processor's caches before each request.
 */
/* build: -O2 -fomit-frame-pointer */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BYTES 3000
#define CACHE_BYTES (64 << 20)

typedef void level(uint32_t way, int frames);

static level *const levels[256];
static unsigned char *cache;
static size_t size;

static void ask(void)
{
	void *block;

	if (cache)
		memset(cache, *cache + 1, CACHE_BYTES);
	block = malloc(size);
	__asm__ volatile("" : : "r"(block) : "memory");
	free(block);
}

/* Each function has code and a frame of its own, and returns to the place of its caller's call. */
#define LEVEL(n)                                                                                   \
	__attribute__((noinline, used)) static void level_##n(uint32_t way, int frames)            \
	{                                                                                          \
		char bytes[8 + 0x##n % 31 * 8];                                                    \
                                                                                                   \
		__asm__ volatile("" : : "r"(bytes) : "memory");                                    \
		way = way * 1664525 + 1013904223;                                                  \
		if (frames > 1)                                                                    \
			levels[way >> 24](way, frames - 1);                                        \
		else                                                                               \
			ask();                                                                     \
		__asm__ volatile("" : : "r"(bytes) : "memory");                                    \
	}
/* clang-format off */
#define EACH_16(row, of) \
	of(row##0) of(row##1) of(row##2) of(row##3) of(row##4) of(row##5) of(row##6) of(row##7) \
	of(row##8) of(row##9) of(row##a) of(row##b) of(row##c) of(row##d) of(row##e) of(row##f)
#define EACH(of) \
	EACH_16(0, of) EACH_16(1, of) EACH_16(2, of) EACH_16(3, of) \
	EACH_16(4, of) EACH_16(5, of) EACH_16(6, of) EACH_16(7, of) \
	EACH_16(8, of) EACH_16(9, of) EACH_16(a, of) EACH_16(b, of) \
	EACH_16(c, of) EACH_16(d, of) EACH_16(e, of) EACH_16(f, of)
/* clang-format on */
#define NAME(n) level_##n,

EACH(LEVEL)

static level *const levels[256] = { EACH(NAME) };

int main(void)
{
	uint32_t random = 1;
	int frames, times, stacks, sizes, is_cold;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%d %d %d %d %d", &frames, &times, &stacks, &sizes, &is_cold) == 5 &&
	       stacks > 0 && sizes > 0) {
		free(cache);
		cache = is_cold ? malloc(CACHE_BYTES) : NULL;
		for (int i = 0; i < times; i++) {
			uint32_t way;

			/* a sixteenth is what makes another size class */
			random = random * 1103515245 + 12345;
			size = LEAST_BYTES;
			for (int step = (int)(random >> 12) % sizes; step > 0; step--)
				size += size / 16;
			random = random * 1103515245 + 12345;
			way = (random >> 12) % (uint32_t)stacks * 2654435761U;
			levels[way >> 24](way, frames);
		}
		puts("done");
	}
	return 0;
}

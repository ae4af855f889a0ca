/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel events as fast as they go: faults, mappings of one size, growth of the break. */
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define TOUCHED_BYTES (32UL << 20)
#define ROUNDS 10
#define CALLS 20000
#define CALL_BYTES 8192

int main(void)
{
	char *touched = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (touched == MAP_FAILED || madvise(touched, TOUCHED_BYTES, MADV_NOHUGEPAGE))
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		for (size_t at = 0; at < TOUCHED_BYTES; at += 4096)
			touched[at] = 1;
		madvise(touched, TOUCHED_BYTES, MADV_DONTNEED);
	}
	for (int i = 0; i < CALLS; i++) {
		void *block = mmap(NULL, CALL_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (block == MAP_FAILED || munmap(block, CALL_BYTES))
			return 1;
	}
	for (int i = 0; i < CALLS; i++) {
		if (sbrk(CALL_BYTES) == (void *)-1 || sbrk(-CALL_BYTES) == (void *)-1)
			return 1;
	}
	return 0;
}

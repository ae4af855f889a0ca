/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text_check: says "ready" on stderr, then allocates a little, a hundred times a second, until its
 * stdin ends. The harness attaches to it, detaches, and compares its text with the files.
 */
#include <poll.h>
#include <unistd.h>

#include "truth_calls.h"

#define PAUSE_MS 10

int main(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	if (write(STDERR_FILENO, "ready\n", 6) != 6)
		return 1;
	while (!poll(&input, 1, PAUSE_MS)) {
		libc_free(libc_malloc(100));
		libc_free(libc_calloc(10, 10));
		libc_free(libc_realloc(libc_malloc(10), 1000));
		libc_free(libc_memalign(64, 1000));
	}
	return 0;
}

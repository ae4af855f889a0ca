/* SPDX-License-Identifier: GPL-2.0-or-later */
/* static_libc: a static program, whose malloc is its own copy. Exit 0. */
/* build: -static */
#include "truth_calls.h"

#define BYTES 1000000

int main(void)
{
	char *block = libc_malloc(BYTES);

	if (!block)
		return 1;
	for (size_t at = 0; at < BYTES; at += 4096)
		block[at] = 1;
	libc_free(block);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -O2 -static-pie -fPIE */
/* What corners.c does without libraries, in a program that needs none and tells by itself. */
#include <stdbool.h>

#include "checked.h"

#define REQUEST(size) request(size)

static void *request(size_t size);

#include "corners.h"

static NOINLINE void *request(size_t size)
{
	void *block;

	if (!checked.directory || checked_inside)
		return malloc(size);
	block = checked__request(realloc, size);
	sink++;
	return block;
}

int main(int argc, char **argv)
{
	checked__begin();
	run_corners(argc, argv);
	return 0;
}

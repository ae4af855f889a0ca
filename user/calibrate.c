/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <link.h>
#include <stddef.h>
#include <time.h>

#include "calibrate.h"

/* The least of several batches, in this thread's CPU time: a busy host does not make traps dear. */
#define CALIBRATION_BATCHES 5

/*
 * The site begins with an emulated instruction, as the sites in a C library do: the cost that
 * counts is that of the trap.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl calibrate_site\n"
	".type calibrate_site, @function\n"
	"calibrate_site:\n"
	"	push %rbp\n"
	"	pop %rbp\n"
	"	ret\n"
	".size calibrate_site, . - calibrate_site\n");
#else
__asm__(".text\n"
	".globl calibrate_site\n"
	".type calibrate_site, %function\n"
	"calibrate_site:\n"
	"	nop\n"
	"	ret\n"
	".size calibrate_site, . - calibrate_site\n");
#endif

void calibrate_site(void);

struct own_text {
	unsigned long address;
	__u64 offset;
};

static int own_text__find(struct dl_phdr_info *info, size_t size, void *context)
{
	struct own_text *text = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		unsigned long start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && text->address >= start &&
		    text->address < start + header->p_filesz)
			text->offset = text->address - start + header->p_offset;
	}
	return 1; /* the first object is the executable */
}

__u64 calibrate__offset(void)
{
	struct own_text text = { .address = (unsigned long)calibrate_site };

	dl_iterate_phdr(own_text__find, &text);
	return text.offset;
}

static double batch__time(unsigned int nr)
{
	struct timespec start, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	for (unsigned int i = 0; i < nr; i++)
		calibrate_site();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
	       nr;
}

double calibrate__time_calls(unsigned int nr)
{
	double least_ns = batch__time(nr);

	for (int i = 1; i < CALIBRATION_BATCHES; i++) {
		double ns = batch__time(nr);

		if (ns < least_ns)
			least_ns = ns;
	}
	return least_ns;
}

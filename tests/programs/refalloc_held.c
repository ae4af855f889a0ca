/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refalloc_held FILE: from a ledger's file, the bytes that the allocator holds from the kernel, on
 * the break and in mappings, and those of it that the program has asked for and not released.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../include/refalloc_ledger.h"

int main(int argc, char **argv)
{
	static struct refalloc_slot slot, total;
	struct refalloc_head head;
	__u64 asked = 0, held;
	FILE *file;

	file = argc == 2 ? fopen(argv[1], "r") : NULL;
	if (!file || fread(&head, sizeof(head), 1, file) != 1 || head.magic != REFALLOC_MAGIC ||
	    head.layout != REFALLOC_LAYOUT) {
		fputs("refalloc_held: no ledger of this layout\n", stderr);
		return 1;
	}
	for (__u32 i = 0; i < head.used_slots; i++) {
		if (fread(&slot, sizeof(slot), 1, file) != 1)
			return 1;
		refalloc_slot__add(&total, &slot);
	}
	fclose(file);
	for (int i = 0; i < NR_SIZE_CLASSES; i++)
		asked += total.rows[i].bytes;
	held = total.brk_grown_bytes - total.brk_shrunk_bytes + total.mmap_anon_bytes -
	       total.munmap_bytes + total.mremap_grown_bytes - total.mremap_shrunk_bytes;
	printf("%llu %llu\n", (unsigned long long)held,
	       (unsigned long long)(asked - total.release_bytes));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unwind table of a file that some process has mapped, and its way from the child to us. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unwind_table.h"
#include "unwind_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), memory;
	struct unwind_table table, received;
	struct unwind_rules rules;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return -1;
	if (!unwind_table__build(fd, &table)) {
		/* Whatever the file holds, the receiver accepts what the builder makes of it. */
		if (unwind_wire__write(&table, &memory) || unwind_wire__map(memory, &received) ||
		    unwind_rules__open(&rules) || unwind_rules__merge(&rules, &received))
			abort();
		for (uint32_t page = 0; page < received.nr_pages; page++) {
			uint64_t offset = (uint64_t)(received.first_page + page)
					  << UNWIND_PAGE_SHIFT;

			for (uint32_t at = 0; at < UNWIND_PAGE_BYTES; at += 97)
				if (unwind_table__find(&received, offset + at) >= rules.nr_rules)
					abort();
		}
		unwind_rules__close(&rules);
		unwind_table__free(&received);
		unwind_table__free(&table);
		close(memory);
	}
	close(fd);
	return 0;
}

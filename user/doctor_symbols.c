/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is to name code with: symbol tables, debug files, debuginfod, the kernel's symbols. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "debug_fetch.h"
#include "debug_file.h"
#include "doctor.h"
#include "kernel_symbols.h"
#include "symbol_file.h"

void doctor__add_symbols(struct doctor *doctor, const char *path, int fd)
{
	static const struct symbol_search search = { .debug_root = DEBUG_FILE_ROOT, .lines = true };
	struct doctor_symbols *symbols = &doctor->symbols;
	struct symbol_file file;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0 || symbol_file__open(&file, copy, path, NULL, &search))
		return;
	symbols->files++;
	if (file.debug_fd >= 0)
		symbols->debug_files++;
	else if (elf_sections__of_type(&file.sections, SHT_SYMTAB))
		symbols->own_tables++;
	else if (file.mini_fd >= 0)
		symbols->mini_debug++;
	else
		symbols->exports_only++;
	symbol_file__close(&file);
}

static void look_at_fetch(struct doctor *doctor)
{
	bool is_there = debug_fetch__is_there(), is_wanted = debug_fetch__is_wanted();
	struct finding *finding = doctor__find(doctor, "host", "debuginfod",
					       is_there && is_wanted ? FINDING_YES : FINDING_NO);

	if (finding->state == FINDING_YES)
		return;
	finding__say(finding, "%s",
		     is_there ? "DEBUGINFOD_URLS names no server" : "there is no libdebuginfod");
	finding->cost = "symbols and lines of files whose debug file is not on this host";
	finding->mend = is_there ? "set DEBUGINFOD_URLS to your distribution's server" :
				   "install libdebuginfod1, and set DEBUGINFOD_URLS";
}

static void look_at_kernel(struct doctor *doctor)
{
	struct text_symbols symbols;
	int error = kernel_symbols__read(KERNEL_SYMBOLS_PATH, &symbols);
	struct finding *finding =
		doctor__find(doctor, "host", "kernel_symbols", error ? FINDING_NO : FINDING_YES);

	if (!error) {
		text_symbols__free(&symbols);
		return;
	}
	finding__say(finding, "%s",
		     error == -EACCES ? "the kernel hides its addresses" : strerror(-error));
	finding->cost = "frames of the kernel are addresses";
	finding->mend = "run as root, and sysctl kernel.kptr_restrict=1";
}

void doctor__look_at_symbols(struct doctor *doctor)
{
	const struct doctor_symbols *symbols = &doctor->symbols;
	struct finding *finding;

	finding = doctor__find(doctor, "host", "symbols",
			       symbols->exports_only ? FINDING_NO : FINDING_YES);
	finding__say(finding,
		     "of %zu files: %zu by a debug file, %zu by their own table, %zu by "
		     "MiniDebugInfo",
		     symbols->files, symbols->debug_files, symbols->own_tables,
		     symbols->mini_debug);
	if (!symbols->files)
		finding->state = FINDING_UNKNOWN;
	if (symbols->exports_only) {
		finding->cost = "of the others only exported functions have names; the rest is "
				"shown as module+0xoffset, and none has lines";
		finding->mend = "install their debug packages, as libc6-dbg or NAME-dbgsym, or use "
				"debuginfod";
	}
	look_at_fetch(doctor);
	look_at_kernel(doctor);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording of unknown origin, and the reports made of what was read. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "diff_build.h"
#include "recording.h"
#include "report.h"
#include "report_diff.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *discard;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	discard = fopen("/dev/null", "w");
	stderr = discard; /* libFuzzer writes with descriptors, our messages are expected */
	return discard ? 0 : 1;
}

/* Against itself, in every form. Paths in it are opened as those of any recording. */
static void compare(const struct profile *profile, struct symbols *symbols)
{
	const struct diff_style style = { .names = { "a", "b" }, .width = 80, .top = 5 };

	for (int by = 0; by < NR_FLAME_VALUES; by++) {
		struct diff diff = {
			.profiles = { profile, profile },
			.symbols = symbols,
			.settings = { .by = by },
			.units = { 1, 1 },
		};

		if (!diff__build(&diff)) {
			report_diff__write_text(discard, &diff, &style);
			report_diff__write_json(discard, &diff, &style);
			report_diff__write_svg(discard, &diff, &style);
		}
		diff__free(&diff);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct symbols_options options = { .debug_root = "/nonexistent", .no_fetch = true };
	struct symbols *symbols;
	struct text_style style = { .width = 80, .top = 5, .sort = SORT_BYTES };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct profile profile;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		return -1;
	if (recording__read(fd, "fuzz", &profile))
		return 0;
	report_json__write(discard, &profile, NULL);
	report_text__write(discard, &profile, &style);
	symbols = symbols__open(&options);
	recording__write(discard, &profile, symbols);
	if (symbols)
		compare(&profile, symbols);
	symbols__close(symbols);
	profile__free(&profile);
	return 0;
}

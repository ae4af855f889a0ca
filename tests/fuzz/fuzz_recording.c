/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording of unknown origin, and the reports made of what was read. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recording.h"
#include "report.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_style style = { .width = 80, .top = 5, .sort = SORT_BYTES };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct profile profile;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		return -1;
	if (recording__read(fd, "fuzz", &profile))
		return 0;
	report_json__write(discard, &profile, NULL);
	report_text__write(discard, &profile, &style);
	recording__write(discard, &profile, NULL);
	profile__free(&profile);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_programs PID: the BPF programs that a process holds, a line each: name, instructions as
 * loaded, instructions that the verifier walked (0: the kernel does not tell, before 5.16), runs,
 * and nanoseconds of all runs (0 unless kernel.bpf_stats_enabled). As root.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The program's id, 0: the descriptor is none of a program. */
static unsigned int descriptor__program(const char *pid, const char *descriptor)
{
	unsigned int id = 0;
	char path[512], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, descriptor);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!id && fgets(line, sizeof(line), file))
		if (sscanf(line, "prog_id: %u", &id) != 1)
			id = 0;
	fclose(file);
	return id;
}

static int program__print(unsigned int id)
{
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), error;

	if (fd < 0)
		return -errno;
	error = bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	if (error)
		return -errno;
	printf("%s %zu %u %llu %llu\n", info.name, info.xlated_prog_len / sizeof(struct bpf_insn),
	       info.verified_insns, (unsigned long long)info.run_cnt,
	       (unsigned long long)info.run_time_ns);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	int nr_printed = 0;
	char path[64];
	DIR *directory;

	if (argc != 2 || !atoi(argv[1])) {
		fprintf(stderr, "usage: bpf_programs PID\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", atoi(argv[1]));
	directory = opendir(path);
	if (!directory) {
		fprintf(stderr, "bpf_programs: %s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((entry = readdir(directory))) {
		unsigned int id = descriptor__program(argv[1], entry->d_name);
		int error = id ? program__print(id) : 0;

		if (error) {
			fprintf(stderr, "bpf_programs: program %u: %s\n", id, strerror(-error));
			closedir(directory);
			return 1;
		}
		nr_printed += id != 0;
	}
	closedir(directory);
	if (!nr_printed)
		fprintf(stderr, "bpf_programs: process %s holds no BPF program\n", argv[1]);
	return nr_printed ? 0 : 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jit HOW: writes machine code that calls malloc, says so in its perf map, and has it run.
 *
 *   leave   the map stays when it ends
 *   remove  the map goes, as soon as the code has run for a while
 *   apart   in a mount namespace of its own, whose /tmp is gone with it
 *
 * A first argument "twice" has a child do so before it does itself: "two" and "one" by name, whose
 * code lies at the same address.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE ((void *)0x7a0000000000)
#define CODE_BYTES 4096
#define REQUEST_BYTES 1000
#define REQUESTS 1000

/* push %rbp; mov %rsp,%rbp; call *%rsi; pop %rbp; ret: frame(size, malloc) */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3 };

static void write_map(const char *path, const char *name)
{
	FILE *map = fopen(path, "we");

	if (!map)
		_exit(3);
	fprintf(map, "%lx %x %s\n", (unsigned long)CODE, CODE_BYTES, name);
	if (fclose(map))
		_exit(3);
}

static void go_apart(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", 0, NULL))
		_exit(4);
}

static void run(const char *how, const char *name)
{
	void *(*frame)(size_t, void *(*)(size_t));
	char path[64];
	void *area;

	if (!strcmp(how, "apart"))
		go_apart();
	area = mmap(CODE, CODE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (area == MAP_FAILED)
		_exit(5);
	memcpy(area, code, sizeof(code));
	if (mprotect(area, CODE_BYTES, PROT_READ | PROT_EXEC))
		_exit(5);
	frame = (void *(*)(size_t, void *(*)(size_t)))area;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	write_map(path, name);
	for (int i = 0; i < REQUESTS; i++) {
		void *volatile block = frame(REQUEST_BYTES, malloc);

		if (!block)
			_exit(6);
		free(block);
	}
	if (!strcmp(how, "leave"))
		return;
	usleep(200000);
	unlink(path);
}

int main(int argc, char **argv)
{
	bool twice = argc > 2 && !strcmp(argv[1], "twice");
	pid_t child;

	if (argc < 2)
		return 2;
	if (!twice) {
		run(argv[1], "made_at_run_time");
		return 0;
	}
	child = fork();
	if (!child) {
		run(argv[2], "two");
		return 0;
	}
	waitpid(child, NULL, 0);
	run(argv[2], "one");
	return 0;
}

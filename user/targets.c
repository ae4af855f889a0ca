/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector.h"
#include "command.h"
#include "log.h"
#include "options.h"
#include "targets.h"

/* A number of /proc/PID/status; 0 when there is no such line. -errno: no such process. */
static long proc__status(pid_t pid, const char *field)
{
	size_t length = strlen(field);
	char path[64], line[256];
	long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, field, length) && line[length] == ':') {
			value = strtol(line + length + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	return value;
}

/* ELF class of what it runs; 0: not to be had. */
static unsigned char proc__elf_class(pid_t pid)
{
	unsigned char ident[5] = {};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, ident, sizeof(ident)) != sizeof(ident))
		ident[4] = 0;
	close(fd);
	return ident[4];
}

static int target__check_pid(pid_t pid)
{
	long tgid = proc__status(pid, "Tgid");

	if (tgid < 0)
		return log__error(-ESRCH,
				  "there is no process %d: give the number of a running one", pid);
	if (tgid != pid)
		return log__error(-EINVAL, "%d is a thread of process %ld: give -p %ld", pid, tgid,
				  tgid);
	if (!proc__status(pid, "VmSize"))
		return log__error(-EINVAL,
				  "process %d has no memory of its own (a kernel thread, "
				  "or it has exited): nothing can be measured",
				  pid);
	if (proc__elf_class(pid) == 1)
		return log__error(-EINVAL,
				  "process %d is a 32-bit program, which allocpath does "
				  "not see: give a 64-bit one",
				  pid);
	return 0;
}

/* A path as given, or below the cgroup v2 mount. Returns a descriptor or -errno. */
static int cgroup__open(const char *name)
{
	char line[PATH_MAX + 256], mount[PATH_MAX], path[2 * PATH_MAX];
	FILE *mounts;
	int fd;

	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	mounts = fopen("/proc/mounts", "re");
	while (mounts && fgets(line, sizeof(line), mounts)) {
		char type[64];

		if (sscanf(line, "%*s %4095s %63s", mount, type) != 2 || strcmp(type, "cgroup2"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", mount, name);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			break;
	}
	if (mounts)
		fclose(mounts);
	return fd >= 0 ? fd : -ENOENT;
}

int targets__check(const struct options *options)
{
	int error = 0;

	for (size_t i = 0; !error && i < options->nr_pids; i++)
		error = target__check_pid(options->pids[i]);
	if (!error && options->cgroup) {
		int fd = cgroup__open(options->cgroup);

		if (fd < 0)
			return log__error(fd,
					  "there is no cgroup '%s': give a directory of the "
					  "cgroup v2 hierarchy",
					  options->cgroup);
		close(fd);
	}
	return error;
}

/* Adds the descendants of what is in the list already, until none is found. */
static int targets__add_descendants(struct collector *collector, const struct options *options)
{
	struct pid_parent {
		pid_t pid;
		long parent;
		bool in;
	} *all = NULL;
	struct dirent *entry;
	size_t nr = 0, room = 0;
	bool added = true;
	DIR *proc = opendir("/proc");
	int error = 0;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (nr == room) {
			struct pid_parent *larger;

			room = room ? 2 * room : 256;
			larger = realloc(all, room * sizeof(*all));
			if (!larger) {
				error = -ENOMEM;
				break;
			}
			all = larger;
		}
		all[nr].pid = (pid_t)strtol(entry->d_name, NULL, 10);
		all[nr].parent = proc__status(all[nr].pid, "PPid");
		all[nr].in = false;
		for (size_t i = 0; i < options->nr_pids; i++)
			all[nr].in |= options->pids[i] == all[nr].pid;
		nr++;
	}
	while (!error && added) {
		added = false;
		for (size_t i = 0; !error && i < nr; i++) {
			for (size_t j = 0; !all[i].in && j < nr; j++) {
				if (!all[j].in || all[j].pid != all[i].parent)
					continue;
				all[i].in = added = true;
				error = session__add_target(&collector->session, all[i].pid);
				/* One that is gone by now is no error. */
				if (probes__consider_process(&collector->probes, all[i].pid) ==
				    -ENOMEM)
					error = -ENOMEM;
			}
		}
	}
	free(all);
	closedir(proc);
	return error;
}

static int unwinder__visit(void *context, const char *path, bool is_loader)
{
	(void)is_loader;
	unwinder__prepare(context, path);
	return 0;
}

int targets__select(struct collector *collector, const struct options *options,
		    struct command *command)
{
	int error = 0, fd;

	if (options->target == TARGET_COMMAND)
		session__set_command(&collector->session, command->pid);
	for (size_t i = 0; !error && i < options->nr_pids; i++)
		error = session__add_target(&collector->session, options->pids[i]);
	if (error)
		return log__error(error, "too many processes with -p: give fewer");
	if (options->target == TARGET_COMMAND && options->takes_stacks) {
		command__visit_files(command, unwinder__visit, &collector->unwinder);
		command__visit_modules(command, unwinder__visit, &collector->unwinder);
	}
	if (!options->cgroup)
		return 0;
	fd = cgroup__open(options->cgroup);
	if (fd < 0)
		return log__error(fd,
				  "there is no cgroup '%s': give a directory of the cgroup v2 "
				  "hierarchy",
				  options->cgroup);
	error = session__set_cgroup(&collector->session, fd);
	close(fd);
	if (error)
		return log__error(error, "'%s' is no cgroup of the v2 hierarchy: give one that is",
				  options->cgroup);
	return 0;
}

int targets__probe(struct collector *collector, const struct options *options,
		   struct command *command)
{
	struct probes *probes = &collector->probes;
	int error = 0;

	/* New files of processes that were chosen by number cannot be filtered by it: all are. */
	collector->follows_files = true;
	switch (options->target) {
	case TARGET_COMMAND:
		error = command__consider_files(command, probes);
		break;
	case TARGET_PIDS:
		if (!options->children) {
			probes->pids = options->pids;
			probes->nr_pids = options->nr_pids;
		}
		for (size_t i = 0; i < options->nr_pids; i++) {
			error = probes__consider_process(probes, options->pids[i]);
			if (error)
				return log__error(error,
						  "the files of process %d cannot be read: %s",
						  options->pids[i], strerror(-error));
		}
		if (!error && options->children)
			error = targets__add_descendants(collector, options);
		break;
	default:
		error = probes__consider_host(probes);
	}
	if (error == -EACCES)
		return log__error(error,
				  "which files the targets map may not be read: run as root, or "
				  "with CAP_SYS_PTRACE, or measure processes of your own");
	if (error)
		return log__error(error, "the targets' files cannot be read: %s", strerror(-error));
	return 0;
}

/* A zombie runs no more, although its number still stands. */
static bool proc__runs(pid_t pid)
{
	char path[64], line[512], *state;
	bool runs = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file)) {
		state = strrchr(line, ')'); /* the name before may hold anything */
		runs = state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
	}
	fclose(file);
	return runs;
}

bool targets__live(const struct options *options)
{
	if (options->target != TARGET_PIDS)
		return true;
	for (size_t i = 0; i < options->nr_pids; i++)
		if (proc__runs(options->pids[i]))
			return true;
	return false;
}

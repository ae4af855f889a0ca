/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "probes.h"
#include "program_modules.h"

/* Becomes the user who called sudo; a plain root shell stays root. 0 or -errno. */
static int user__drop(void)
{
	const char *uid_text = getenv("SUDO_UID"), *gid_text = getenv("SUDO_GID");
	const char *user = getenv("SUDO_USER");
	uid_t uid;
	gid_t gid;

	if (geteuid() || !uid_text || !gid_text || !user)
		return 0;
	uid = strtoul(uid_text, NULL, 10);
	gid = strtoul(gid_text, NULL, 10);
	if (!uid)
		return 0;
	if (initgroups(user, gid) || setgid(gid) || setuid(uid))
		return -errno;
	return 0;
}

static void child__run(int go_fd, int error_fd, char *const *argv)
{
	int error;
	char go;

	/* The parent died, or gave up, before it said so: nothing runs. */
	if (read(go_fd, &go, 1) != 1)
		_exit(125);
	error = -user__drop();
	if (!error) {
		execvp(argv[0], argv);
		error = errno;
	}
	if (write(error_fd, &error, sizeof(error)) < 0)
		_exit(125);
	_exit(error == ENOENT ? 127 : 126);
}

int command__fork(struct command *command, char *const *argv)
{
	int go[2], error[2];
	pid_t pid;

	memset(command, 0, sizeof(*command));
	command->go_fd = command->error_fd = -1;
	command->argv = argv;
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(error, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return -errno;
	}
	pid = fork();
	if (!pid) {
		close(go[1]);
		close(error[0]);
		child__run(go[0], error[1], argv);
	}
	close(go[0]);
	close(error[1]);
	if (pid < 0) {
		close(go[1]);
		close(error[0]);
		return -errno;
	}
	command->pid = pid;
	command->go_fd = go[1];
	command->error_fd = error[0];
	return 0;
}

/* As execvp looks for it. */
static bool command__find(const char *name, char *path, size_t size)
{
	const char *search = getenv("PATH"), *end;

	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return !access(path, X_OK);
	}
	for (; search; search = *end ? end + 1 : NULL) {
		end = strchrnul(search, ':');
		snprintf(path, size, "%.*s/%s", (int)(end - search), search, name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

/* The first line of a script names its interpreter. */
static bool script__interpreter(const char *path, char *interpreter, size_t size)
{
	char line[PATH_MAX] = "";
	size_t start;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	if (strncmp(line, "#!", 2))
		return false;
	start = 2 + strspn(line + 2, " \t");
	line[start + strcspn(line + start, " \t\r\n")] = 0;
	snprintf(interpreter, size, "%.*s", (int)size - 1, line + start);
	return line[start] == '/';
}

/* PT_INTERP, which is the dynamic loader. */
static bool program__loader(const char *path, char *loader, size_t size)
{
	Elf64_Ehdr header;
	bool found = false;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		header.e_phnum = 0;
	for (int i = 0; !found && i < header.e_phnum; i++) {
		Elf64_Phdr segment;
		ssize_t length;

		if (pread(fd, &segment, sizeof(segment),
			  (off_t)(header.e_phoff + i * sizeof(segment))) != sizeof(segment))
			break;
		if (segment.p_type != PT_INTERP || segment.p_filesz >= size)
			continue;
		length = pread(fd, loader, segment.p_filesz, (off_t)segment.p_offset);
		if (length != (ssize_t)segment.p_filesz)
			break;
		loader[length] = 0;
		found = true;
	}
	close(fd);
	return found;
}

/*
 * "loader --list program" says which files it would map, as ldd does, and runs nothing of them.
 * modules: separated by colons, what it maps as well; "" for none.
 */
static int program__visit_libraries(const char *loader, const char *program, const char *modules,
				    command_visit *visit, void *context)
{
	char line[PATH_MAX + 128];
	int output[2];
	FILE *lines;
	pid_t pid;
	int error = 0;

	if (pipe2(output, O_CLOEXEC))
		return 0;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		if (null < 0 || dup2(null, 0) < 0 || dup2(output[1], 1) < 0 || dup2(null, 2) < 0 ||
		    user__drop())
			_exit(1);
		if (*modules)
			execl(loader, loader, "--preload", modules, "--list", program,
			      (char *)NULL);
		else
			execl(loader, loader, "--list", program, (char *)NULL);
		_exit(1);
	}
	close(output[1]);
	lines = fdopen(output[0], "r");
	if (!lines)
		close(output[0]);
	while (!error && lines && fgets(line, sizeof(line), lines)) {
		char *path = strstr(line, "=> /");

		/* What LD_PRELOAD names by its path, and the loader, which was visited. */
		if (!path && line[0] == '\t' && line[1] == '/' && !strstr(line, "/ld-linux"))
			path = line + 1;
		else if (path)
			path += 3;
		if (!path)
			continue;
		path[strcspn(path, " \n")] = 0;
		error = visit(context, path, false);
	}
	if (lines)
		fclose(lines);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return error;
}

/* The program that runs, which of a script is its interpreter. */
static bool command__program(const struct command *command, char program[PATH_MAX])
{
	char next[PATH_MAX];

	if (!command__find(command->argv[0], program, PATH_MAX))
		return false;
	for (int i = 0; i < 4 && script__interpreter(program, next, sizeof(next)); i++)
		snprintf(program, PATH_MAX, "%s", next);
	return true;
}

int command__visit_files(struct command *command, command_visit *visit, void *context)
{
	char program[PATH_MAX], loader[PATH_MAX];
	int error;

	if (!command__program(command, program))
		return 0; /* the exec will say what is wrong */
	error = visit(context, program, false);
	if (error || !program__loader(program, loader, sizeof(loader)))
		return error;
	error = visit(context, loader, true);
	if (!error && strstr(loader, "/ld-linux"))
		error = program__visit_libraries(loader, program, "", visit, context);
	return error;
}

int command__visit_modules(struct command *command, command_visit *visit, void *context)
{
	char program[PATH_MAX], loader[PATH_MAX], *modules;
	int error = 0;

	if (!command__program(command, program) ||
	    !program__loader(program, loader, sizeof(loader)) || !strstr(loader, "/ld-linux"))
		return 0;
	modules = program__modules(program);
	if (!modules)
		return 0;
	for (char *path = modules; !error && *path;) {
		char *end = strchrnul(path, ':'), kept = *end;

		*end = 0;
		error = visit(context, path, false);
		*end = kept;
		path = kept ? end + 1 : end;
	}
	if (!error)
		error = program__visit_libraries(loader, program, modules, visit, context);
	free(modules);
	return error;
}

static int probes__visit(void *context, const char *path, bool is_loader)
{
	struct probes *probes = context;

	/* glibc's has an allocator of its own, for itself. musl's is the C library. */
	if (is_loader && strstr(path, "/ld-linux"))
		return 0;
	return probes__consider(probes, path, path) == -ENOMEM ? -ENOMEM : 0;
}

int command__consider_files(struct command *command, struct probes *probes)
{
	/* What runs here already, the common case: our own C library. */
	if (probes__consider_process(probes, getpid()) == -ENOMEM)
		return -ENOMEM;
	return command__visit_files(command, probes__visit, probes);
}

int command__start(struct command *command)
{
	int error = 0;
	ssize_t length;

	if (write(command->go_fd, "g", 1) != 1)
		return -errno;
	do {
		length = read(command->error_fd, &error, sizeof(error));
	} while (length < 0 && errno == EINTR);
	close(command->go_fd);
	close(command->error_fd);
	command->go_fd = command->error_fd = -1;
	return length == sizeof(error) ? -error : 0;
}

void command__poll(struct command *command)
{
	if (command->pid && !command->ended &&
	    waitpid(command->pid, &command->status, WNOHANG) == command->pid)
		command->ended = true;
}

int command__exit_status(const struct command *command)
{
	if (!command->ended)
		return 0;
	if (WIFSIGNALED(command->status))
		return 128 + WTERMSIG(command->status);
	return WEXITSTATUS(command->status);
}

void command__close(struct command *command)
{
	bool waits = command->pid && command->go_fd >= 0;

	if (!command->pid)
		return;
	if (command->go_fd >= 0)
		close(command->go_fd);
	if (command->error_fd >= 0)
		close(command->error_fd);
	command->go_fd = command->error_fd = -1;
	if (waits && !command->ended)
		waitpid(command->pid, &command->status, 0);
}

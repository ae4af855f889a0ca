/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command that is run to be measured: forked first, held before its exec, then let go. */
#ifndef ALLOCPATH_COMMAND_H
#define ALLOCPATH_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct probes;

struct command {
	char *const *argv;
	pid_t pid; /* 0: none */
	int go_fd; /* one byte lets it exec; closing it ends it */
	int error_fd; /* errno of a failed exec comes here */
	bool ended;
	int status; /* of waitpid, once ended */
};

/*
 * Forks the command before anything of BPF is open, so that it inherits none of it. It waits.
 * 0 or -errno.
 */
int command__fork(struct command *command, char *const *argv);

/* A file that the command will run from: itself, its loader, its libraries. Anything but 0 ends it. */
typedef int command_visit(void *context, const char *path, bool is_loader);

/* Visits them, as far as they can be known before it runs. The visitor's result, or 0. */
int command__visit_files(struct command *command, command_visit *visit, void *context);

/* Visits what it may open while it runs, and what that needs, where its kind is known. */
int command__visit_modules(struct command *command, command_visit *visit, void *context);

/* Has the files that it will run from probed: itself, and the C library that its loader finds. */
int command__consider_files(struct command *command, struct probes *probes);

/* Lets it exec. 0, or -errno of the exec that failed. */
int command__start(struct command *command);

/* Takes note if it has ended. */
void command__poll(struct command *command);

/* Exit status to pass on: its own, 128 + signal, or 0 while it still runs. */
int command__exit_status(const struct command *command);

/* Ends a command that was not started, and closes what is open. One that runs is left alone. */
void command__close(struct command *command);

#endif

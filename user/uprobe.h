/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Uprobe links that are newer than libbpf 1.1: many offsets of a file in one link (6.6), and
 * sessions, where one program serves entry and return (6.13). Straight through bpf(2).
 */
#ifndef ALLOCPATH_UPROBE_H
#define ALLOCPATH_UPROBE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum uprobe_kind {
	UPROBE_ENTRY,
	UPROBE_RETURN,
	UPROBE_SESSION,
};

struct uprobe_features {
	bool multi; /* with a pid filter that goes by process: early ones went by thread */
	bool session;
};

/* Expected attach type of a program for a kind of link, for bpf_program__set_expected_... */
int uprobe__attach_type(enum uprobe_kind kind);

/* Loads a program that does nothing, of a kind's attach type: to ask with. Descriptor or -errno. */
int uprobe__load_trial(enum uprobe_kind kind);

/*
 * Asks the kernel, by trying with a loaded program of the kind's attach type. A program that
 * could not be loaded (fd below 0) means no.
 */
bool uprobe__is_supported(int program_fd, enum uprobe_kind kind);

/*
 * Probes nr offsets of a file in one link. path is resolved by the kernel now; a magic link under
 * /proc works. pid 0: every process. Returns a descriptor, whose close detaches, or -errno.
 */
int uprobe__attach(int program_fd, enum uprobe_kind kind, const char *path, const __u64 *offsets,
		   const __u64 *cookies, size_t nr, pid_t pid);

#endif

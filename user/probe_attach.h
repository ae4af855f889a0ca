/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching the sites of one file, in whatever way the kernel and the processes allow. */
#ifndef ALLOCPATH_PROBE_ATTACH_H
#define ALLOCPATH_PROBE_ATTACH_H

#include "probes.h"
#include "uprobe.h"

#define MAX_SITES 160 /* functions of a file, and the places where operator new returns */

/* What one link probes: the sites of one file that share a program. */
struct site_list {
	__u64 offsets[MAX_SITES];
	__u64 cookies[MAX_SITES];
	size_t nr;
};

/* In one process, or (pid 0) wherever the file is mapped. 0 or -errno. */
int probes__attach_for(struct probes *probes, struct probed_file *file, enum uprobe_kind kind,
		       const char *path, const struct site_list *sites, pid_t pid);

/* In the processes that the probes are for; those that refuse are listed. 0 or -errno. */
int probes__attach_sites(struct probes *probes, struct probed_file *file, enum uprobe_kind kind,
			 const char *path, const struct site_list *sites);

void probed_file__detach(struct probed_file *file);

#endif

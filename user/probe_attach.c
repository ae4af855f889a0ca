/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "session.h"
#include "session_maps.h"

static int probed_file__add_fd(struct probed_file *file, int fd)
{
	int *fds;

	fds = realloc(file->link_fds, (file->nr_link_fds + 1) * sizeof(int));
	if (!fds) {
		close(fd);
		return -ENOMEM;
	}
	file->link_fds = fds;
	file->link_fds[file->nr_link_fds++] = fd;
	return 0;
}

static int probed_file__add_link(struct probed_file *file, struct bpf_link *link)
{
	struct bpf_link **links;

	links = realloc(file->links, (file->nr_links + 1) * sizeof(struct bpf_link *));
	if (!links) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	file->links = links;
	file->links[file->nr_links++] = link;
	return 0;
}

/* Without uprobe_multi: one perf event for each site. pid 0: everyone. */
static int probes__attach_singly(struct probes *probes, struct probed_file *file,
				 struct bpf_program *program, bool at_return, const char *path,
				 const struct site_list *sites, pid_t pid)
{
	(void)probes;
	for (size_t i = 0; i < sites->nr; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, attach_options, .retprobe = at_return,
			    .bpf_cookie = sites->cookies[i]);
		struct bpf_link *link;
		int error;

		link = bpf_program__attach_uprobe_opts(program, pid ? pid : -1, path,
						       sites->offsets[i], &attach_options);
		if (!link)
			return -errno;
		error = probed_file__add_link(file, link);
		if (error)
			return error;
	}
	return 0;
}

int probes__attach_for(struct probes *probes, struct probed_file *file, enum uprobe_kind kind,
		       const char *path, const struct site_list *sites, pid_t pid)
{
	struct bpf_program *program = session__program(probes->session, kind);
	int fd;

	if (!sites->nr)
		return 0;
	if (!probes->session->features.multi)
		return probes__attach_singly(probes, file, program, kind == UPROBE_RETURN, path,
					     sites, pid);
	fd = uprobe__attach(bpf_program__fd(program), kind, path, sites->offsets, sites->cookies,
			    sites->nr, pid);
	if (fd < 0)
		return fd;
	return probed_file__add_fd(file, fd);
}

/* Has the process mapped this file's text? By the numbers of maps. */
static bool proc__maps_file(pid_t pid, struct file_id id)
{
	char path[64], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && fgets(line, sizeof(line), maps)) {
		unsigned int major, minor;
		unsigned long long inode;

		if (sscanf(line, "%*x-%*x %*s %*x %x:%x %llu", &major, &minor, &inode) == 3)
			found = inode == id.inode && makedev(major, minor) == id.device;
	}
	fclose(maps);
	return found;
}

/*
 * One process that cannot be probed (its memory cgroup is full, say) makes the kernel refuse the
 * whole host. Then process by process, and those that refuse are listed; processes that start
 * later are not covered.
 */
static int probes__attach_each(struct probes *probes, struct probed_file *file,
			       enum uprobe_kind kind, const char *path,
			       const struct site_list *sites, int refused)
{
	char name[64], why[96];
	struct dirent *entry;
	size_t attached = 0;
	int error = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return refused;
	while (error != -ENOMEM && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || pid == getpid() || !proc__maps_file(pid, file->id))
			continue;
		error = probes__attach_for(probes, file, kind, path, sites, pid);
		attached += !error;
		if (!error || error == -ESRCH)
			continue;
		snprintf(name, sizeof(name), "process %d", pid);
		snprintf(why, sizeof(why), "cannot be probed: %s", strerror(-error));
		error = probes__refuse(probes, name, why);
	}
	closedir(proc);
	if (!attached)
		return refused;
	log__warning("%s is probed process by process (%s): those that start now are not seen",
		     file->path, strerror(-refused));
	return 0;
}

int probes__attach_sites(struct probes *probes, struct probed_file *file, enum uprobe_kind kind,
			 const char *path, const struct site_list *sites)
{
	int error;

	if (!probes->nr_pids) {
		error = probes__attach_for(probes, file, kind, path, sites, 0);
		if (error)
			error = probes__attach_each(probes, file, kind, path, sites, error);
		return error;
	}
	for (size_t i = 0; i < probes->nr_pids; i++) {
		error = probes__attach_for(probes, file, kind, path, sites, probes->pids[i]);
		if (error && error != -ESRCH)
			return error;
	}
	return 0;
}

void probed_file__detach(struct probed_file *file)
{
	while (file->nr_link_fds)
		close(file->link_fds[--file->nr_link_fds]);
	while (file->nr_links)
		bpf_link__destroy(file->links[--file->nr_links]);
	free(file->link_fds);
	free(file->links);
	file->link_fds = NULL;
	file->links = NULL;
}

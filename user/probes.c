/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "allocator_file.h"
#include "calibrate.h"
#include "clock.h"
#include "log.h"
#include "mapped_file.h"
#include "maps_line.h"
#include "probe_attach.h"
#include "probes.h"
#include "session.h"
#include "session_maps.h"

#define CALIBRATION_CALLS 400

int probes__refuse(struct probes *probes, const char *path, const char *why)
{
	struct refused_file *refusals, refusal;

	refusals = realloc(probes->refusals, (probes->nr_refusals + 1) * sizeof(*refusals));
	if (!refusals)
		return -ENOMEM;
	probes->refusals = refusals;
	refusal.path = strdup(path);
	refusal.why = strdup(why);
	if (!refusal.path || !refusal.why) {
		free(refusal.path);
		free(refusal.why);
		return -ENOMEM;
	}
	probes->refusals[probes->nr_refusals++] = refusal;
	log__note("not probed: %s: %s", path, why);
	return 0;
}

/* Never operator new: an exception that goes through the trampoline aborts the program. */
static bool function__has_return_probe(const struct allocator_function *function)
{
	return function->function != FUNCTION_FREE && !function->is_new;
}

/* The entries that depth entry probes; free is not looked at. */
static int site_list__of_entries(struct site_list *sites, const struct allocator_file *file,
				 __u32 number)
{
	for (size_t i = 0; i < file->nr_functions; i++) {
		const struct allocator_function *function = &file->functions[i];

		if (function->function == FUNCTION_FREE)
			continue;
		if (sites->nr >= MAX_SITES)
			return -E2BIG;
		sites->offsets[sites->nr] = function->site_offset;
		sites->cookies[sites->nr++] =
			COOKIE_MAKE(number, function->function, function->site_address);
	}
	return 0;
}

int probes__attach_again(struct probes *probes, size_t number, pid_t pid)
{
	struct probed_file *file = &probes->files[number];
	struct site_list sites = {};
	char path[64];
	int error;

	error = site_list__of_entries(&sites, file->file, (__u32)number);
	if (error)
		return error;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	return probes__attach_for(probes, file, UPROBE_ENTRY, path, &sites, pid);
}

/*
 * Depth entry: one link for all allocation functions. Depth full: a session for these, which is
 * entry and return in one, or one link each where the kernel has none; and free by its entry.
 */
static int probes__attach(struct probes *probes, struct probed_file *file, __u32 number,
			  const char *path)
{
	bool full = probes->depth == DEPTH_FULL;
	bool session = full && probes->session->features.session;
	struct site_list entries = {}, sessions = {}, returns = {};
	int error;

	for (size_t i = 0; i < file->file->nr_functions; i++) {
		const struct allocator_function *function = &file->file->functions[i];
		struct site_list *sites = &entries;

		if (function->function == FUNCTION_FREE && !full)
			continue;
		if (full && function->is_new && !function->has_returns) {
			log__note("not probed at depth full: %s of %s: where it returns is not "
				  "understood",
				  function->name, file->path);
			continue;
		}
		if (entries.nr >= MAX_SITES || sessions.nr >= MAX_SITES)
			return -E2BIG;
		if (session && function__has_return_probe(function))
			sites = &sessions;
		sites->offsets[sites->nr] = function->site_offset;
		sites->cookies[sites->nr++] =
			COOKIE_MAKE(number, function->function, function->site_address);
	}
	for (size_t i = 0; full && !session && i < file->file->nr_functions; i++) {
		const struct allocator_function *function = &file->file->functions[i];

		if (!function__has_return_probe(function))
			continue;
		returns.offsets[returns.nr] = function->site_offset;
		returns.cookies[returns.nr++] =
			COOKIE_MAKE(number, function->function, function->site_address);
	}
	for (size_t i = 0; full && i < file->file->nr_returns; i++) {
		const struct allocator_return *ret = &file->file->returns[i];

		if (entries.nr >= MAX_SITES)
			return -E2BIG;
		entries.offsets[entries.nr] = ret->offset;
		entries.cookies[entries.nr++] = COOKIE_MAKE(number, FUNCTION_RETURN, ret->address);
	}
	/* Returns before entries: an entry without its return would be a request left open. */
	error = probes__attach_sites(probes, file, UPROBE_RETURN, path, &returns);
	if (!error)
		error = probes__attach_sites(probes, file, UPROBE_SESSION, path, &sessions);
	if (!error)
		error = probes__attach_sites(probes, file, UPROBE_ENTRY, path, &entries);
	return error;
}

/* Takes the file over. */
static int probes__add(struct probes *probes, struct allocator_file *file, struct file_id id,
		       const struct file_key *key, int fd, const char *openable, const char *shown)
{
	struct probed_file *files, *probed;
	__u32 number = probes->nr_files;
	char why[128];
	int error;

	if (number >= MAX_FILES) {
		allocator_file__free(file);
		return probes__refuse(probes, shown, "too many allocator files (256)");
	}
	files = realloc(probes->files, (number + 1) * sizeof(*files));
	if (!files) {
		allocator_file__free(file);
		return -ENOMEM;
	}
	probes->files = files;
	probed = &files[number];
	memset(probed, 0, sizeof(*probed));
	probed->file = file;
	probed->fd = -1;
	probed->id = id;
	probed->path = strdup(shown);
	if (!probed->path) {
		allocator_file__free(file);
		return -ENOMEM;
	}
	error = session__describe_file(probes->session, number, key, file);
	if (!error)
		error = probes__attach(probes, probed, number, openable);
	if (!error && probes->windowed) {
		/* It can be done: once more in each window. */
		probed_file__detach(probed);
		probed->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		error = probed->fd < 0 ? -errno : 0;
	}
	if (error) {
		probed_file__detach(probed);
		allocator_file__free(file);
		free(probed->path);
		snprintf(why, sizeof(why), "cannot be probed: %s", strerror(-error));
		return probes__refuse(probes, shown, why);
	}
	probed->since_ns = clock__now_ns();
	probes->nr_files++;
	log__note("probed: %s (%s), %zu functions", shown, file->name, file->nr_functions);
	return 0;
}

/*
 * Two overlays of one file have one inode, with one set of probes, whatever stat() says of them.
 * Takes the file over.
 */
static int probes__add_once(struct probes *probes, struct allocator_file *file, struct file_id id,
			    int fd, const char *openable, const char *shown)
{
	struct file_key key = {};
	int added;

	if (session__identify_file(probes->session, fd, &key)) {
		/* As the kernel has it but on overlays and btrfs. Its dev_t has 20 minor bits. */
		key.inode = id.inode;
		key.device = major(id.device) << 20 | minor(id.device);
	}
	added = file_set__add(&probes->probed, (struct file_id){ key.device, key.inode });
	if (added == 1)
		return probes__add(probes, file, id, &key, fd, openable, shown);
	allocator_file__free(file);
	return added;
}

int probes__consider(struct probes *probes, const char *openable, const char *shown)
{
	struct allocator_file *file;
	const char *why = NULL;
	struct stat status;
	struct file_id id;
	char path[64];
	int fd, error;

	if (probes->depth == DEPTH_KERNEL || probes->detached)
		return 0;
	fd = open(openable, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0; /* gone in between, or not ours to read: the process scan says so */
	error = fstat(fd, &status);
	if (error || !S_ISREG(status.st_mode)) {
		close(fd);
		return 0;
	}
	id = (struct file_id){ status.st_dev, status.st_ino };
	error = file_set__add(&probes->seen, id);
	if (error == 1) {
		error = allocator_file__read(fd, &file, &why);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (!error)
			error = probes__add_once(probes, file, id, fd, path, shown);
		else if (error == -EOPNOTSUPP || error == -EINVAL)
			error = why ? probes__refuse(probes, shown, why) : 0;
		else if (error != -ENOMEM)
			error = 0;
	}
	close(fd);
	return error;
}

int probes__consider_link(struct probes *probes, const char *link)
{
	char target[4096];
	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length < 0)
		return 0;
	target[length] = 0;
	return probes__consider(probes, link, target);
}

int probes__consider_process(struct probes *probes, pid_t pid)
{
	char path[64], openable[PATH_MAX], *text = NULL;
	struct file_set seen = {};
	size_t room = 0;
	FILE *maps;
	int error = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!error && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line) || line.rights[2] != 'x' || !line.inode)
			continue;
		/* By the numbers of maps, which spares opening what was looked at. */
		if (file_set__add(&seen, (struct file_id){ (__u64)line.major << 32 | line.minor,
							   line.inode }) != 1)
			continue;
		if (!mapped_file__path(pid, &line, openable, sizeof(openable)))
			error = probes__consider(probes, openable, line.path);
	}
	free(text);
	fclose(maps);
	file_set__free(&seen);
	return error;
}

static bool probes__have_file(const struct probes *probes, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return true;
	for (size_t i = 0; i < probes->nr_files; i++) {
		const struct file_id *id = &probes->files[i].id;

		if (id->device == status.st_dev && id->inode == status.st_ino)
			return true;
	}
	return false;
}

bool probes__cover(const struct probes *probes, pid_t pid)
{
	char path[64], openable[PATH_MAX], *text = NULL;
	bool covered = false, looked = false;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return true;
	while (!covered && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line) || line.rights[2] != 'x' || !line.inode)
			continue;
		looked = true;
		covered = mapped_file__path(pid, &line, openable, sizeof(openable)) ||
			  probes__have_file(probes, openable);
	}
	free(text);
	fclose(maps);
	return covered || !looked;
}

int probes__consider_exec(struct probes *probes, pid_t pid)
{
	struct stat status;
	char path[64];
	int added;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &status))
		return -errno;
	added = file_set__add(&probes->programs, (struct file_id){ status.st_dev, status.st_ino });
	return added == 1 ? probes__consider_process(probes, pid) : added;
}

int probes__consider_host(struct probes *probes)
{
	struct dirent *entry;
	int error = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (!error && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		error = probes__consider_process(probes, atoi(entry->d_name));
		if (error != -ENOMEM)
			error = 0;
	}
	closedir(proc);
	return error;
}

int probes__attach_own(struct probes *probes)
{
	__u64 offset = calibrate__offset(), cookie = COOKIE_MAKE(0, FUNCTION_CALIBRATE, 0);

	if (!offset || !probes->session->features.multi)
		return -EOPNOTSUPP;
	return uprobe__attach(bpf_program__fd(session__program(probes->session, UPROBE_ENTRY)),
			      UPROBE_ENTRY, "/proc/self/exe", &offset, &cookie, 1, getpid());
}

__u64 probes__calibrate(struct probes *probes)
{
	__u64 cookie = COOKIE_MAKE(0, FUNCTION_CALIBRATE, 0);
	struct site_list sites = { .offsets = { calibrate__offset() },
				   .cookies = { cookie },
				   .nr = 1 };
	struct probed_file own = {};
	double bare_ns, probed_ns;

	if (!sites.offsets[0])
		return 0;
	bare_ns = calibrate__time_calls(CALIBRATION_CALLS);
	if (probes__attach_for(probes, &own, UPROBE_ENTRY, "/proc/self/exe", &sites, getpid()))
		return 0;
	probed_ns = calibrate__time_calls(CALIBRATION_CALLS);
	probed_file__detach(&own);
	return probed_ns > bare_ns ? (__u64)(probed_ns - bare_ns) : 0;
}

void probes__detach(struct probes *probes)
{
	if (probes->detached)
		return;
	for (size_t i = 0; i < probes->nr_files; i++)
		probed_file__detach(&probes->files[i]);
	probes->detached = true;
	probes->detached_ns = clock__now_ns();
}

void probes__free(struct probes *probes)
{
	probes__detach(probes);
	for (size_t i = 0; i < probes->nr_files; i++) {
		allocator_file__free(probes->files[i].file);
		if (probes->files[i].fd >= 0)
			close(probes->files[i].fd);
		free(probes->files[i].path);
	}
	for (size_t i = 0; i < probes->nr_refusals; i++) {
		free(probes->refusals[i].path);
		free(probes->refusals[i].why);
	}
	free(probes->files);
	free(probes->refusals);
	file_set__free(&probes->seen);
	file_set__free(&probes->programs);
	file_set__free(&probes->probed);
	memset(probes, 0, sizeof(*probes));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rights that we have, the settings of the host, its processes and their files. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator_file.h"
#include "doctor.h"
#include "mapped_file.h"
#include "maps_line.h"
#include "names.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The first line of a small file, without its end. 0 or -errno. */
static int read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	int error = 0;

	if (!file)
		return -errno;
	if (!fgets(line, (int)size, file))
		error = -EIO;
	fclose(file);
	if (!error)
		line[strcspn(line, "\n")] = 0;
	return error;
}

static __u64 own_capabilities(void)
{
	unsigned long long capabilities = 0;
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &capabilities) == 1)
			break;
	if (file)
		fclose(file);
	return capabilities;
}

static void look_at_capabilities(struct doctor *doctor)
{
	static const struct {
		const char *name;
		unsigned int bit;
		const char *cost;
	} rows[] = {
		{ "CAP_BPF", 39, "nothing can be measured" },
		{ "CAP_PERFMON", 38, "nothing can be measured" },
		{ "CAP_SYS_PTRACE", 19,
		  "what process_files says; newer kernels are content with CAP_PERFMON" },
		{ "CAP_CHECKPOINT_RESTORE", 40,
		  "files are opened by their names: not those deleted or replaced since, nor those "
		  "of other users' containers" },
		{ "CAP_SYS_ADMIN", 21,
		  "no probes where uprobe_multi is missing; no run time of BPF programs with -v" },
	};
	__u64 own = own_capabilities();
	/* CAP_SYS_ADMIN stands in for the three that were split off it. */
	bool is_admin = own >> 21 & 1;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool implied = is_admin && rows[i].bit >= 38;
		bool has = own >> rows[i].bit & 1 || implied;
		struct finding *finding = doctor__find(doctor, "rights", rows[i].name,
						       has ? FINDING_YES : FINDING_NO);

		if (has)
			continue;
		finding->cost = rows[i].cost;
		finding->mend = "run as root, or give the capability with setpriv, systemd or "
				"setcap";
	}
}

static void look_at_settings(struct doctor *doctor)
{
	struct finding *finding;
	char line[4096], mount[2048], type[64];
	bool found = false;
	FILE *mounts;

	finding = doctor__find(doctor, "host", "lockdown", FINDING_UNKNOWN);
	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		finding__say(finding, "%s", line);
		finding->state = strstr(line, "[confidentiality]") ? FINDING_NO : FINDING_YES;
	}
	if (finding->state == FINDING_NO) {
		finding->cost = "the kernel refuses what reads its memory: nothing can be measured";
		finding->mend = "boot with lockdown=integrity";
	}
	finding = doctor__find(doctor, "host", "perf_event_paranoid", FINDING_UNKNOWN);
	if (!read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line))) {
		finding__say(finding, "%s", line);
		finding->state = FINDING_YES; /* CAP_PERFMON, needed anyway, waives it */
	}
	mounts = fopen("/proc/mounts", "re");
	while (!found && mounts && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %2047s %63s", mount, type) == 2 &&
			!strcmp(type, "cgroup2");
	if (mounts)
		fclose(mounts);
	finding = doctor__find(doctor, "host", "cgroup2", found ? FINDING_YES : FINDING_NO);
	if (found) {
		finding__say(finding, "%s", mount);
	} else {
		finding->cost = "no --cgroup, and the cgroup column may be of version 1";
		finding->mend = "mount -t cgroup2 none /sys/fs/cgroup";
	}
}

void doctor__look_at_rights(struct doctor *doctor)
{
	look_at_capabilities(doctor);
	look_at_settings(doctor);
}

/* Takes file and why over. NULL: no memory. */
static struct doctor_file *doctor__add_file(struct doctor *doctor, const char *path,
					    struct file_id id, struct allocator_file *file,
					    const char *why)
{
	struct doctor_file *files, *added;

	files = realloc(doctor->files, (doctor->nr_files + 1) * sizeof(*files));
	if (!files) {
		allocator_file__free(file);
		doctor->out_of_memory = true;
		return NULL;
	}
	doctor->files = files;
	added = &files[doctor->nr_files++];
	*added = (struct doctor_file){
		.path = strdup(path),
		.id = id,
		.file = file,
		.why = why ? strdup(why) : NULL,
	};
	if (!added->path || (why && !added->why))
		doctor->out_of_memory = true;
	return added;
}

/* Looks at a mapped file as hist would, once. false: it may not be opened. */
static bool doctor__look_at_file(struct doctor *doctor, struct file_set *seen, pid_t pid,
				 const struct maps_line *line)
{
	struct file_id id = { (__u64)line->major << 32 | line->minor, line->inode };
	struct allocator_file *file = NULL;
	char path[4200];
	const char *why = NULL;
	struct stat status;
	int fd, error;

	if (mapped_file__path(pid, line, path, sizeof(path)))
		return false;
	if (file_set__add(seen, id) != 1)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode)) {
		error = allocator_file__read(fd, &file, &why);
		if (!error)
			doctor__add_file(doctor, line->path, id, file, NULL);
		else if ((error == -EOPNOTSUPP || error == -EINVAL) && why)
			doctor__add_file(doctor, line->path, id, NULL, why);
		doctor__add_table(doctor, line->path, fd);
		doctor__add_symbols(doctor, line->path, fd);
	}
	close(fd);
	return true;
}

static bool doctor__would_probe(const struct doctor *doctor, const struct maps_line *line)
{
	__u64 device = (__u64)line->major << 32 | line->minor;

	for (size_t i = 0; i < doctor->nr_files; i++)
		if (doctor->files[i].file && doctor->files[i].id.inode == line->inode &&
		    doctor->files[i].id.device == device)
			return true;
	return false;
}

/* What would be seen of a process that has memory of its own. */
static enum process_sight doctor__sight(struct doctor *doctor, struct file_set *seen, pid_t pid)
{
	enum process_sight sight = SIGHT_KERNEL;
	char path[64], *text = NULL;
	bool refused = false;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return SIGHT_UNREADABLE;
	errno = 0;
	while (getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (!maps_line__parse(text, &line) || line.rights[2] != 'x' || !line.inode)
			continue;
		refused |= !doctor__look_at_file(doctor, seen, pid, &line);
		if (doctor__would_probe(doctor, &line))
			sight = SIGHT_REQUESTS;
	}
	free(text);
	fclose(maps);
	return sight == SIGHT_KERNEL && refused ? SIGHT_UNREADABLE : sight;
}

/* A process without memory of its own is a kernel thread, or has exited. */
static bool proc__has_memory(pid_t pid)
{
	unsigned long pages = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages;
}

static bool proc__is_32bit(pid_t pid)
{
	unsigned char ident[5] = {};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, ident, sizeof(ident)) != sizeof(ident))
		ident[4] = 0;
	close(fd);
	return ident[4] == 1;
}

static void doctor__look_at_process(struct doctor *doctor, struct file_set *seen, pid_t pid)
{
	struct doctor_process *processes, *process;

	if (pid == getpid() || doctor__is_builder(doctor, pid) || !proc__has_memory(pid))
		return;
	processes = realloc(doctor->processes, (doctor->nr_processes + 1) * sizeof(*processes));
	if (!processes) {
		doctor->out_of_memory = true;
		return;
	}
	doctor->processes = processes;
	process = &processes[doctor->nr_processes++];
	*process = (struct doctor_process){ .pid = pid, .sight = SIGHT_32BIT };
	proc__comm((__u32)pid, process->comm);
	if (!proc__is_32bit(pid))
		process->sight = doctor__sight(doctor, seen, pid);
}

/* How far we may look, as it turned out. */
static void doctor__conclude_processes(struct doctor *doctor)
{
	struct finding *finding;
	size_t nr = 0;

	for (size_t i = 0; i < doctor->nr_processes; i++)
		nr += doctor->processes[i].sight == SIGHT_UNREADABLE;
	finding = doctor__find(doctor, "host", "process_files", nr ? FINDING_NO : FINDING_YES);
	finding__say(finding, "of %zu of %zu processes", doctor->nr_processes - nr,
		     doctor->nr_processes);
	if (!nr)
		return;
	finding->cost = "no -p for the others, and requests of theirs only where a process that we "
			"may look at maps the same file";
	finding->mend = "run as root, or with CAP_SYS_PTRACE and CAP_CHECKPOINT_RESTORE";
}

void doctor__look_at_processes(struct doctor *doctor)
{
	struct file_set seen = {};
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (!proc)
		return;
	doctor__begin_tables(doctor);
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			doctor__look_at_process(doctor, &seen, atoi(entry->d_name));
	closedir(proc);
	file_set__free(&seen);
	doctor__conclude_processes(doctor);
	doctor__end_tables(doctor);
}

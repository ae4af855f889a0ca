/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "options.h"
#include "rule_settings.h"
#include "session.h"
#include "session_attach.h"
#include "session_bounds.h"
#include "session_stacks.h"

/* The skeleton writes our globals with the kernel's short type names. */
typedef __u32 u32;
typedef __u64 u64;
#include "allocpath.skel.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* libbpf's own messages go with -v only: what failed is said once, by us. */
static int session__print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_DEBUG || !log__is_verbose())
		return 0;
	return vfprintf(stderr, format, arguments);
}

static void session__set_switches(struct session *session, const struct options *options)
{
	struct allocpath_bpf *skeleton = session->skeleton;

	skeleton->rodata->depth = options->depth;
	skeleton->rodata->target_mode = options->target;
	skeleton->rodata->follow_children = options->children || options->target == TARGET_COMMAND;
	skeleton->rodata->self_tgid = getpid();
	skeleton->rodata->self_begun_ns = clock__ns(CLOCK_BOOTTIME);
	skeleton->rodata->recording = session->keeps_callers;
	skeleton->rodata->follows_rule = session->follows_rule;
	if (session->follows_rule && options->target == TARGET_COMMAND) {
		struct rule_state state;

		/* Where ours sets nothing and a descendant's does, its own has to be read. */
		if (rule_state__of_ourselves(&state))
			memcpy((void *)&skeleton->rodata->command_rule, &state, sizeof(state));
	}
	skeleton->rodata->budgeted = options->budget > 0;
	skeleton->data->window = !(options->budget > 0);
	skeleton->rodata->min_size = options->min_size;
	skeleton->rodata->max_size = options->max_size;
	skeleton->rodata->page_size = sysconf(_SC_PAGESIZE);
	if (options->comm)
		snprintf((char *)skeleton->rodata->target_comm, MAX_COMM, "%s", options->comm);
	session__bound_maps(skeleton->obj, options);
	session__set_stack_switches(skeleton, options);
	session__choose_events(session);
}

/*
 * Which attach types the kernel has shows only with programs loaded for them, and a program is
 * loaded for one type: so a small trial object first, then the real one with the answer.
 */
static int session__load(struct session *session, const struct options *options, bool multi,
			 bool with_session)
{
	struct allocpath_bpf *skeleton;
	int error;

	skeleton = allocpath_bpf__open();
	if (!skeleton)
		return -errno;
	session->skeleton = skeleton;
	session__set_switches(session, options);
	if (multi) {
		bpf_program__set_expected_attach_type(skeleton->progs.alloc_entry,
						      uprobe__attach_type(UPROBE_ENTRY));
		bpf_program__set_expected_attach_type(skeleton->progs.alloc_return,
						      uprobe__attach_type(UPROBE_RETURN));
	}
	bpf_program__set_expected_attach_type(skeleton->progs.alloc_session,
					      uprobe__attach_type(UPROBE_SESSION));
	bpf_program__set_autoload(skeleton->progs.alloc_session,
				  with_session && options->depth == DEPTH_FULL);
	bpf_program__set_autoload(skeleton->progs.identify_file, true);
	error = allocpath_bpf__load(skeleton);
	if (error) {
		allocpath_bpf__destroy(skeleton);
		session->skeleton = NULL;
	}
	return error;
}

static bool trial__is_supported(enum uprobe_kind kind)
{
	int fd = uprobe__load_trial(kind);
	bool supported = uprobe__is_supported(fd, kind);

	if (fd >= 0)
		close(fd);
	return supported;
}

/* Reads and writes of it are the map's own. NULL: errno says why. */
static void *map__share(const struct bpf_map *map, size_t size)
{
	void *shared;

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return shared == MAP_FAILED ? NULL : shared;
}

static int session__map_processes(struct session *session)
{
	session->processes = map__share(session->skeleton->maps.processes,
					MAX_PROCESSES * sizeof(struct process));
	if (!session->processes)
		return -errno;
	if (session->follows_rule) {
		session->rules = map__share(session->skeleton->maps.rules,
					    MAX_PROCESSES * sizeof(struct rule));
		if (!session->rules)
			return -errno;
	}
	for (__u32 slot = 0; slot < MAX_PROCESSES; slot++) {
		int error = bpf_map_update_elem(bpf_map__fd(session->skeleton->maps.free_slots),
						NULL, &slot, 0);

		if (error)
			return error;
	}
	return 0;
}

static int session__explain(int error)
{
	if (error == -EPERM) /* EACCES is the verifier's: a program that this kernel rejects */
		return log__error(error,
				  "the kernel refuses BPF programs: run as root (or with CAP_BPF, "
				  "CAP_PERFMON and CAP_SYS_PTRACE)");
	if (!libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL))
		return log__error(error, "this kernel is too old: BPF has no storage in tasks "
					 "(Linux 5.15 or later is needed)");
	return log__error(error,
			  "the BPF programs cannot be loaded: %s (-v shows the kernel's log)",
			  strerror(-error));
}

int session__try(struct session *session, const struct options *options)
{
	int error;

	memset(session, 0, sizeof(*session));
	session->stats_fd = -1;
	session->keeps_callers = session__keeps_callers(options);
	session->follows_rule = session__follows_rule(options);
	libbpf_set_print(session__print);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	session->features.multi = trial__is_supported(UPROBE_ENTRY);
	session->features.session = session->features.multi && trial__is_supported(UPROBE_SESSION);
	error = session__load(session, options, session->features.multi, session->features.session);
	if (error && session->features.session) {
		/* What tells a session's return has changed: entry and return in two links. */
		session->features.session = false;
		error = session__load(session, options, session->features.multi, false);
	}
	return error;
}

int session__open(struct session *session, const struct options *options)
{
	int error;

	session->stats_fd = -1;
	if (access(KERNEL_BTF, R_OK))
		return log__error(-ENOENT,
				  "this kernel has no BTF (%s): a kernel built with "
				  "CONFIG_DEBUG_INFO_BTF is needed",
				  KERNEL_BTF);
	error = session__try(session, options);
	if (error)
		return session__explain(error);
	error = session__map_processes(session);
	if (error) {
		session__close(session);
		return log__error(error, "the process table cannot be mapped: %s",
				  strerror(-error));
	}
	if (log__is_verbose())
		session->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return 0;
}

/* Runs an iterator program over all tasks. */
int session__iterate(struct bpf_program *program)
{
	struct bpf_link *link;
	char discard[512];
	int fd, error = 0;

	link = bpf_program__attach_iter(program, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		error = fd;
	} else {
		while (read(fd, discard, sizeof(discard)) > 0)
			;
		close(fd);
	}
	bpf_link__destroy(link);
	return error;
}

void session__start(struct session *session)
{
	__atomic_store_n(&session->skeleton->bss->active, 1, __ATOMIC_SEQ_CST);
}

void session__stop(struct session *session)
{
	__atomic_store_n(&session->skeleton->bss->active, 0, __ATOMIC_SEQ_CST);
}

void session__stop_probing(struct session *session)
{
	__atomic_store_n(&session->skeleton->data->probing, 0, __ATOMIC_SEQ_CST);
}

void session__open_window(struct session *session)
{
	__atomic_store_n(&session->skeleton->data->window, 1, __ATOMIC_SEQ_CST);
}

void session__close_window(struct session *session)
{
	__atomic_store_n(&session->skeleton->data->window, 0, __ATOMIC_SEQ_CST);
}

int session__close_calls(struct session *session)
{
	return session__iterate(session->skeleton->progs.close_window);
}

int session__finish(struct session *session)
{
	int error;

	/* While exits are still seen: a task that ends meanwhile closes its own calls. */
	error = session__iterate(session->skeleton->progs.close_open);
	session__detach(session);
	return error;
}

__u32 session__epoch(const struct session *session)
{
	return session->skeleton->bss->epoch;
}

void session__next_epoch(struct session *session)
{
	__u32 next = session->skeleton->bss->epoch + 1;

	for (__u32 slot = 0; slot < MAX_PROCESSES; slot++)
		memset(session->processes[slot].limits[next & 1], 0,
		       sizeof(session->processes[slot].limits[0]));
	__atomic_store_n(&session->skeleton->bss->epoch, next, __ATOMIC_SEQ_CST);
}

int session__read_books(const struct session *session, struct ledger *ledger)
{
	int nr_cpus = libbpf_num_possible_cpus();
	struct ledger *per_cpu;
	__u32 zero = 0;
	int error;

	memset(ledger, 0, sizeof(*ledger));
	if (nr_cpus < 0)
		return nr_cpus;
	per_cpu = calloc(nr_cpus, sizeof(struct ledger));
	if (!per_cpu)
		return -ENOMEM;
	error = bpf_map_lookup_elem(bpf_map__fd(session->skeleton->maps.books), &zero, per_cpu);
	for (int cpu = 0; !error && cpu < nr_cpus; cpu++) {
		const __u64 *from = (const __u64 *)&per_cpu[cpu];
		__u64 *into = (__u64 *)ledger;

		for (size_t i = 0; i < sizeof(*ledger) / sizeof(__u64); i++)
			into[i] += from[i];
	}
	free(per_cpu);
	return error;
}

/* The kernel states what it holds for a map in fdinfo. */
static __u64 map__bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

__u64 session__map_bytes(const struct session *session)
{
	struct bpf_map *map;
	__u64 bytes = 0;

	bpf_object__for_each_map(map, session->skeleton->obj)
		bytes += map__bytes(bpf_map__fd(map));
	return bytes;
}

static void session__sum(const struct session *session, struct bpf_prog_info *sum)
{
	struct bpf_program *program;

	memset(sum, 0, sizeof(*sum));
	bpf_object__for_each_program(program, session->skeleton->obj) {
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length))
			continue;
		sum->run_time_ns += info.run_time_ns;
		sum->recursion_misses += info.recursion_misses;
	}
}

__u64 session__run_ns(const struct session *session)
{
	struct bpf_prog_info sum;

	session__sum(session, &sum);
	return sum.run_time_ns;
}

__u64 session__skipped(const struct session *session)
{
	struct bpf_prog_info sum;

	session__sum(session, &sum);
	return sum.recursion_misses + call_programs__skipped(&session->calls);
}

void session__close(struct session *session)
{
	session__detach(session);
	if (session->processes)
		munmap(session->processes, MAX_PROCESSES * sizeof(struct process));
	session->processes = NULL;
	if (session->rules)
		munmap(session->rules, MAX_PROCESSES * sizeof(struct rule));
	session->rules = NULL;
	if (session->stats_fd >= 0)
		close(session->stats_fd);
	session->stats_fd = -1;
	allocpath_bpf__destroy(session->skeleton);
	session->skeleton = NULL;
}

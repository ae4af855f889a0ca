/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_programs.h"
#include "log.h"
#include "session.h"
#include "session_attach.h"

typedef __u32 u32;
typedef __u64 u64;
#include "allocpath.skel.h"

#define CALL_BODIES(skeleton)                                                                      \
	{ [CALL_BEGINS] = (skeleton)->progs.call_begin_first,                                      \
	  [CALL_ENDS] = (skeleton)->progs.call_end_first },                                        \
	{                                                                                          \
		[CALL_BEGINS] = (skeleton)->progs.call_begin_second,                               \
		[CALL_ENDS] = (skeleton)->progs.call_end_second,                                   \
	}

static bool btf__has_tracepoint(const struct btf *btf, const char *name)
{
	char type[128];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

static void session__choose_calls(struct session *session, bool by_function)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct bpf_program *bodies[MAX_CALL_PROTOTYPES][NR_CALL_ENDS] = { CALL_BODIES(skeleton) };
	struct call_programs *calls = &session->calls;

	session->calls_by_function = by_function;
	bpf_program__set_autoload(skeleton->progs.syscall_enter, !by_function);
	bpf_program__set_autoload(skeleton->progs.syscall_exit, !by_function);
	bpf_program__set_autoload(skeleton->progs.clone_begin, by_function);
	for (__u32 i = 0; by_function && i < calls->nr_prototypes; i++)
		for (int end = 0; end < NR_CALL_ENDS; end++) {
			bpf_program__set_autoload(bodies[i][end], true);
			bpf_program__set_attach_target(bodies[i][end], 0, calls->first_of[i]);
		}
}

void session__choose_events(struct session *session)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct btf *btf = btf__load_vmlinux_btf();

	session->faults_by_software = !btf || !btf__has_tracepoint(btf, "page_fault_user");
	bpf_program__set_autoload(skeleton->progs.fault_user, !session->faults_by_software);
	bpf_program__set_autoload(skeleton->progs.fault_kernel, !session->faults_by_software);
	bpf_program__set_autoload(skeleton->progs.fault_software, session->faults_by_software);
	session__choose_calls(session, btf && !call_programs__find(&session->calls, btf));
	btf__free(btf);
}

static int session__add_link(struct session *session, struct bpf_link *link)
{
	struct bpf_link **links;

	if (!link)
		return -errno;
	links = realloc(session->links, (session->nr_links + 1) * sizeof(struct bpf_link *));
	if (!links) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	session->links = links;
	session->links[session->nr_links++] = link;
	return 0;
}

static int software_event__open(__u64 config, int cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = config,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
	};
	long fd;

	fd = syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

/* One event per CPU. A CPU that is offline is passed over. */
static int session__attach_software(struct session *session, struct bpf_program *program,
				    __u64 config)
{
	int nr_cpus = libbpf_num_possible_cpus();

	for (int cpu = 0; cpu < nr_cpus; cpu++) {
		struct bpf_link *link;
		int error, fd;

		fd = software_event__open(config, cpu);
		if (fd == -ENODEV)
			continue;
		if (fd < 0)
			return fd;
		link = bpf_program__attach_perf_event(program, fd);
		if (!link) {
			error = -errno;
			close(fd);
			return error;
		}
		error = session__add_link(session, link);
		if (error)
			return error;
	}
	return 0;
}

/* Ends before begins, so that no begin is left without its end. */
static int session__attach_all(struct session *session, struct bpf_program *const *programs,
			       size_t nr)
{
	int error = 0;

	for (size_t i = 0; !error && i < nr; i++)
		error = session__add_link(session, bpf_program__attach(programs[i]));
	return error;
}

static int session__attach_calls(struct session *session)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct bpf_program *on_all[] = { skeleton->progs.syscall_exit,
					 skeleton->progs.syscall_enter };
	struct bpf_program *bodies[MAX_CALL_PROTOTYPES][NR_CALL_ENDS] = { CALL_BODIES(skeleton) };
	int fds[MAX_CALL_PROTOTYPES][NR_CALL_ENDS];
	int error;

	if (!session->calls_by_function)
		return session__attach_all(session, on_all, sizeof(on_all) / sizeof(on_all[0]));
	for (int i = 0; i < MAX_CALL_PROTOTYPES; i++)
		for (int end = 0; end < NR_CALL_ENDS; end++)
			fds[i][end] = bpf_program__fd(bodies[i][end]);
	error = call_programs__attach(&session->calls, fds);
	if (error)
		return error;
	return session__add_link(session, bpf_program__attach(skeleton->progs.clone_begin));
}

int session__attach(struct session *session)
{
	struct allocpath_bpf *skeleton = session->skeleton;
	struct bpf_program *programs[] = {
		skeleton->progs.page_allocated, skeleton->progs.rss_changed,
		skeleton->progs.process_exec,	skeleton->progs.process_exit,
		skeleton->progs.process_fork,
	};
	int error;

	error = session__attach_software(session, skeleton->progs.fault_minor_end,
					 PERF_COUNT_SW_PAGE_FAULTS_MIN);
	if (!error)
		error = session__attach_software(session, skeleton->progs.fault_major_end,
						 PERF_COUNT_SW_PAGE_FAULTS_MAJ);
	if (!error)
		error = session__attach_all(session, programs,
					    sizeof(programs) / sizeof(programs[0]));
	if (!error)
		error = session__attach_calls(session);
	if (!error && session->faults_by_software) {
		error = session__attach_software(session, skeleton->progs.fault_software,
						 PERF_COUNT_SW_PAGE_FAULTS);
	} else if (!error) {
		error = session__add_link(session, bpf_program__attach(skeleton->progs.fault_user));
		if (!error)
			error = session__add_link(
				session, bpf_program__attach(skeleton->progs.fault_kernel));
	}
	if (error)
		return log__error(error, "the kernel's tracepoints cannot be attached: %s",
				  strerror(-error));
	error = session__iterate(skeleton->progs.make_records);
	if (error)
		return log__error(error, "the kernel's tasks cannot be walked: %s",
				  strerror(-error));
	return 0;
}

void session__detach(struct session *session)
{
	call_programs__detach(&session->calls);
	while (session->nr_links)
		bpf_link__destroy(session->links[--session->nr_links]);
	free(session->links);
	session->links = NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel offers, each by trying it. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "calibrate.h"
#include "call_programs.h"
#include "doctor.h"
#include "options.h"
#include "session.h"
#include "tracing.h"
#include "uprobe.h"

#define NR_UPROBE 336 /* of x86-64, from 6.18 on */

#define RIGHTS_MEND "run as root, or with CAP_BPF and CAP_PERFMON"

static const char *mend_of(int error)
{
	return error == -EPERM || error == -EACCES ? RIGHTS_MEND : "a newer kernel";
}

/* Takes a descriptor or -errno, and closes it. */
static struct finding *find_by_fd(struct doctor *doctor, const char *name, int fd, const char *cost)
{
	struct finding *finding =
		doctor__find(doctor, "kernel", name, fd >= 0 ? FINDING_YES : FINDING_NO);

	if (fd >= 0) {
		close(fd);
		return finding;
	}
	finding__say(finding, "%s", strerror(-fd));
	finding->cost = cost;
	finding->mend = mend_of(fd);
	return finding;
}

static int try_iterator(void)
{
	int program = tracing__load_trial("task", BPF_TRACE_ITER), link;

	if (program < 0)
		return program;
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	close(program);
	return link;
}

static int open_event(const struct perf_event_attr *attributes, pid_t pid, int cpu)
{
	long fd = syscall(SYS_perf_event_open, attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static int try_perf_event(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.disabled = 1,
	};
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program, event, error;

	program = bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "trial", "GPL", code,
				sizeof(code) / sizeof(code[0]), NULL);
	if (program < 0)
		return program;
	event = open_event(&attributes, -1, 0);
	error = event < 0 ? event : 0;
	if (!error && ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		error = -errno;
	close(program);
	if (error && event >= 0)
		close(event);
	return error ? error : event;
}

/* On our own function, in this process, disabled: nothing is ever hit. */
static int try_perf_uprobe(void)
{
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.config1 = (__u64)(unsigned long)"/proc/self/exe",
		.config2 = calibrate__offset(),
		.disabled = 1,
	};
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	unsigned int type;
	int error = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%u", &type) != 1)
		error = -EINVAL;
	fclose(file);
	attributes.type = type;
	return error ? error : open_event(&attributes, 0, -1);
}

/* -EBADF is the answer of a kernel that knows the type of link: see uprobe.h. */
static void try_uprobe_links(struct doctor *doctor)
{
	static const struct {
		enum uprobe_kind kind;
		const char *name;
		const char *cost;
	} kinds[] = {
		{ UPROBE_ENTRY, "uprobe_multi",
		  "one link for each probe, and CAP_SYS_ADMIN is needed for them" },
		{ UPROBE_SESSION, "uprobe_session", "depth full pays two links for a function" },
	};
	enum finding_state filters = FINDING_UNKNOWN;
	struct finding *finding;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int program = uprobe__load_trial(kinds[i].kind);
		int error = program;
		__u64 zero = 0;

		if (program >= 0) {
			error = uprobe__attach(program, kinds[i].kind, "/", &zero, &zero, 1, 0);
			if (kinds[i].kind == UPROBE_ENTRY && error == -EBADF)
				filters = uprobe__is_supported(program, kinds[i].kind) ?
						  FINDING_YES :
						  FINDING_NO;
			close(program);
		}
		finding = doctor__find(doctor, "kernel", kinds[i].name,
				       error == -EBADF ? FINDING_YES : FINDING_NO);
		if (finding->state == FINDING_YES)
			continue;
		finding__say(finding, "%s", strerror(-error));
		finding->cost = kinds[i].cost;
		finding->mend = mend_of(error);
	}
	finding = doctor__find(doctor, "kernel", "uprobe_pid_filter", filters);
	if (filters == FINDING_NO) {
		finding->cost = "uprobe_multi is not used: its filter takes threads for processes";
		finding->mend = "a newer kernel";
	}
}

/* What five-byte nops become when they are probed. */
static void try_nops(struct doctor *doctor)
{
	struct finding *finding = doctor__find(doctor, "kernel", "five_byte_nops", FINDING_YES);
	const char *detail = "left alone by this kernel";
#if defined(__x86_64__)
	int error = syscall(NR_UPROBE) < 0 ? errno : 0;

	if (error == ENXIO) {
		finding->state = FINDING_NO;
		detail = "a probe on one becomes a call that forked children do not survive";
		finding->cost =
			"none: allocpath takes the instruction after it, here and everywhere";
		finding->mend = "a kernel from 7.2 on; other probing tools need it more than we do";
	} else if (error == EPROTO) {
		detail = "only nops of ten bytes are rewritten, safely";
	}
#endif
	finding__say(finding, "%s", detail);
}

/* What the programs ask the kernel's types for when they are loaded. */
static void look_at_types(struct doctor *doctor)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct finding *finding;
	const struct btf_type *type;
	bool found = false, cached = false;
	int id;

	finding = doctor__find(doctor, "kernel", "btf", btf ? FINDING_YES : FINDING_NO);
	if (!btf) {
		finding__say(finding, "%s", strerror(errno));
		finding->cost = "nothing can be measured";
		finding->mend = "a kernel built with CONFIG_DEBUG_INFO_BTF";
		return;
	}
	id = btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM);
	type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	for (int i = 0; type && i < btf_vlen(type); i++)
		found |= !strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off),
				 "BPF_FUNC_find_vma");
	finding = doctor__find(doctor, "kernel", "find_vma", found ? FINDING_YES : FINDING_NO);
	if (!found) {
		finding->cost = "the mapping of a fault is known by its address alone";
		finding->mend = "a kernel from 5.17 on";
	}
	id = btf__find_by_name_kind(btf, "btf_trace_page_fault_user", BTF_KIND_TYPEDEF);
	finding = doctor__find(doctor, "kernel", "fault_tracepoints",
			       id > 0 ? FINDING_YES : FINDING_NO);
	if (id <= 0)
		finding->cost = "a fault has no error code: some classes are one";
	id = btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT);
	type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	for (int i = 0; type && i < btf_vlen(type); i++)
		cached |= !strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off),
				  "rss_stat");
	finding =
		doctor__find(doctor, "kernel", "rss_stat_exact", cached ? FINDING_NO : FINDING_YES);
	finding__say(finding, "%s", cached ? "cached in the task" : "told at every change");
	if (cached)
		finding->cost = "none for the counts: the task's own cache is read instead";
	btf__free(btf);
}

/* What hist asks before it loads its programs on system calls. */
static void try_trampolines(struct doctor *doctor)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct call_programs calls = {};
	int error = btf ? call_programs__find(&calls, btf) : -errno;
	struct finding *finding =
		doctor__find(doctor, "kernel", "trampolines", error ? FINDING_NO : FINDING_YES);

	btf__free(btf);
	if (!error)
		return;
	finding__say(finding, "%s", strerror(-error));
	finding->cost = "none for the counts: each system call of each task passes a tracepoint "
			"while allocpath runs";
	finding->mend = "a kernel that takes fexit programs (5.5, on arm64 6.0, and later)";
}

/* All programs as hist loads them; none is attached. */
static void try_programs(struct doctor *doctor)
{
	struct options options = { .target = TARGET_ALL, .depth = DEPTH_ENTRY, .max_size = ~0ULL };
	struct session session;
	struct finding *finding;
	int error = session__try(&session, &options);

	finding = doctor__find(doctor, "kernel", "programs", error ? FINDING_NO : FINDING_YES);
	if (error) {
		finding__say(finding, "%s", strerror(-error));
		finding->cost = "nothing can be measured";
		finding->mend = mend_of(error);
	} else {
		finding__say(finding, "%llu MiB of maps at depth entry",
			     session__map_bytes(&session) >> 20);
		session__close(&session);
	}
}

void doctor__try_kernel(struct doctor *doctor)
{
	struct utsname name;
	struct finding *finding = doctor__find(doctor, "kernel", "release", FINDING_YES);

	libbpf_set_print(NULL); /* what fails is what is asked for */
	if (!uname(&name))
		finding__say(finding, "%s %s %s", name.sysname, name.release, name.machine);
	look_at_types(doctor);
	find_by_fd(doctor, "tp_btf", tracing__try("sched_process_exec", BPF_TRACE_RAW_TP),
		   "nothing can be measured");
	try_trampolines(doctor);
	find_by_fd(doctor, "perf_event", try_perf_event(), "nothing can be measured");
	find_by_fd(doctor, "iter", try_iterator(), "nothing can be measured");
	try_programs(doctor);
	try_uprobe_links(doctor);
	finding = find_by_fd(doctor, "perf_uprobe", try_perf_uprobe(),
			     "none where uprobe_multi is there; else no allocation function");
	if (finding->state == FINDING_NO)
		finding->mend = "run as root, or with CAP_SYS_ADMIN";
	try_nops(doctor);
}

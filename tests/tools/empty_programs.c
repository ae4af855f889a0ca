/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * empty_programs: has BPF programs that do nothing where allocpath's kernel side has its own, at
 * the entry and exit of all system calls and at the events of a page fault, until SIGINT or
 * SIGTERM. What they cost is the floor of any such measuring. Says "ready" when they are attached.
 * As root.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "tracing.h"

static const char *const tracepoints[] = {
	"sys_exit",	     "sys_enter",     "page_fault_user",
	"page_fault_kernel", "mm_page_alloc", "rss_stat",
};

static const __u64 software_events[] = {
	PERF_COUNT_SW_PAGE_FAULTS_MIN,
	PERF_COUNT_SW_PAGE_FAULTS_MAJ,
};

static int load_for_event(void)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "empty", "GPL", code,
			     sizeof(code) / sizeof(code[0]), NULL);
}

/* On one CPU. The event's descriptor stays open, which keeps it. -ENODEV: the CPU is offline. */
static int attach_event(__u64 event, int cpu, int program)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = event,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	return 0;
}

static int attach_events(void)
{
	int program = load_for_event(), nr_cpus = libbpf_num_possible_cpus(), error;

	if (program < 0)
		return program;
	for (size_t i = 0; i < sizeof(software_events) / sizeof(software_events[0]); i++) {
		for (int cpu = 0; cpu < nr_cpus; cpu++) {
			error = attach_event(software_events[i], cpu, program);
			if (error && error != -ENODEV)
				return error;
		}
	}
	return 0;
}

int main(void)
{
	sigset_t signals;
	int error, got;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (size_t i = 0; i < sizeof(tracepoints) / sizeof(tracepoints[0]); i++) {
		error = tracing__try(tracepoints[i], BPF_TRACE_RAW_TP);
		if (error < 0) {
			fprintf(stderr, "empty_programs: %s: %s\n", tracepoints[i],
				strerror(-error));
			return 1;
		}
	}
	error = attach_events();
	if (error) {
		fprintf(stderr, "empty_programs: page faults: %s\n", strerror(-error));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	return sigwait(&signals, &got) ? 1 : 0;
}

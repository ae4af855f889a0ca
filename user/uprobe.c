/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uprobe.h"

/* include/uapi/linux/bpf.h of 6.13; Debian 12's headers are older. */
#define ATTACH_UPROBE_MULTI 48
#define ATTACH_UPROBE_SESSION 57
#define UPROBE_MULTI_RETURN 1

struct link_create_uprobe_multi {
	__u32 program_fd;
	__u32 target_fd;
	__u32 attach_type;
	__u32 flags;
	__u64 path;
	__u64 offsets;
	__u64 reference_counters;
	__u64 cookies;
	__u32 nr;
	__u32 multi_flags;
	__u32 pid;
	__u32 pad;
};

int uprobe__attach_type(enum uprobe_kind kind)
{
	return kind == UPROBE_SESSION ? ATTACH_UPROBE_SESSION : ATTACH_UPROBE_MULTI;
}

int uprobe__attach(int program_fd, enum uprobe_kind kind, const char *path, const __u64 *offsets,
		   const __u64 *cookies, size_t nr, pid_t pid)
{
	struct link_create_uprobe_multi attributes = {
		.program_fd = program_fd,
		.attach_type = uprobe__attach_type(kind),
		.path = (__u64)(unsigned long)path,
		.offsets = (__u64)(unsigned long)offsets,
		.cookies = (__u64)(unsigned long)cookies,
		.nr = nr,
		.multi_flags = kind == UPROBE_RETURN ? UPROBE_MULTI_RETURN : 0,
		.pid = pid,
	};
	long fd;

	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : (int)fd;
}

int uprobe__load_trial(enum uprobe_kind kind)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load_options,
		    .expected_attach_type = (enum bpf_attach_type)uprobe__attach_type(kind));

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "trial", "GPL", code,
			     sizeof(code) / sizeof(code[0]), &load_options);
}

bool uprobe__is_supported(int program_fd, enum uprobe_kind kind)
{
	__u64 offset = 0, cookie = 0;
	int fd;

	if (program_fd < 0)
		return false;
	/*
	 * A directory is no file to probe: EBADF from a kernel that knows the attach type, EINVAL
	 * from one that does not. With a pid that cannot be, EINVAL comes first where the filter
	 * goes by process; early ones, which took it for a thread, say EBADF.
	 */
	fd = uprobe__attach(program_fd, kind, "/", &offset, &cookie, 1, 0);
	if (fd >= 0)
		close(fd);
	if (fd != -EBADF)
		return false;
	fd = uprobe__attach(program_fd, kind, "/", &offset, &cookie, 1, -1);
	if (fd >= 0)
		close(fd);
	return fd == -EINVAL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "tracing.h"

static int load_trial(__u32 id, enum bpf_attach_type type)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type, .attach_btf_id = id);

	return bpf_prog_load(BPF_PROG_TYPE_TRACING, "trial", "GPL", code,
			     sizeof(code) / sizeof(code[0]), &options);
}

int tracing__load_trial(const char *target, enum bpf_attach_type type)
{
	int id = libbpf_find_vmlinux_btf_id(target, type);

	return id < 0 ? id : load_trial((__u32)id, type);
}

static int attach_trial(int program)
{
	int link;

	if (program < 0)
		return program;
	link = bpf_raw_tracepoint_open(NULL, program);
	close(program);
	return link;
}

int tracing__try(const char *target, enum bpf_attach_type type)
{
	return attach_trial(tracing__load_trial(target, type));
}

int tracing__try_id(__u32 id, enum bpf_attach_type type)
{
	return attach_trial(load_trial(id, type));
}

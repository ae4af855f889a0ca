/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "call_programs.h"
#include "tracing.h"

#if defined(__x86_64__)
#define SYSCALL_FUNCTION(name) "__x64_sys_" name
#else
#define SYSCALL_FUNCTION(name) "__arm64_sys_" name
#endif

/* Ends are attached first, so that no begin is left without its end. */
static const enum bpf_attach_type attach_types[NR_CALL_ENDS] = {
	[CALL_BEGINS] = BPF_TRACE_FENTRY,
	[CALL_ENDS] = BPF_TRACE_FEXIT,
};

int call_programs__find(struct call_programs *calls, const struct btf *btf)
{
	static const char *const names[NR_MEMORY_CALLS] = {
		SYSCALL_FUNCTION("brk"),      SYSCALL_FUNCTION("mmap"),
		SYSCALL_FUNCTION("munmap"),   SYSCALL_FUNCTION("mremap"),
		SYSCALL_FUNCTION("mprotect"), SYSCALL_FUNCTION("madvise"),
	};
	__u32 types[MAX_CALL_PROTOTYPES];
	int link;

	calls->nr_prototypes = 0;
	for (int i = 0; i < NR_MEMORY_CALLS; i++) {
		int id = btf__find_by_name_kind(btf, names[i], BTF_KIND_FUNC);
		const struct btf_type *function = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
		__u32 at = 0;

		if (!function)
			return -ENOENT;
		while (at < calls->nr_prototypes && types[at] != function->type)
			at++;
		if (at == MAX_CALL_PROTOTYPES)
			return -EOPNOTSUPP;
		if (at == calls->nr_prototypes) {
			types[at] = function->type;
			calls->first_of[at] = names[i];
			calls->nr_prototypes++;
		}
		calls->functions[i] = (__u32)id;
		calls->prototypes[i] = at;
	}
	link = tracing__try_id(calls->functions[0], BPF_TRACE_FEXIT);
	if (link < 0)
		return link;
	close(link);
	return 0;
}

/* An array of one program, to jump to it. Descriptor or -errno. */
static int make_array(int body)
{
	int array = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "call_body", sizeof(__u32),
				   sizeof(__u32), 1, NULL);
	__u32 zero = 0;
	int error;

	if (array < 0)
		return array;
	error = bpf_map_update_elem(array, &zero, &body, BPF_ANY);
	if (error) {
		close(array);
		return error;
	}
	return array;
}

static int load_jump(__u32 function, enum bpf_attach_type type, int array)
{
	struct bpf_insn code[] = {
		/* r1 is the context already; the array takes two */
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = array },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type,
		    .attach_btf_id = function);

	return bpf_prog_load(BPF_PROG_TYPE_TRACING, "call_jump", "GPL", code,
			     sizeof(code) / sizeof(code[0]), &options);
}

static int call_programs__attach_end(struct call_programs *calls, enum call_end end)
{
	for (int i = 0; i < NR_MEMORY_CALLS; i++) {
		int fd = load_jump(calls->functions[i], attach_types[end],
				   calls->arrays[calls->prototypes[i]][end]);

		if (fd < 0)
			return fd;
		calls->programs[i][end] = fd;
		fd = bpf_raw_tracepoint_open(NULL, fd);
		if (fd < 0)
			return fd;
		calls->links[i][end] = fd;
	}
	return 0;
}

int call_programs__attach(struct call_programs *calls,
			  const int bodies[MAX_CALL_PROTOTYPES][NR_CALL_ENDS])
{
	int error = 0;

	for (int end = NR_CALL_ENDS; !error && end-- > 0;) {
		for (__u32 i = 0; i < calls->nr_prototypes; i++) {
			int array = make_array(bodies[i][end]);

			if (array < 0)
				return array;
			calls->arrays[i][end] = array;
		}
		error = call_programs__attach_end(calls, end);
	}
	return error;
}

__u64 call_programs__skipped(const struct call_programs *calls)
{
	__u64 skipped = 0;

	for (int i = 0; i < NR_MEMORY_CALLS * NR_CALL_ENDS; i++) {
		int fd = calls->programs[i / NR_CALL_ENDS][i % NR_CALL_ENDS];
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);

		if (fd > 0 && !bpf_obj_get_info_by_fd(fd, &info, &length))
			skipped += info.recursion_misses;
	}
	return skipped;
}

static void close_all(int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (fds[i] > 0)
			close(fds[i]);
		fds[i] = 0;
	}
}

/* What is attached is gone before what it jumps to. */
void call_programs__detach(struct call_programs *calls)
{
	close_all(&calls->links[0][0], NR_MEMORY_CALLS * NR_CALL_ENDS);
	close_all(&calls->programs[0][0], NR_MEMORY_CALLS * NR_CALL_ENDS);
	close_all(&calls->arrays[0][0], MAX_CALL_PROTOTYPES * NR_CALL_ENDS);
}

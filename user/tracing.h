/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs by BTF: which of them the kernel takes, found by trying. */
#ifndef ALLOCPATH_TRACING_H
#define ALLOCPATH_TRACING_H

#include <bpf/bpf.h>

/*
 * Loads a program that does nothing for a tracepoint or an iterator of the kernel.
 * A descriptor or -errno.
 */
int tracing__load_trial(const char *target, enum bpf_attach_type type);

/*
 * Loads and attaches one, as a link that the caller closes: a kernel may take the program and
 * refuse the link. A descriptor or -errno.
 */
int tracing__try(const char *target, enum bpf_attach_type type);

/* The same of the function or tracepoint with this number in the kernel's BTF. */
int tracing__try_id(__u32 id, enum bpf_attach_type type);

#endif

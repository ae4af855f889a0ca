# SPDX-License-Identifier: GPL-2.0-or-later
"""A uprobe without allocpath and without BPF: a perf event that counts. For proofs."""

import contextlib
import ctypes
import errno
import os
import platform
import struct

import harness

SYS_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}[platform.machine()]
SYS_UPROBE = 336
TYPE = "/sys/bus/event_source/devices/uprobe/type"
ATTRIBUTE_BYTES = 128

_libc = ctypes.CDLL(None, use_errno=True)


def kernel_turns_nops_into_calls():
    """6.18 to 7.1 do, and forked children do not survive it: kernel.md 0."""
    return _libc.syscall(SYS_UPROBE) == -1 and ctypes.get_errno() == errno.ENXIO


@contextlib.contextmanager
def probe(path, offset):
    """A probe at an offset of a file, in every process."""
    if not os.access(TYPE, os.R_OK):
        raise harness.Skip("no perf event for uprobes")
    with open(TYPE, encoding="utf-8") as file:
        kind = int(file.read())
    name = ctypes.create_string_buffer(os.fsencode(path))
    # type, size, config, sample_period, sample_type, read_format, flags, wakeup, bp_type,
    # config1: the path, config2: the offset
    attribute = struct.pack("<IIQQQQQIIQQ", kind, ATTRIBUTE_BYTES, 0, 0, 0, 0, 0, 0, 0,
                            ctypes.addressof(name), offset).ljust(ATTRIBUTE_BYTES, b"\0")
    descriptors = []
    try:
        for cpu in range(os.cpu_count() or 1):
            descriptor = _libc.syscall(SYS_PERF_EVENT_OPEN, attribute, -1, cpu, -1, 0)
            if descriptor < 0:
                raise harness.Skip("no uprobe by perf: " + os.strerror(ctypes.get_errno()))
            descriptors.append(descriptor)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)

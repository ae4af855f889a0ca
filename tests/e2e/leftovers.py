# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of allocpath may leave behind: nothing."""

import contextlib
import ctypes
import os
import platform
import time

from harness import Failure, children_of

# A link goes with its last descriptor, but the kernel takes its time.
PATIENCE_S = 15

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
GET_NEXT_ID = {"program": 11, "link": 31}

_libc = ctypes.CDLL(None, use_errno=True)


def attached():
    """Every BPF link and program of the host, as bpftool lists them."""
    found = set()
    for kind, command in GET_NEXT_ID.items():
        # start_id, next_id, open_flags of union bpf_attr
        attributes = (ctypes.c_uint32 * 3)()
        while not _libc.syscall(SYS_BPF, command, attributes, ctypes.sizeof(attributes)):
            found.add((kind, attributes[1]))
            attributes[0] = attributes[1]
    return found


def files_in(directory):
    return {entry: os.lstat(os.path.join(directory, entry)).st_size
            for entry in os.listdir(directory)}


@contextlib.contextmanager
def nothing_attached():
    """Links and programs are those of before. Others' may come and go: only what stays is ours."""
    before = attached()
    yield
    left = attached() - before
    end = time.monotonic() + PATIENCE_S
    while left:
        if time.monotonic() > end:
            raise Failure(f"still there after {PATIENCE_S} s: {sorted(left)}")
        time.sleep(0.1)
        left &= attached()


@contextlib.contextmanager
def no_process():
    """No child is left that was not there before."""
    before = set(children_of(os.getpid()))
    yield
    left = set(children_of(os.getpid())) - before
    end = time.monotonic() + PATIENCE_S
    while left and time.monotonic() < end:
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # an orphan that we were given
        left &= set(children_of(os.getpid()))
        time.sleep(0.02)
    if left:
        raise Failure(f"processes are left: {sorted(left)}")

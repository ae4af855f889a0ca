# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of allocpath may leave behind: nothing."""

import contextlib
import json
import os
import subprocess
import time

from harness import Failure, children_of, need

# A link goes with its last descriptor, but the kernel takes its time.
PATIENCE_S = 15


def _ids(kind):
    output = subprocess.run(["bpftool", "-j", kind, "list"], capture_output=True, check=False)
    try:
        return {(kind, row["id"]) for row in json.loads(output.stdout or "[]")}
    except ValueError:
        # it stops in the middle when somebody else's object goes while it lists
        return None


def attached():
    """Every BPF link and program of the host."""
    need("bpftool")
    while True:
        links, programs = _ids("link"), _ids("prog")
        if links is not None and programs is not None:
            return links | programs


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

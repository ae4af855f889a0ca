# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF programs that a running allocpath holds, by tests/tools/bpf_programs."""

import collections
import os
import subprocess
import time

from harness import ALLOCPATH, BUILD, Failure

TOOL = os.path.join(BUILD, "tests", "tools", "bpf_programs")
# each set of switches leaves something in that another leaves out
VARIANTS = {
    "stacks of the host": ["hist", "--stacks", "5", "-d", "1s", "-v"],
    "all of a command": ["hist", "--stacks", "5", "--probes", "full", "-v", "--", "sleep", "1"],
    "budget of a name": ["hist", "--budget", "5", "-n", "sleep", "-d", "500ms"],
    "one process": ["hist", "--probes", "full", "--stacks", "5", "-p", "{pid}", "-d", "500ms"],
    "a cgroup": ["hist", "--stacks", "5", "--cgroup", "{cgroup}", "-d", "500ms"],
    "flames of the host": ["flame", "-d", "500ms"],
    "flames of a command": ["flame", "--probes", "full", "--", "sleep", "1"],
    "recording of the host": ["record", "-d", "1s"],
    "recording of a command": ["record", "--probes", "full", "-k", "--", "sleep", "1"],
    "recording within a budget": ["record", "--budget", "5", "-n", "sleep", "-d", "1s"],
    "thresholds of the host": ["threshold", "-d", "1s"],
    "thresholds of a command": ["threshold", "--", "sleep", "1"],
    "thresholds of a name": ["threshold", "-n", "sleep", "-d", "1s"],
}

Loaded = collections.namedtuple("Loaded", "instructions verified runs run_ns")


def _read(pid):
    text = subprocess.run([TOOL, str(pid)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False).stdout
    rows = (line.split() for line in text.splitlines())
    return {name: Loaded(*map(int, rest)) for name, *rest in rows}


def _cgroup():
    """The root of the v2 hierarchy."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        rows = [line.split() for line in mounts]
    return next(row[1] for row in rows if row[2] == "cgroup2")


def programs(context):
    """{name: Loaded}: of each program the variant of which the verifier walks most."""
    most = {}
    places = {"pid": os.getpid(), "cgroup": _cgroup()}
    for variant, arguments in VARIANTS.items():
        arguments = [argument.format(**places) for argument in arguments]
        output = ["-o", context.file("output")]
        tool = context.start([ALLOCPATH, arguments[0], *output, *arguments[1:]])
        last = {}
        end = time.monotonic() + 60
        while tool.poll() is None and time.monotonic() < end:
            now = _read(tool.pid)
            last = now if len(now) >= len(last) else last
            time.sleep(0.05)
        if context.finish(tool) or "process_exit" not in last:
            raise Failure(f"{variant}: {last}", *context.stderr_of(tool).splitlines()[-5:])
        for name, row in last.items():
            if name not in most or row.verified > most[name].verified:
                most[name] = row
    return most

# SPDX-License-Identifier: GPL-2.0-or-later
"""Which processes are measured: by name, by control group, by image."""

import contextlib
import os
import subprocess
import time

import compare
from harness import Failure, Skip, fail_if, test
from workloads import text_check


@test
def by_name(context):
    """-n: those of that name, whether they run already or come later."""
    before = text_check(context)
    tool = context.start_tool("-n", "text_check")
    after = text_check(context)
    context.run(["/bin/ls", "/usr"])
    time.sleep(0.5)
    report = context.end_tool(tool, "entry")
    found = compare.books(report) + compare.nothing_lost(report)
    found += [f"{process['comm']} is in the table" for process in report.processes
              if process["comm"] != "text_check"]
    for target in (before, after):
        rows = report.processes_of(target.pid)
        if len(rows) != 1 or rows[0]["requests"]["count"] < 10:
            found.append(f"{target.pid}: {[(row['execs'], row['requests']) for row in rows]}")
    fail_if(found)


@contextlib.contextmanager
def _cgroup():
    """A cgroup v2 with a group below it, for the test alone."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if not roots:
        raise Skip("no cgroup v2 is mounted")
    name = f"allocpath-test-{os.getpid()}"
    path = os.path.join(roots[0], name)
    try:
        os.makedirs(os.path.join(path, "below"))
    except OSError as error:
        raise Skip(f"no cgroup can be made: {error}") from None
    try:
        yield path, "/" + name
    finally:
        for directory in (os.path.join(path, "below"), path):
            for _ in range(100):
                try:
                    os.rmdir(directory)
                    break
                except OSError:  # its processes are still ending
                    time.sleep(0.05)


def _move(pid, group):
    with open(os.path.join(group, "cgroup.procs"), "w", encoding="utf-8") as procs:
        procs.write(str(pid))


@test
def by_cgroup(context):
    """--cgroup, by path and by name: its processes and those of groups below, no others."""
    with _cgroup() as (path, name):
        targets = {group: text_check(context)
                   for group in (name, name + "/below", "elsewhere")}
        for group, target in targets.items():
            if group != "elsewhere":
                _move(target.pid, path + group[len(name):])
        found = []
        for given in (path, name):
            tool = context.start_tool("--cgroup", given)
            time.sleep(0.5)
            report = context.end_tool(tool, "entry")
            found += compare.books(report) + compare.nothing_lost(report)
            expected = {(target.pid, group) for group, target in targets.items()
                        if group != "elsewhere"}
            got = {(process["pid"], process["cgroup"]) for process in report.processes
                   if process["requests"]["count"]}
            if got != expected or len(report.processes) != len(expected):
                found.append(f"{given}: {got}, not {expected}")
        for target in targets.values():
            target.stdin.close()
            context.finish(target)
        fail_if(found)


SPAWNS = """
import os, sys
sys.stdin.read(1)
for i in range(100):
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
sys.stderr.write("done\\n")
sys.stdin.read(1)
"""


@test
def spawned_images_are_not_their_parents(context):
    """A child of vfork has its parent's number, and in its exec a memory of its own.

    The child's one page of stack is the parent's: posix_spawn makes a mapping for it each time.
    """
    target = context.start(["/usr/bin/python3", "-I", "-S", "-c", SPAWNS],
                           stdin=subprocess.PIPE, bufsize=0)
    tool = context.start_tool("--probes", "kernel", "-p", target.pid)
    target.stdin.write(b"g")
    context.wait_for(lambda: "done\n" in context.stderr_of(target), "100 processes")
    report = context.end_tool(tool, "kernel")
    (process,) = report.processes
    faults = process["faults"]
    if faults["file_private"] > 10 or faults["first_touch"]["count"] > 110:
        raise Failure(f"faults of the images are there: {faults}")
    fail_if(compare.books(report) + compare.nothing_lost(report))

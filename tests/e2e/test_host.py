# SPDX-License-Identifier: GPL-2.0-or-later
"""The live host, and the children of a process (issue 2, 'It holds when' 5)."""

import os
import subprocess
import time

import compare
import harness
import independent
import libc_copy
from harness import Failure, Skip, changed_text, each, fail_if, need, program, test
from workloads import text_check

HOST_S = 10
LEAST_EXACT = 20  # short-lived processes that are held against their own count

SHORT_LIVED = {"true": ["/bin/true"], "ls": ["/bin/ls", "/usr"]}

PYTHON_LOOP = "while True: blocks = [bytes(1000) for i in range(2000)] + [bytearray(200000)]"
SQL_LOOP = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT length(i || 'x') FROM n;"
)


def _cc1_loop(context):
    source = os.path.join(context.path, "one.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("int one(int *numbers) { return numbers[1] + 1; }\n")
    cc1 = harness.cc1()
    return ["sh", "-c", f"while :; do {cc1} -quiet -O2 {source} -o /dev/null; done"]


class ShortLived:
    """What one of them is known to do, and those that were started."""

    def __init__(self, context, command):
        self.command = command
        self.calls = independent.syscalls(context, command)
        (image,) = independent.allocations(context, command)
        self.requests = image["count"]
        self.started = []  # (pid, when it had ended)

    def run(self, context):
        process = context.start(self.command)
        context.finish(process)
        self.started.append((process.pid, time.monotonic()))

    def check(self, report, attached_until):
        """What is wrong, and how many were held against their exact count of requests."""
        found, exact = [], 0
        for pid, end in self.started:
            images = [image for image in report.processes_of(pid)
                      if image["exe"] and image["exe"].endswith(self.command[0])]
            if len(images) != 1:
                found.append(f"{self.command[0]} ({pid}): {len(images)} times in the table")
                continue
            (image,) = images
            name = f"{self.command[0]} ({pid})"
            count = image["requests"]["count"]
            if end < attached_until:
                exact += 1
                if count != self.requests:
                    found.append(f"{name}: {count} requests, not {self.requests}")
            elif count > self.requests:
                found.append(f"{name}: {count} requests, more than {self.requests}")
            for call, row in self.calls.items():
                if image["syscalls"][call]["calls"] != row["calls"]:
                    found.append(f"{name}: {call} {image['syscalls'][call]}, not {row['calls']}")
            if not image["faults"]["first_touch"]["count"] or not image["exited"]:
                found.append(f"{name}: {image['faults']}, exited {image['exited']}")
        return found, exact


def _lost(report):
    """The end of a host-wide run cuts into what goes on: that may be open, nothing else lost."""
    open_at_end = report.json["lost"]["open_at_end"]
    others = report.json["lost"]["total"] - open_at_end
    return compare.nothing_lost(report) if others or open_at_end > 2 * os.cpu_count() else []


def _host_run(context, pause, between=lambda: None):
    """Short-lived processes for ten seconds of a host-wide run. (report, found, exact)"""
    kinds = [ShortLived(context, command) for command in SHORT_LIVED.values()]
    tool = context.start_tool("-a", "--budget", "none", "-d", f"{HOST_S}s")
    began = time.monotonic()
    while time.monotonic() < began + HOST_S - 2:
        for kind in kinds:
            kind.run(context)
        between()
        time.sleep(pause)
    report = context.end_tool(tool, "entry", with_signal=None)
    duration = report.json["duration_s"]
    # what ended within a quarter of a second of the detachment may have been cut short
    attached_until = began + report.json["coverage"] * duration - 0.25
    if not report.json["cost"]["detached"]:
        attached_until = began + 2 * duration
    found = compare.books(report) + _lost(report)
    if not HOST_S <= duration < HOST_S + 1:
        found.append(f"{duration} s, not {HOST_S}")
    exact = 0
    for kind in kinds:
        wrong, right = kind.check(report, attached_until)
        found += wrong
        exact += right
    return report, found, exact


@test
def short_lived(context):
    """Every process of a quiet host, to the unit."""
    report, found, exact = _host_run(context, 0.15)
    fail_if(found)
    if exact < LEAST_EXACT:
        raise Skip(f"the host is busy: only {exact} before {report.json['cost']['detached']}")


@test
def busy(context):
    """More allocations than a host may pay for: the probes go, the kernel's side stays."""
    need("gcc")
    need("sqlite3")
    loops = {
        "python3": ["/usr/bin/python3", "-I", "-S", "-c", PYTHON_LOOP],
        "sqlite3": ["sqlite3", ":memory:", SQL_LOOP],
        "cc1": _cc1_loop(context),
    }
    running = {name: context.start(command) for name, command in loops.items()}
    report, found, _ = _host_run(context, 0.05)
    for name, process in running.items():
        if process.poll() is not None:
            found.append(f"{name} ended with {process.returncode}")
        process.kill()
    if not report.json["cost"]["detached"] or not 0 < report.json["coverage"] < 1:
        found.append(f"not detached: {report.json['cost']}, {report.json['coverage']}")
    rows = {
        "python3": report.processes_of(running["python3"].pid),
        "sqlite3": report.processes_of(running["sqlite3"].pid),
        "cc1": [process for process in report.processes if process["comm"] == "cc1"],
    }
    for name, processes in rows.items():
        if not sum(process["requests"]["count"] for process in processes):
            found.append(f"{name}: no requests in {len(processes)} processes")
    mapped = sum(process["syscalls"]["mmap"]["calls"] for process in rows["python3"])
    # that many in the part of the run that had probes: there were more in the whole of it
    if mapped * report.json["coverage"] < sum(
        process["paths"]["mmap"]["count"] for process in rows["python3"]
    ) / 2:
        found.append(f"python3: {mapped} calls of mmap, but {rows['python3'][0]['paths']}")
    if len(rows["cc1"]) < 5:
        found.append(f"cc1: only {len(rows['cc1'])} processes")
    fail_if(found)


@test
def kernel_depth(context):
    """No probe stands in anybody's text, and the kernel's side is there."""
    target = text_check(context, environment=libc_copy.copy(context))
    kind = ShortLived(context, SHORT_LIVED["ls"])
    tool = context.start_tool("-a", "--probes", "kernel")
    for _ in range(5):
        kind.run(context)
    changed = changed_text(target.pid)
    report = context.end_tool(tool, "kernel")
    found = compare.books(report) + _lost(report)
    for pid, _ in kind.started:
        image = report.processes_of(pid)[-1]
        found += [f"{call}: {image['syscalls'][call]['calls']}, not {row['calls']}"
                  for call, row in kind.calls.items()
                  if image["syscalls"][call]["calls"] != row["calls"]]
    if changed or report.json["attached"] or report.json["cost"]["traps"]:
        found.append(f"probes: {changed} {report.json['attached']} {report.json['cost']}")
    fail_if(found)


# {name: how text_check comes to run on a copy of libc, $0, in the directory $1}
UNUSUAL_FILES = {
    "deleted": 'LD_LIBRARY_PATH=$1 exec "$2"',
    "other_mount_namespace": 'mount -t tmpfs none "$1" && cp "$0" "$1/libc.so.6" &&'
    ' LD_LIBRARY_PATH=$1 exec "$2"',
}


@each(UNUSUAL_FILES)
def libc_without_a_path(context, script):
    """A libc that no path of ours leads to: replaced by an upgrade, or inside a container."""
    need("unshare")
    directory = libc_copy.copy(context)["LD_LIBRARY_PATH"]
    path = os.path.join(directory, "libc.so.6")
    target = text_check(context, before=["unshare", "-m", "sh", "-c", script,
                                          libc_copy.find(), directory])
    os.unlink(path)
    tool = context.start_tool("-a", "--budget", "none")
    time.sleep(0.5)
    report = context.end_tool(tool, "entry")
    (process,) = report.processes_of(target.pid)
    attached = [row["file"] for row in report.json["attached"]]
    if process["requests"]["count"] < 10 or not [name for name in attached if directory in name]:
        raise Failure(f"{process['requests']}, attached: {attached}")
    fail_if(compare.books(report))


@each({"with": True, "without": False})
def children(context, follow):
    """-p alone is that process; with --children those it has and those that it gets."""
    kind = ShortLived(context, SHORT_LIVED["ls"])
    fifo = os.path.join(context.path, "fifo")
    os.mkfifo(fifo)
    script = (f"{program('text_check')} <>{fifo} & read x; {' '.join(kind.command)}; "
              f"{' '.join(kind.command)}; echo done >&2; read y")
    shell = context.start(["sh", "-c", script], stdin=subprocess.PIPE, bufsize=0)
    context.wait_for(lambda: "ready\n" in context.stderr_of(shell), "the shell's child")
    (child,) = harness.children_of(shell.pid)
    tool = context.start_tool("-p", shell.pid, *(["--children"] if follow else []))
    shell.stdin.write(b"go\n")
    context.wait_for(lambda: "done\n" in context.stderr_of(shell), "the shell's work")
    report = context.end_tool(tool, "entry")
    shell.stdin.close()
    context.finish(shell)
    found = compare.books(report) + compare.nothing_lost(report)
    listed = [process["requests"]["count"] for process in report.processes
              if process["comm"] == "ls"]
    if listed != ([kind.requests, kind.requests] if follow else []):
        found.append(f"ls: {listed} requests, {kind.requests} each")
    if bool(report.processes_of(child)) != follow:
        found.append(f"the child that ran already: {report.processes_of(child)}")
    if not report.processes_of(shell.pid):
        found.append("the shell itself is not there")
    if not follow and len(report.processes) != 1:
        found.append(f"{len(report.processes)} processes, not one")
    fail_if(found)

# SPDX-License-Identifier: GPL-2.0-or-later
"""allocpath threshold, and gdb with libc6-dbg as the one that knows."""

import json
import os
import re
import signal
import subprocess
import time

import harness
from harness import Failure, Skip, need


def need_gdb():
    """gdb, and debug symbols of libc."""
    need("gdb")
    if not os.path.isdir("/usr/lib/debug/.build-id"):
        raise Skip("libc6-dbg is not installed")


def gdb_threshold(pid):
    """mp_.mmap_threshold of a stopped process, by gdb."""
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "print mp_.mmap_threshold"],
        capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"^\$1 = (\d+)$", done.stdout, re.MULTILINE)
    if not found:
        raise Failure("gdb does not tell mp_.mmap_threshold", done.stderr[-500:])
    return int(found.group(1))


def state_of(pid):
    """The letter of /proc/PID/stat; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return ""


def comm_of(pid):
    """The name of its program; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def run(context, *words, command=None, status=0, **options):
    """One run of allocpath threshold --json; start() instead where someone looks at it."""
    return finish(context, start(context, *words, command=command, **options), status)


def start(context, *words, command=None, **options):
    """Starts it; -- COMMAND where one is given."""
    output = context.file("threshold.json")
    tail = ["--", *command] if command else []
    tool = context.start([harness.ALLOCPATH, "threshold", "--json", "-o", output, *words, *tail],
                         **options)
    tool.output = output
    return tool


def finish(context, tool, status=0):
    """Its document."""
    ended = context.finish(tool)
    if ended != status:
        raise Failure(f"threshold ended with {ended}, not {status}",
                      *context.stderr_of(tool).splitlines()[-10:])
    with open(tool.output, encoding="utf-8") as report:
        return json.load(report)


def child_of(context, tool, name):
    """The process of that name below the tool, once it runs the program."""
    found = []

    def look():
        todo = [tool.pid]
        while todo:
            for pid in harness.children_of(todo.pop()):
                todo.append(pid)
                if comm_of(pid) == name:
                    found.append(pid)
        return bool(found) or tool.poll() is not None

    context.wait_for(look, f"{name} to run")
    if not found:
        raise Failure(f"{name} has ended before it was looked at",
                      *context.stderr_of(tool).splitlines()[-5:])
    return found[0]


def look_while_stopped(pid, moments):
    """(time, threshold) of a stopped process, into moments; it goes on then."""
    moments.append((time.monotonic_ns(), gdb_threshold(pid)))
    os.kill(pid, signal.SIGCONT)


def predicted_at(document, process, moment_ns):
    """What the tool says that the threshold was at a time."""
    at = process["default"]
    for move in process["moves"]:
        if document["start_ns"] + move["t_ns"] <= moment_ns:
            at = move["to"]
    return at


def compare_moments(document, process, moments):
    """Differences between gdb's thresholds and the predicted ones."""
    wrong = []
    if process["nr_moves"] != len(process["moves"]):
        wrong.append(f"{process['nr_moves']} moves, {len(process['moves'])} told of")
    for moment_ns, truth in moments:
        told = predicted_at(document, process, moment_ns)
        if told != truth:
            wrong.append(f"at {moment_ns - document['start_ns']} ns gdb reads {truth}, "
                         f"predicted {told}")
    return wrong


def judged_all(process):
    """Differences from: every judged request is explained, and their sum is right."""
    wrong = []
    if process["unexplained"] or process["undecided"]:
        wrong.append(f"{process['comm']} {process['pid']}: {process['unexplained']} unexplained, "
                     f"{process['undecided']} undecided of {process['judged']}")
    parts = (process["agree"] + sum(process["disagree"].values()) + process["unexplained"]
             + process["undecided"])
    if parts != process["judged"]:
        wrong.append(f"{process['comm']}: {process['judged']} judged, {parts} by their ends")
    return wrong


def tell(moments, *processes):
    """Says how much was held against what: a line below the test's."""
    judged = sum(process["judged"] for process in processes)
    print(f"    {len(moments)} moments compared with gdb, {judged} requests judged", flush=True)


def stop(context, pid):
    """Stops a process at work; False when it has ended instead."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    context.wait_for(lambda: state_of(pid) in ("T", "Z", ""), "it to stop")
    return state_of(pid) == "T"


def outside_bracket(process, truth):
    """Differences between a process that was attached late and the threshold that it has."""
    bracket = process["bracket"]
    wrong = []
    if not bracket["low"] <= truth <= (bracket["high"] or truth):
        wrong.append(f"the bracket {bracket} does not hold {truth}")
    if process["predicted"] not in (None, truth):
        wrong.append(f"predicted {process['predicted']}, gdb reads {truth}")
    return wrong


def costs(context, command, environment):
    """Its memory system calls by strace, and the page faults that it counts itself."""
    need("strace")
    trace = context.file("trace")
    calls = "trace=brk,mmap,munmap,mremap,madvise,mprotect"
    tracer = context.start(["strace", "-f", "-qq", "-o", trace, "-e", calls, *command],
                           environment=environment)
    if context.finish(tracer):
        raise Failure(f"{command} has failed under strace", context.stderr_of(tracer)[-500:])
    faults = re.search(r"^faults (\d+)$", context.stderr_of(tracer), re.MULTILINE)
    with open(trace, encoding="utf-8") as lines:
        return {"calls": len(lines.readlines()), "faults": int(faults.group(1))}


def applied(command, environment, setting):
    """(command, environment) with the setting of an advice: variables, or options of thrash."""
    if "mallopt" not in setting:
        return command, {**environment, **dict(one.split("=", 1) for one in setting.split())}
    numbers = {"M_TRIM_THRESHOLD": "-1", "M_MMAP_THRESHOLD": "-3"}
    options = [command[0]]
    for name, value in re.findall(r"mallopt\((\w+), (\d+)\)", setting):
        options += ["-o", numbers[name], value]
    at = 1
    while command[at] == "-o":
        at += 3
    return [*options, *command[at:]], environment

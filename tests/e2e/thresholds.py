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


def has_stopped(pid):
    """Whether every thread of a process has: one that stops all goes first."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return all(state_of(f"{pid}/task/{thread}") in ("T", "t") for thread in threads)


def look_while_stopped(context, pid, moments):
    """(time, threshold) of a stopped process, into moments; it goes on then."""
    context.wait_for(lambda: has_stopped(pid), "all threads to stop")
    moments.append((time.monotonic_ns(), gdb_threshold(pid)))
    os.kill(pid, signal.SIGCONT)


def bounds_at(document, process, moment_ns):
    """(lowest, highest) threshold that the tool says it may have had at a time."""
    moment = moment_ns - document["start_ns"]
    steps = []
    for move in process["moves"]:
        steps.append((move["t_ns"], False, move))
        if move["done_ns"] is not None:
            steps.append((move["done_ns"], True, move))
    low = high = process["default"]
    for at, is_done, move in sorted(steps, key=lambda step: step[:2]):
        if at > moment:
            break
        if is_done:
            low, high = move["low"], move["high"]
        elif move["to"] is not None:
            low, high = min(low, move["to"]), max(high, move["to"])
    return low, high


def compare_moments(document, process, moments, doubts=0):
    """Differences between gdb's thresholds and the tool's; at most so many not to the byte."""
    wrong, wide = [], 0
    if process["nr_moves"] != len(process["moves"]):
        wrong.append(f"{process['nr_moves']} moves, {len(process['moves'])} told of")
    for moment_ns, truth in moments:
        low, high = bounds_at(document, process, moment_ns)
        if not low <= truth <= high:
            wrong.append(f"at {moment_ns - document['start_ns']} ns gdb reads {truth}, "
                         f"predicted {low} to {high}")
        wide += low < high
    if wide > doubts:
        wrong.append(f"{wide} of {len(moments)} moments are not known to the byte")
    return wrong


def compare_end(process, truth):
    """Differences between what is said of the threshold at the end and what it was."""
    if process["predicted"] is not None:
        if process["predicted"] == truth:
            return []
        return [f"gdb reads {truth} at the end, predicted {process['predicted']}"]
    if not process["verdict"].startswith("unknown: two threads moved it"):
        return [f"predicted nothing: {process['verdict']}"]
    return outside_bracket(process, truth)


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
    raced = sum(process["disagree"]["raced"] for process in processes)
    print(f"    {len(moments)} moments compared with gdb, {judged} requests judged, {raced} raced",
          flush=True)


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

# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks: whole ones, frame by frame, of programs whose calls are known by name."""

import os
import subprocess
from functools import cache

import compare
from harness import each, fail_if, program, test

LIBRARY = "libstacks.so"
ALL = ("--stacks", "1000000")

# Innermost first, without the frames of libraries.
CHAINS = (
    ("ask", "chain_c", "chain_b", "chain_a", "main"),
    ("ask", *["recursion"] * 11, "main"),
    ("ask", "large_frame", "main"),
    ("ask", "aligned_frame", "main"),
    ("ask", "changing_frame", "main"),
    ("ask", "thread_begin"),
    ("ask", "handle_outer", "with_signals", "main"),
    ("ask", "handle_inner", "handle_outer", "with_signals", "main"),
    ("ask", "stacks_inner", "stacks_call", "in_library", "main"),
)
OF_CHILD = (("ask", "in_child", "main"),)


@cache
def _symbols(path):
    """[(offset in the file, end, name)] of a program's functions, by nm and its segments."""
    segments, found = [], []
    text = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True)
    for line in text.stdout.splitlines():
        words = line.split()
        if words and words[0] == "LOAD" and "E" in words[6:-1]:
            segments.append([int(word, 16) for word in words[1:5]])
    text = subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True)
    for line in text.stdout.splitlines():
        words = line.split()
        if len(words) != 4 or words[2] not in "tT":
            continue
        address, size = int(words[0], 16), int(words[1], 16)
        for offset, start, _, length in segments:
            if start <= address < start + length:
                found.append((address - start + offset, address - start + offset + size, words[3]))
    return found


def _name(frame):
    for start, end, name in _symbols(frame["file"]):
        if start <= frame["offset"] < end:
            return name
    return None


def _chains(process):
    """The stacks of a process by the names of its test program's functions, libraries left out."""
    directory = os.path.dirname(program(LIBRARY))
    for stack in process["stacks"]["top"]:
        own = [frame for frame in stack["frames"] if frame["file"].startswith(directory)]
        names = [_name(frame) for frame in own]
        yield stack, tuple(name for name in names if name and name != "_start")


def _missing(process, chains):
    wrong = []
    found = dict((names, stack) for stack, names in _chains(process))
    for chain in chains:
        stack = found.get(chain)
        if not stack:
            near = [names for names in found if names[1:2] == chain[1:2]]
            wrong.append(f"no stack {' '.join(chain)}; near it {near}")
        elif stack["status"] != "complete" or stack["heuristic"] or stack["count"] != 1:
            wrong.append(f"{' '.join(chain)}: {stack}")
    return wrong


def _books(report):
    """Samples are as many as requests, and of their bytes, where each one's stack is taken."""
    wrong = []
    for process in report.processes:
        stacks, top = process["stacks"], process["stacks"]["top"]
        for key, whole in (("count", process["requests"]["count"]),
                           ("bytes", process["requests"]["bytes"])):
            if sum(stack[key] for stack in top) != whole:
                wrong.append(f"{process['comm']}: {key} of stacks, {whole} of requests")
        if stacks["seen"] != stacks["complete"] + stacks["not_kept"] + sum(
            stacks["truncated"].values()
        ):
            wrong.append(f"{process['comm']}: {stacks['seen']} seen do not add up")
    return wrong


@each({depth: depth for depth in ("entry", "full")})
def known_chains(context, depth):
    """Also where return probes put a trampoline on the stack."""
    report = context.measure([program("stacks"), program(LIBRARY)], depth, options=ALL)
    parent = report.processes_of(report.processes[0]["pid"])[-1]
    children = [process for process in report.processes if process["ppid"] == parent["pid"]]
    if len(children) != 1:
        fail_if([f"{len(children)} children"])
    fail_if(
        _missing(parent, CHAINS) + _missing(children[0], OF_CHILD) + _books(report)
        + compare.nothing_lost(report)
    )


@each({depth: depth for depth in ("entry", "full")})
def to_the_root(context, depth):
    """Each stack of a program whose tables stand before it runs ends at its root."""
    report = context.measure([program("calls"), *"m:100x1000 m:200000x3 c:7x11".split()], depth,
                             options=ALL)
    (process,) = report.processes
    wrong = _books(report) + compare.nothing_lost(report)
    if process["stacks"]["complete"] != process["stacks"]["seen"]:
        wrong.append(f"not complete: {process['stacks']['kinds']}")
    fail_if(wrong)


@test
def python_to_the_root(context):
    """A recursion in Python is one in C: 99.5 % of all stacks end at the root."""
    script = "def f(n): return [bytes(n * 100)] + (f(n - 1) if n else [])\nfor i in range(50): f(30)"
    report = context.measure(["/usr/bin/python3", "-c", script], "entry", options=ALL)
    (process,) = report.processes
    stacks = process["stacks"]
    wrong = _books(report) + compare.nothing_lost(report)
    if stacks["complete"] < stacks["seen"] * 0.995:
        wrong.append(f"{stacks['complete']} of {stacks['seen']} are complete: {stacks['kinds']}")
    deepest = max(len(stack["frames"]) for stack in stacks["top"])
    if deepest < 30:
        wrong.append(f"the deepest of them has {deepest} frames")
    fail_if(wrong)

# SPDX-License-Identifier: GPL-2.0-or-later
"""One source, built by gcc and clang at each level of optimisation, with and without frame
pointers: its stacks have the same functions (issue 5, 'It holds when' 1). gdb sees as many frames as
we do, of the same names, below a signal handler too."""

import os
import re
import subprocess

import harness
from harness import Failure, each, fail_if, need, test

SOURCE = os.path.join(harness.ROOT, "tests", "programs", "sequence.c")
NORMAL, HANDLED = 12345, 23456  # what sequence.c asks for
CHAIN = ["ask", "registers", "locals", "unknown", "aligned"]
EXPECTED = {
    NORMAL: CHAIN + ["twice"] * 4 + ["main", "_start"],
    HANDLED: CHAIN + ["twice"] * 3 + ["handler", "main", "_start"],
}
SHORT = {"fast": [("gcc", "-O2", "-fomit-frame-pointer"), ("gcc", "-O0", "-fno-omit-frame-pointer"),
                  ("clang", "-O3", "-fomit-frame-pointer"),
                  ("clang", "-O1", "-fno-omit-frame-pointer")]}
ALL = {"all": [(compiler, level, pointers) for compiler in ("gcc", "clang")
               for level in ("-O0", "-O1", "-O2", "-O3", "-Os")
               for pointers in ("-fomit-frame-pointer", "-fno-omit-frame-pointer")]}


class Symbols:
    """Functions of a program by file offset."""

    def __init__(self, path):
        headers = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True,
                                 check=True).stdout
        self.segments = [tuple(int(word, 16) for word in found) for found in re.findall(
            r"LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+) 0x\w+ R E", headers)]
        lines = subprocess.run(["nm", "-n", "--defined-only", path], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        self.functions = [(int(words[0], 16), words[2]) for words in map(str.split, lines)
                          if words[1] in "tTwW"]

    def name(self, offset):
        (address,) = [offset - start + virtual for start, virtual, size in self.segments
                      if start <= offset < start + size]
        # gcc names what it made of one function twice.constprop.3.isra.0
        return [name for at, name in self.functions if at <= address][-1].split(".")[0]


def _measure(context, paths):
    report = context.measure(["sh", "-e", "-c", "\n".join(paths + ["sleep 0.3"] + paths)],
                             depth="entry", options=["--stacks", "1000"])
    return report.processes


def _stacks(processes, path, size):
    """Frames of the complete ones that asked for so much, [(file, offset)], by the last run."""
    last = max((process for process in processes if process["comm"] == os.path.basename(path)),
               key=lambda process: process["id"])
    rows = [row for row in last["stacks"]["top"] if row["bytes"] == size * row["samples"]]
    if len(rows) != 1 or rows[0]["status"] != "complete" or rows[0]["heuristic"]:
        raise Failure(f"{path}, {size} bytes: {rows}")
    return [(frame["file"], frame["offset"]) for frame in rows[0]["frames"]]


def _build(context, ways):
    paths = []
    for number, (compiler, *flags) in enumerate(ways):
        need(compiler)
        path = os.path.join(context.path, f"sequence{number}")
        subprocess.run([compiler, "-w", *flags, SOURCE, "-o", path], check=True)
        paths.append(path)
    return paths


def _same_functions(context, ways):
    paths = _build(context, ways)
    processes = _measure(context, paths)
    found = []
    for way, path in zip(ways, paths):
        symbols = Symbols(path)
        for size, expected in EXPECTED.items():
            frames = _stacks(processes, path, size)
            names = [symbols.name(offset) for file, offset in frames if file == path]
            if names != expected:
                found.append(f"{' '.join(way)}, {size}: {names}")
    fail_if(found)


@each(SHORT)
def same_functions(context, ways):
    _same_functions(context, ways)


@each(ALL, takes_long=True)
def same_functions_any_way(context, ways):
    _same_functions(context, ways)


def _gdb_frames(path):
    """{size: [function, or "" where gdb knows none]} of gdb's backtraces in ask(). Functions that
    were inlined, and those that jumped to their callee, have frames there without a stack."""
    need("gdb")
    show = ["-ex", "bt", "-ex", r'frame apply all -q printf "at %lx\n", (long)$sp']
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", "set backtrace past-main on", "-ex",
         "set backtrace past-entry on", "-ex", "handle SIGUSR1 nostop noprint pass", "-ex",
         "break ask", "-ex", "run", *show, "-ex", "continue", *show, path],
        capture_output=True, text=True, check=False)
    names, places = [], []
    for line in done.stdout.splitlines():
        found = re.match(r"#(\d+) +(?:0x\w+ in )?(\S+|<signal handler called>) ", line + " ")
        if found:
            names.append("" if found[2].startswith("<") or found[2] == "??" else found[2])
        elif line.startswith("at "):
            places.append(line)
    whole = [name for name, place, outer in zip(names, places, [*places[1:], None])
             if place != outer]
    starts = [at for at, name in enumerate(whole) if name == "ask"]
    if len(names) != len(places) or len(starts) != 2:
        raise Failure("gdb:", *(done.stdout + done.stderr).splitlines()[-20:])
    return {NORMAL: whole[:starts[1]], HANDLED: whole[starts[1]:]}


@test(takes_long=True)
def as_gdb_sees_it(context):
    """Frame for frame: as many, and of the program's own the same."""
    path = _build(context, [("gcc", "-O2", "-g", "-fomit-frame-pointer")])[0]
    processes = _measure(context, [path])
    symbols = Symbols(path)
    found = []
    for size, seen in _gdb_frames(path).items():
        frames = _stacks(processes, path, size)[1:]  # malloc, which ask() has not called yet
        ours = [symbols.name(offset) if file == path else None for file, offset in frames]
        if len(ours) != len(seen) or any(one and one != other for one, other in zip(ours, seen)):
            found += [f"{size}: ours {ours}", f"gdb {seen}"]
    fail_if(found)

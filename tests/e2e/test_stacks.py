# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks: whole ones, frame by frame, of programs whose calls are known by name."""

import os
import shutil
import signal
import subprocess
from functools import cache

import compare
import harness
from harness import each, fail_if, need, program, test

LIBRARY = "libstacks.so"
RATES_BYTES = 8192  # of a call of tests/programs/rates.c
UNMAPS_REQUESTS = 30000  # of tests/programs/unmaps.c
SAMPLE_BYTES = 65536
ROOM_FILES = 17  # copies of a compiler, whose tables are more than there is room for
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
    need("readelf")
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
        wrong.append(f"not complete: {process['stacks']['truncated']}")
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
        wrong.append(f"{stacks['complete']} of {stacks['seen']} are complete: {stacks['truncated']}")
    deepest = max(len(stack["frames"]) for stack in stacks["top"])
    if deepest < 30:
        wrong.append(f"the deepest of them has {deepest} frames")
    fail_if(wrong)


@test
def modules_are_not_cold(context):
    """What a Python opens as it runs has its table before, and what that needs."""
    modules = sorted(name.split(".")[0] for name in os.listdir("/usr/lib/python3.11/lib-dynload")
                     if name.endswith(".so") and "test" not in name)
    # one whose library is not installed is left out
    script = f"for name in {modules}:\n try: __import__(name)\n except ImportError: pass"
    report = context.measure(["/usr/bin/python3", "-c", script], "entry", options=ALL)
    (process,) = report.processes
    sampling, stacks = report.json["stack_sampling"], process["stacks"]
    wrong = _books(report) + compare.nothing_lost(report)
    if sampling["cold"]:
        wrong.append(f"cold: {sampling['cold_files']}")
    if stacks["complete"] < stacks["seen"] * 0.995:
        wrong.append(f"{stacks['complete']} of {stacks['seen']} are complete: {stacks['truncated']}")
    found = {frame["file"] for stack in stacks["top"] for frame in stack["frames"]}
    if not any("lib-dynload" in (name or "") for name in found):
        wrong.append("no module asked for anything")
    fail_if(wrong)


@test
def what_unmaps_itself(context):
    """A program that takes its own code and stack away while it is unwound: counted, unharmed."""
    report = context.measure([program("unmaps"), program(LIBRARY)], "entry", options=ALL)
    (process,) = report.processes
    stacks = process["stacks"]
    wrong = _books(report) + compare.books(report)
    wrong += [line for line in compare.nothing_lost(report) if "mapping_raced" not in line]
    if process["requests"]["count"] < UNMAPS_REQUESTS:
        wrong.append(f"only {process['requests']['count']} requests")
    print(f"    {stacks['complete']} of {stacks['seen']} complete,", stacks["truncated"])
    cut = sum(stacks["truncated"].values())
    if cut < UNMAPS_REQUESTS / 2:
        wrong.append(f"{cut} cut short: what was taken away was not met")
    fail_if(wrong)


# about 90 MB: more than a thousand intervals, so that the sum's error is some percent
REQUESTS = "m:1000x22000 m:5000x8000 c:7x1000 m:300000x90"


@test
def sampled_requests_are_unbiased(context):
    """What few stacks stand for is what was asked for, of small requests and of large ones."""
    report = context.measure([program("calls"), *REQUESTS.split()], "entry",
                             options=[*ALL, "--sample-bytes", str(SAMPLE_BYTES)])
    (process,) = report.processes
    ends, whole = process["stacks"]["kinds"]["request"], process["requests"]
    wrong = compare.books(report) + compare.nothing_lost(report)
    # A request of s bytes varies by s^2 (1 - p) / p, which is at most s times the interval.
    error = (whole["bytes"] * SAMPLE_BYTES) ** 0.5
    print(f"    {ends['bytes']} bytes by {ends['seen']} stacks, {whole['bytes']} in all")
    if abs(ends["bytes"] - whole["bytes"]) > 4 * error or error > whole["bytes"] / 10:
        wrong.append(f"{ends['bytes']} bytes, not {whole['bytes']} within four times {error:.0f}")
    # One of s bytes stands for interval / s requests.
    error = sum(row["count"] * SAMPLE_BYTES / max(row["min"], 1) for row in process["sizes"]) ** 0.5
    if abs(ends["count"] - whole["count"]) > 4 * error:
        wrong.append(f"{ends['count']} requests, not {whole['count']} within four times {error:.0f}")
    if ends["seen"] > whole["count"] / 10:
        wrong.append(f"{ends['seen']} stacks of {whole['count']}: nothing was left out")
    fail_if(wrong)


@test(takes_long=True)
def tables_make_room(context):
    """More tables than there is room for, 24 MiB at depth full: that of one that was not needed
    for longest goes, and is built again when it is."""
    cc1 = harness.cc1()
    with open(os.path.join(context.path, "one.c"), "w", encoding="utf-8") as file:
        file.write("int one(int *numbers) { return numbers[1] + 1; }\n")
    # 1.8 MiB a table
    script = f"""
run() {{ ./cc1-$1 -quiet one.c -o /dev/null; sleep 0.3; }}
for i in $(seq {ROOM_FILES}); do cp {cc1} cc1-$i; run $i; run $i; done
sleep 2.5
for i in 1 2 3 4; do run 1; done
"""
    report = context.measure(["sh", "-e", "-c", script], "full", timeout=150,
                             options=["-v", "--stacks", "1", "--sample-bytes", "16K"])
    gone = [line for line in report.messages if "makes room" in line]
    print(f"    {len(gone)} tables made room")
    runs = [process for process in report.processes if process["comm"] == "cc1-1"]
    last = max(runs, key=lambda process: process["id"])["stacks"]
    wrong = compare.books(report) + compare.nothing_lost(report)
    if not any("cc1-1:" in line for line in gone):
        wrong += ["the first table did not make room:", *gone[:3]]
    if len(runs) != 6 or last["complete"] < 0.99 * last["seen"] or last["seen"] < 50:
        wrong.append(f"{len(runs)} runs, of the last {last['complete']} of {last['seen']} complete:"
                     f" {last['truncated']}")
    fail_if(wrong)


# rows of samples: more than three quarters of what there is room for, which is 131072
FOLDS = "12 150000 4096 60 0"


@test(takes_long=True)
def folded_are_whole(context):
    """Where rows are scarce ended processes are folded away at once, with all of their samples."""
    script = f"""
(echo {FOLDS}; cat fifo) | {program('varied')} >answer &
until [ -s answer ]; do sleep 0.1; done
for i in $(seq 400); do {program('calls')} m:100x30 m:3000x20; done
echo >fifo; wait
"""
    os.mkfifo(os.path.join(context.path, "fifo"))
    report = context.measure(["sh", "-e", "-c", script], "entry", timeout=150, options=ALL)
    wrong = _books(report) + compare.nothing_lost(report)
    most = max(process.get("members", 1) for process in report.processes)
    rows = max(len(process["stacks"]["top"]) for process in report.processes if process["stacks"])
    print(f"    {most} processes are one, beside {rows} stacks")
    if most < 100:
        wrong.append(f"only {most} were folded away")
    fail_if(wrong)


@test
def grouped(context):
    """Processes that become one have the stacks of all."""
    command = f"for i in 1 2 3; do {program('calls')} m:100x50 m:3000x20; done"
    report = context.measure(["sh", "-c", command], "entry", options=[*ALL, "--group-by", "comm"])
    (group,) = [process for process in report.processes if process["comm"] == "calls"]
    wrong = _books(report) + compare.nothing_lost(report)
    if group["members"] != 3 or not group["stacks"]["seen"]:
        wrong.append(f"{group['members']} members, {group['stacks']['seen']} stacks")
    fail_if(wrong)


@test
def more_than_the_rate(context):
    """What comes too fast is sampled, which is said, and the estimate holds what it promises."""
    report = context.measure([program("rates")], "kernel", options=ALL)
    (process,) = report.processes
    kinds, sampling = process["stacks"]["kinds"], report.json["stack_sampling"]
    calls = process["syscalls"]
    exact = {"fault": process["faults"]["total"], "mapped": calls["mmap"]["anon_bytes"],
             "grown": calls["brk"]["grown_bytes"]}
    wrong = compare.books(report) + compare.nothing_lost(report)
    for kind, whole in exact.items():
        row, ends = sampling[kind], kinds[kind]
        unit = 1 if kind == "fault" else RATES_BYTES
        found = ends["count"] if kind == "fault" else ends["bytes"]
        print(f"    {kind}: {whole} in all, {found} by {row}")
        if row["seen"] != row["taken"] + row["sampled_out"] or not row["sampled_out"]:
            wrong.append(f"{kind}: nothing sampled out, or no balance: {row}")
        if ends["seen"] != row["taken"] or ends["count"] != row["estimate"]:
            wrong.append(f"{kind}: {row}, but the stacks have {ends['seen']} for {ends['count']}")
        if kind == "fault" and row["seen"] != whole:
            wrong.append(f"{row['seen']} faults seen of {whole}")
        # four standard errors, which are passed once in 15,000 times
        most = 2 * row["error_ci95"] * unit
        if abs(found - whole) > most or most > whole / 4:
            wrong.append(f"{kind}: {found} estimated of {whole}, to within {most}")
    output = context.file("text")
    tool = context.start([harness.ALLOCPATH, "hist", "--probes", "kernel", "--stacks", "1", "-o",
                          output, "--", program("rates")])
    context.finish(tool)
    with open(output, encoding="utf-8") as text:
        said = text.read()
    if " ".join(said.split()).count(" were taken, which stand for ") != 3:
        wrong += ["the text does not say what was sampled out:", *said.splitlines()[-15:]]
    fail_if(wrong)


def _own_children(tool):
    """{pid: processor time} of what the tool itself has started."""
    times = {}
    for pid in harness.children_of(tool.pid):
        with open(f"/proc/{pid}/stat", "rb") as stat:
            words = stat.read().rpartition(b")")[2].split()
        times[pid] = int(words[11]) + int(words[12])
    return times


def _minor_faults(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[7])


@test
def builder_is_no_target(context):
    """Neither we nor the child that builds tables is measured, and what a shell had started before
    it became us is."""
    cc1 = harness.cc1()
    copy = shutil.copy(cc1, os.path.join(context.path, "copy"))  # whose table takes a while
    output = context.file("report.json")
    tool = context.start(["sh", "-c", 'sh -c "while :; do : \\$(sleep 0.05); done" & exec "$@"', "sh",
                          harness.ALLOCPATH, "hist", "-v", "--json", "-o", output, "--probes",
                          "kernel", "--stacks", "1", "-a"])
    tool.output = output
    context.wait_for(lambda: "allocpath: measuring\n" in context.stderr_of(tool), "allocpath", 60)
    (shell,) = [pid for pid in harness.children_of(tool.pid)
                if not os.path.samefile(f"/proc/{pid}/exe", harness.ALLOCPATH)]
    before = _own_children(tool)
    faults = _minor_faults(shell)

    def has_built():
        context.run([copy, "--version"])
        return any(used > before[pid] for pid, used in _own_children(tool).items()
                   if pid != shell and pid in before)

    context.wait_for(has_built, "a table to be built", 60)
    context.wait_for(lambda: _minor_faults(shell) > faults, "the shell to fault", 60)
    report = context.end_tool(tool, "kernel")
    os.kill(shell, signal.SIGKILL)
    pids = {process["pid"] for process in report.processes}
    wrong = [f"measured {process['pid']} ({process['comm']}), which is ours"
             for process in report.processes
             if process["pid"] in (set(before) | {tool.pid}) - {shell}]
    if shell not in pids:
        wrong.append(f"did not measure {shell}, which a shell had started: {pids}")
    fail_if(wrong)

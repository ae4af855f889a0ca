# SPDX-License-Identifier: GPL-2.0-or-later
"""What doctor says is so: a right or a feature is taken away, and it says that, and hist agrees."""

import ctypes
import errno
import json
import os
import platform
import re
import subprocess

import compare
import harness
import leftovers
from harness import Failure, Report, Skip, each, fail_if, need, parse_truths, program, test

ATTACHED_TO_EXIT = 25  # BPF_TRACE_FEXIT
LEAST = ("cap_bpf", "cap_perfmon")


def _with_capabilities(*names):
    """As nobody, with these and no others."""
    need("capsh")
    words = ["capsh", "--keep=1"]
    if names:
        words.append(f"--inh={','.join(names)}")
    words.append("--user=nobody")
    if names:
        words.append(f"--addamb={','.join(names)}")
    return [*words, "--shell=/usr/bin/env", "--"]


def _doctor(context, prefix=(), debuginfod=""):
    output = context.file("doctor.json")
    with leftovers.nothing_attached(), open(output, "wb") as stdout:
        process = context.start([*prefix, harness.ALLOCPATH, "doctor", "--json"], stdout=stdout,
                                environment={"DEBUGINFOD_URLS": debuginfod})
        ended = context.finish(process)
    text = context.stderr_of(process)
    if ended or text:
        raise Failure(f"doctor ended with {ended}", text)
    with open(output, encoding="utf-8") as report:
        document = json.load(report)
    document["by_name"] = {finding["name"]: finding for finding in document["findings"]}
    return document


def _differences(document, expected):
    """expected: {name of a finding: its state}. What is missing has its cost told."""
    found = []
    for name, state in expected.items():
        finding = document["by_name"][name]
        if finding["state"] != state:
            found.append(f"{name} is {finding['state']}, not {state}: {finding}")
        elif state == "no" and not (finding["cost"] and finding["mend"]):
            found.append(f"{name} has no cost or no mend: {finding}")
    return found


def _readable_by_others():
    if subprocess.run([*_with_capabilities(), "test", "-x", harness.ALLOCPATH],
                      check=False).returncode:
        raise Skip(f"{harness.ALLOCPATH} cannot be run by others")


def _hist(context, prefix, *arguments):
    """hist --json; its status, its report or None, what it said."""
    output = context.file("report.json")
    with open(output, "wb") as stdout:
        process = context.start([*prefix, harness.ALLOCPATH, "hist", "--json", *arguments],
                                stdout=stdout)
        ended = context.finish(process)
    with open(output, encoding="utf-8") as report:
        text = report.read()
    return ended, json.loads(text) if text else None, context.stderr_of(process)


@test
def as_root(context):
    """Everything that the other tests rest on is there, and a process of ours is seen."""
    target = context.start(["sleep", "60"])
    document = _doctor(context)
    found = _differences(document, {name: "yes" for name in (
        "btf", "tp_btf", "perf_event", "iter", "programs", "CAP_BPF", "CAP_PERFMON")})
    if document["probes"] != {"kernel": True, "entry": True, "full": True}:
        found.append(f"probes: {document['probes']}")
    libc = [file for file in document["files"] if file["file"].endswith("/libc.so.6")]
    if not libc or "malloc" not in [row["name"] for row in libc[0]["functions"]]:
        found.append(f"no malloc in libc: {libc}")
    row = [row for row in document["processes"] if row["pid"] == target.pid]
    if [row["seen"] for row in row] != ["requests"]:
        found.append(f"the process: {row}")
    fail_if(found)


@test
def unwind_tables(context):
    """Those of the files that a process maps, of the size that they have; not our builder's."""
    target = context.start(["sleep", "60"])
    document = _doctor(context)
    tables = {os.path.basename(table["file"]): table for table in document["unwind_tables"]}
    found = []
    for name, least in (("sleep", 500), ("libc.so.6", 10000)):
        table = tables.get(name)
        # four bytes a row, eight a page, and what chunks of 16 KiB leave free
        if not table or table["why_not"] or table["rows"] < least or not (
                4 * table["rows"] <= table["bytes"] <= 5 * table["rows"] + (32 << 10)):
            found.append(f"{name}: {table}")
    detail = document["by_name"]["unwind_tables"]["detail"]
    rows = sum(table["rows"] for table in document["unwind_tables"])
    if f" {rows} rows, " not in detail:
        found.append(f"{rows} rows in all, but: {detail}")
    if [row for row in document["processes"] if row["comm"] == "allocpath"]:
        found.append("the builder is among the processes")
    if target.pid not in [row["pid"] for row in document["processes"]]:
        found.append("the target is not")
    fail_if(found)


@test
def symbols(context):
    """A process's own file counts by what it has; debuginfod is there where a server is named."""
    target = context.start([program("named"), "100000", "10"])
    document = _doctor(context)
    detail = document["by_name"]["symbols"]["detail"]
    found = [] if re.search(r"of [1-9]\d* files: \d+ by a debug file, [1-9]\d* by their own",
                            detail) else [f"symbols: {detail}"]
    found += _differences(document, {"debuginfod": "no", "kernel_symbols": "yes"})
    document = _doctor(context, debuginfod="http://127.0.0.1:9/")
    found += _differences(document, {"debuginfod": "yes"})
    if target.poll() is not None:
        found.append("the target has ended")
    fail_if(found)


@test
def sites(context):
    """The sites are those that hist probes."""
    target = context.start(["sleep", "60"])
    document = _doctor(context)
    status, report, text = _hist(context, (), "--probes", "full", "-d", "100ms", "-p", target.pid)
    if status:
        raise Failure(text)
    found = []
    for attached in report["attached"]:
        (same,) = [file for file in document["files"] if file["file"] == attached["file"]]
        said = {row["name"]: (row["offset"], row["site"], row["kind"])
                for row in same["functions"]}
        for row in attached["functions"]:
            if said.get(row["name"]) != (row["offset"], row["site"], row["kind"]):
                found.append(f"{row}, but doctor: {said.get(row['name'])}")
    fail_if(found)


@test
def trampolines(context):
    """Where there are some, hist stands on six system calls by them; else on a tracepoint."""
    state = _doctor(context)["by_name"]["trampolines"]["state"]
    tool = context.start_tool("--probes", "kernel", "-a")
    exits = 0
    for name in os.listdir(f"/proc/{tool.pid}/fdinfo"):
        with open(f"/proc/{tool.pid}/fdinfo/{name}", encoding="utf-8") as file:
            words = file.read().split()
        if "link_type:" in words and "attach_type:" in words:
            exits += words[words.index("attach_type:") + 1] == str(ATTACHED_TO_EXIT)
    context.end_tool(tool, "kernel")
    if exits != (6 if state == "yes" else 0):
        raise Failure(f"trampolines: {state}, but hist has {exits} on exits of functions")


@test
def text(context):
    """For people: every finding has a line, and what is missing its cost."""
    for prefix in ((), _with_capabilities()):
        if prefix:
            _readable_by_others()
        output = context.file("doctor")
        with open(output, "wb") as stdout:
            process = context.start([*prefix, harness.ALLOCPATH, "doctor", "-v"], stdout=stdout)
            ended = context.finish(process)
        with open(output, encoding="utf-8") as report:
            said = report.read()
        if ended or context.stderr_of(process):
            raise Failure(f"ended with {ended}", context.stderr_of(process))
        for finding in _doctor(context, prefix)["findings"]:
            if f" {finding['name']} " not in said:
                raise Failure(f"nothing of {finding['name']}:", said)


# {capabilities: what is then missing of the findings}
TAKEN = {
    "none": ((), {"CAP_BPF": "no", "CAP_PERFMON": "no", "tp_btf": "no", "programs": "no"}),
    "perfmon": (("cap_perfmon",), {"CAP_BPF": "no", "CAP_PERFMON": "yes", "programs": "no"}),
    "bpf": (("cap_bpf",), {"CAP_BPF": "yes", "CAP_PERFMON": "no", "programs": "no"}),
    "least": (LEAST, {"CAP_BPF": "yes", "CAP_PERFMON": "yes", "programs": "yes",
                      "perf_uprobe": "no", "CAP_SYS_PTRACE": "no"}),
}


@each(TAKEN)
def rights(context, row):
    """What doctor says of the depths is what hist then does."""
    capabilities, expected = row
    _readable_by_others()
    prefix = _with_capabilities(*capabilities)
    document = _doctor(context, prefix)
    found = _differences(document, expected)
    status, _, said = _hist(context, prefix, "--probes", "entry", "--", "true")
    if (status == 0) != document["probes"]["entry"]:
        found += [f"doctor: {document['probes']}, hist ended with {status}:", said]
    fail_if(found)


@each({"entry": "entry", "full": "full"})
def least_privilege(context, depth):
    """CAP_BPF and CAP_PERFMON alone: a process of one's own, to the unit."""
    _readable_by_others()
    prefix = _with_capabilities(*LEAST)
    if not _doctor(context, prefix)["probes"][depth]:
        raise Skip("this kernel has no uprobe_multi")
    command = [program("calls"), *"m:100x1000 m:200000x3 f:0-99 c:7x11".split()]
    status, report, said = _hist(context, prefix, "--probes", depth, "--", *command)
    if status:
        raise Failure(f"hist ended with {status}", said)
    report = Report(report, parse_truths(said), status, [], depth)
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@test
def another_users_process(context):
    """Whether it is for us differs by kernel (CAP_PERFMON may do): doctor knows, hist agrees."""
    _readable_by_others()
    target = context.start(["sleep", "60"])
    prefix = _with_capabilities(*LEAST)
    rows = [row for row in _doctor(context, prefix)["processes"] if row["pid"] == target.pid]
    status, report, said = _hist(context, prefix, "-d", "100ms", "-p", target.pid)
    if [row["seen"] for row in rows] == ["requests"]:
        if status or not report["attached"] or said:
            raise Failure(f"hist ended with {status}", said)
    elif [row["seen"] for row in rows] == ["unreadable"]:
        if status != 1 or len(said.splitlines()) != 1 or "CAP_SYS_PTRACE" not in said:
            raise Failure(f"hist ended with {status}", said)
    else:
        raise Failure(f"the process: {rows}")


@test
def another_users_files(context):
    """Without any right, those of others are unreadable, and that is said with its cost."""
    _readable_by_others()
    target = context.start(["sleep", "60"])
    document = _doctor(context, _with_capabilities())
    rows = [row for row in document["processes"] if row["pid"] == target.pid]
    if [row["seen"] for row in rows] != ["unreadable"]:
        raise Failure(f"the process: {rows}")
    fail_if(_differences(document, {"process_files": "no"}))


# {finding: what hides it}
HIDDEN = {
    "btf": "mount -t tmpfs none /sys/kernel/btf",
    "cgroup2": "umount -l $(awk '$3 == \"cgroup2\" { print $2 }' /proc/mounts)",
}


@each({name: name for name in HIDDEN})
def hidden(context, name):
    need("unshare")
    prefix = ["unshare", "-m", "sh", "-c", f'{HIDDEN[name]} && exec "$0" "$@"']
    if subprocess.run([*prefix, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip(f"{name} cannot be hidden here")
    fail_if(_differences(_doctor(context, prefix), {name: "no"}))


@test
def five_byte_nops(context):
    """As the kernel answers the system call from outside a trampoline."""
    if platform.machine() != "x86_64":
        raise Skip("of x86-64 only")
    libc = ctypes.CDLL(None, use_errno=True)
    unsafe = libc.syscall(336) < 0 and ctypes.get_errno() == errno.ENXIO
    state = _doctor(context)["by_name"]["five_byte_nops"]["state"]
    if state != ("no" if unsafe else "yes"):
        raise Failure(f"five_byte_nops is {state}")


@test
def refused_file(context):
    """A C library of another machine among the mappings is listed with the reason."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        libc = [line.split()[-1] for line in maps if line.endswith("/libc.so.6\n")][0]
    foreign = os.path.join(context.path, "foreign.so")
    with open(libc, "rb") as file:
        data = bytearray(file.read())
    data[18] = 183 if platform.machine() == "x86_64" else 62  # e_machine
    with open(foreign, "wb") as file:
        file.write(data)
    script = ("import mmap, sys, time\n"
              "file = open(sys.argv[1], 'rb')\n"
              "area = mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE,"
              " mmap.PROT_READ | mmap.PROT_EXEC)\n"
              "sys.stderr.write('ready\\n')\n"
              "time.sleep(60)\n")
    target = context.start(["/usr/bin/python3", "-c", script, foreign])
    context.wait_for(lambda: "ready" in context.stderr_of(target), "the mapping")
    rows = [file for file in _doctor(context)["files"] if file["file"] == foreign]
    if len(rows) != 1 or not rows[0]["why_not"]:
        raise Failure(f"the file: {rows}")


@test
def usage(context):
    process = context.start([harness.ALLOCPATH, "doctor", "everything"])
    if context.finish(process) != 2 or "is no option" not in context.stderr_of(process):
        raise Failure(context.stderr_of(process))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Do no harm: what is measured lives, and is left as it was (issue 2, 'It holds when' 6)."""

import os
import signal
import subprocess

import compare
import harness
import leftovers
import libc_copy
import perf_uprobe
from harness import Failure, Skip, changed_text, each, fail_if, need, program, test
from workloads import text_check

DEPTHS = {"entry": "entry", "full": "full"}

# Every form of five bytes that Intel's and AMD's manuals, gas or gcc use for a nop.
FIVE_BYTE_NOPS = {
    bytes.fromhex(text)
    for text in ("0f1f440000", "666666 6690", "66660f1f00", "660f1f4000", "0f1f442000")
}


def _bytes_at(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def _attached_file(report, path):
    """The row of a file in "attached", by the file itself: its name may be another."""
    for row in report.json["attached"]:
        if os.path.exists(row["file"]) and os.path.samefile(row["file"], path):
            return row
    raise Failure(f"{path} is not attached", *map(str, report.json["not_attached"]))


# {name: command}: programs that fork, vfork and spawn, and whose children allocate
FORKING = {
    "fork": [program("forks"), "5"],
    "fork_tree": [program("fork"), "tree"],
    "fork_threads": [program("fork"), "threads"],
    "vfork": [program("fork"), "vfork"],
    "vfork_exec": [program("fork"), "vfork_exec"],
    "spawn": [program("fork"), "spawn"],
}


@each({f"{name}_{depth}": (command, depth) for name, command in FORKING.items()
       for depth in DEPTHS})
def children_live(context, row):
    command, depth = row
    report = context.measure(command, depth)
    if not report.json["cost"]["traps"]:
        raise Failure("no probe was hit: that proves nothing")


@each(DEPTHS)
def children_live_on_nops(context, depth):
    """The same where malloc begins with a five-byte nop, which becomes a call on some kernels."""
    path, patched = libc_copy.make(context.path)
    environment = {"LD_LIBRARY_PATH": context.path}
    for name in ("fork", "fork_threads", "vfork"):
        command = FORKING[name]
        context.run(command, environment=environment)
        report = context.measure(command, depth, environment=environment)
        functions = {row["name"]: row for row in _attached_file(report, path)["functions"]}
        for name, offset in patched.items():
            if name == "free" and depth == "entry":
                continue
            if functions[name]["offset"] != offset or functions[name]["site"] <= offset:
                raise Failure(f"{name} at {offset}: {functions[name]}")
        if not sum(process["requests"]["count"] for process in report.processes):
            raise Failure("no request was counted: that proves nothing")


@test
def children_would_die_on_nops(context):
    """The proof that the test above can fail: the nop itself probed, without allocpath."""
    if not perf_uprobe.kernel_turns_nops_into_calls():
        raise Skip("this kernel leaves a probed five-byte nop as it is")
    path, patched = libc_copy.make(context.path)
    with perf_uprobe.probe(path, patched["malloc"]):
        process = context.start(FORKING["fork"], environment={"LD_LIBRARY_PATH": context.path})
        if not context.finish(process):
            raise Failure("the children lived: the test above would not notice a probe on a nop")


@each(DEPTHS)
def no_site_is_a_nop(context, depth):
    report = context.measure(FORKING["fork"], depth)
    found = []
    for row in report.json["attached"]:
        for function in row["functions"]:
            site = _bytes_at(row["file"], function["site"], 5)
            if site in FIVE_BYTE_NOPS:
                found.append(f"{row['file']}: {function['name']}: {site.hex(' ')}")
            if not function["offset"] <= function["site"] < function["offset"] + 64:
                found.append(f"{row['file']}: {function}")
    fail_if(found)


@each(DEPTHS)
def preloaded_forwarder(context, depth):
    """Functions that begin with a five-byte nop and jump to glibc's: one request, and no harm."""
    library = os.path.join(harness.PROGRAMS, "libnop5.so")
    report = context.measure(FORKING["fork_tree"], depth, environment={"LD_PRELOAD": library})
    row = _attached_file(report, library)
    found = [str(function) for function in row["functions"]
             if _bytes_at(library, function["site"], 5) in FIVE_BYTE_NOPS]
    fail_if(found + compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@each(DEPTHS)
def exceptions_pass(context, depth):
    """A thousand of bad_alloc through frames of malloc's callers; each failed malloc counted."""
    report = context.measure([program("cxx_bad_alloc")], depth)
    (process,) = report.processes
    unknown = process["requests"]["failed"] + process["requests"]["unknown_result"]
    fail_if(compare.books(report) + compare.nothing_lost(report))
    if unknown != 1000:
        raise Failure(f"{unknown} requests failed or unknown, not 1000: {process['requests']}")


@each({f"{mode}_{depth}": (mode, depth) for mode in ("strict", "filter") for depth in DEPTHS})
def seccomp(context, row):
    """A filter kills what calls the kernel in another way: no probe may make it do so."""
    mode, depth = row
    report = context.measure([program("seccomp_strict"), mode], depth)
    fail_if(compare.books(report) + compare.nothing_lost(report))


# calls that return after each descent, of nested.c
NESTED_AFTERWARDS = 340


# {name: (what becomes of the calls, how deep, depths at which all of them are judged)}
NESTED = {
    "return_3": ("return", 3, True),
    "jump_3": ("jump", 3, True),
    "return_200": ("return", 200, False),
    "jump_200": ("jump", 200, False),
}


@each({f"{name}_{depth}": (row, depth) for name, row in NESTED.items() for depth in DEPTHS})
def nested(context, arguments):
    """malloc inside malloc, which returns or is jumped out of. Deeper than the kernel follows
    returns (64) the program must live and the books say what was lost."""
    (end, deep, is_exact), depth = arguments
    report = context.measure([program("nested"), end, deep], depth)
    (process,) = report.processes
    found = compare.books(report)
    if is_exact:
        known = NESTED_AFTERWARDS + (10 * deep if end == "return" else 0)
        abandoned = 10 * deep if end == "jump" else 0
        requests = process["requests"]
        if (requests["count"], requests["unknown_result"]) != (known, abandoned):
            found.append(f"{requests}, not {known} and {abandoned} abandoned")
        if process["syscalls"]["mmap"]["failed"] != 10 * deep:
            found.append(f"{process['syscalls']['mmap']}, not {10 * deep} failed")
        lost = report.json["lost"]
        if lost["total"] != (abandoned if depth == "full" else 0):
            found.append(f"lost: {lost}")
        found += compare.no_orphans(report)
    fail_if(found)


# {name: (options, the signal that ends it, its status)}
ENDINGS = {
    "process_full": (["--probes", "full", "-p", "{}"], signal.SIGINT),
    "process_entry": (["--probes", "entry", "-p", "{}"], signal.SIGTERM),
    "process_killed": (["--probes", "full", "-p", "{}"], signal.SIGKILL),
    "host": (["-a", "--budget", "none"], signal.SIGINT),
    "host_killed": (["-a", "--budget", "none"], signal.SIGKILL),
}


@each(ENDINGS)
def text_is_restored(context, row):
    """The text in memory is the file's again, to the byte; so is the file."""
    options, with_signal = row
    target = text_check(context, environment=libc_copy.copy(context))
    libc = os.path.join(context.path, "libc", "libc.so.6")
    with leftovers.nothing_attached():
        tool = context.start_tool(*[option.format(target.pid) for option in options])
        during = changed_text(target.pid)
        tool.send_signal(with_signal)
        context.finish(tool)
    if not during:
        raise Failure("the text was never changed: that proves nothing")
    context.wait_for(lambda: not changed_text(target.pid), "the text to be the file's again")
    if _bytes_at(libc, 0, -1) != _bytes_at(libc_copy.find(), 0, -1):
        raise Failure("the file was changed")
    target.stdin.close()
    if context.finish(target):
        raise Failure(f"the program ended with {target.returncode}")


@each(DEPTHS)
def traced(context, depth):
    """A program under strace: output, exit status and count are those of one that is not."""
    need("strace")
    words = ["-qq", "-e", "trace=brk,mmap", "-o", context.file("strace")]
    script = "import sys; print(len([bytes(1000) for i in range(3000)])); sys.exit(7)"
    command = ["/usr/bin/python3", "-I", "-S", "-c", script]
    counts = []
    for arguments in (command, ["strace", *words, *command]):
        output = context.file("stdout")
        with open(output, "wb") as stdout:
            report = context.measure(arguments, depth, status=7, stdout=stdout,
                                     fixed_addresses=True)
        if _bytes_at(output, 0, -1) != b"3000\n":
            raise Failure(f"its output: {_bytes_at(output, 0, -1)}")
        fail_if(compare.books(report) + compare.nothing_lost(report))
        counts += [process["requests"] for process in report.processes
                   if process["comm"].startswith("python3")]
    if len(counts) != 2 or counts[0] != counts[1]:
        raise Failure("not the same requests:", *map(str, counts))


@each({"kernel": "kernel", "entry": "entry", "full": "full"})
def no_libc(context, depth):
    """A program without a C library, as Go's are: the kernel side to the unit, and no request."""
    report = context.measure([program("bare")], depth)
    (process,) = report.processes
    calls, faults = process["syscalls"], process["faults"]["first_touch"]
    expected = {
        "brk": (calls["brk"], {"calls": 3, "grown_bytes": 262144, "shrunk_bytes": 131072}),
        "mmap": (calls["mmap"], {"calls": 1, "anon_bytes": 1048576, "file_bytes": 0}),
        "first touch": (faults, {"anon": 65536, "heap": 0}),
        "process": (process, {"allocator": None}),
    }
    found = [f"{name}.{key}: {row[key]}, not {value}" for name, (row, values) in expected.items()
             for key, value in values.items() if row[key] != value]
    if depth != "kernel" and process["requests"]["count"]:
        found.append(f"requests: {process['requests']}")
    fail_if(found + compare.books(report) + compare.nothing_lost(report))


@test
def static_libc(context):
    """A static program has its own copy of glibc's malloc, which is probed like any other."""
    report = context.measure([program("static_libc")])
    (process,) = report.processes
    rows = [row for row in process["sizes"] if row["min"] <= 1000000 <= row["max"]]
    if len(rows) != 1 or rows[0]["count"] != 1 or rows[0]["mmap"] != 1:
        raise Failure(f"a block of 1000000 bytes: {rows}")
    if process["allocator"] != "glibc (entered)":
        raise Failure(f"its allocator: {process['allocator']}")
    fail_if(compare.books(report) + compare.nothing_lost(report))


NARROW = """
.globl _start
_start:
	mov $45, %eax
	xor %ebx, %ebx
	int $0x80
	lea 131072(%eax), %ebx
	mov $45, %eax
	int $0x80
	mov $1, %eax
	xor %ebx, %ebx
	int $0x80
"""


@test
def narrow(context):
    """A 32-bit program's system calls have other numbers: it is listed, and not measured."""
    need("gcc")
    source, binary = os.path.join(context.path, "narrow.s"), os.path.join(context.path, "narrow")
    with open(source, "w", encoding="utf-8") as file:
        file.write(NARROW)
    if subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-o", binary, source], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("no assembler or linker for 32-bit programs")
    try:
        subprocess.run([binary], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skip(f"this kernel runs no 32-bit program: {error}") from None
    report = context.measure(["sh", "-c", f"{binary}; {binary}"], "entry")
    found = [process["comm"] for process in report.processes if process["comm"] == "narrow"]
    wrong = [f"{len(found)} of it are in the table"] if found else []
    listed = [refused for refused in report.json["not_attached"]
              if refused["file"] == binary and "32-bit" in refused["why"]]
    if len(listed) != 1:
        wrong.append(f"listed {len(listed)} times, not once")
    fail_if(wrong)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Allocators other than glibc's shared library (issue 3, 'It holds when' 1).

Programs that know the truth run with an allocator preloaded, or linked statically, and are
attached to when they run: what libstdc++ asks for before main is not in their books. Their paths
are not judged by chunk headers there, so each allocator's own rule is tested instead.
"""

import glob
import os
import subprocess
import time

import compare
from harness import ROOT, Failure, Skip, each, fail_if, need, program, test

EXBIBYTE = 1 << 60

# Preloaded: what to load; what it calls itself; how a large block is served.
PRELOADED = {
    "jemalloc": ("libjemalloc.so.2", "jemalloc 5.3.0", "arena"),
    "tcmalloc_minimal": ("libtcmalloc_minimal.so.4", "gperftools 2.10", "brk"),
    "tcmalloc": ("libtcmalloc.so.4", "gperftools 2.10", "brk"),
    "mimalloc": ("libmimalloc.so.2", "mimalloc 2.0.9", "mmap"),
}

# The kernel's headers, which musl-gcc does not look for.
MUSL = ["musl-gcc", "-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]

# Built here: compiler and flags.
LINKED = {
    "musl_static": ([*MUSL, "-static"], "musl", "mmap"),
    "musl_dynamic": (MUSL, "musl 1.2.3", "mmap"),
    "glibc_static": (["gcc", "-static"], "glibc", "mmap"),
    "glibc_static_pie": (["gcc", "-static-pie"], "glibc", "mmap"),
}

# Alignments that every allocator takes, sizes on both sides of every threshold.
CASES = {
    "mixed": "m:0 m:1 m:100x200 m:1000x50 m:5000x20 m:40000x10 m:200000x5 m:3000000 m:40000000"
    " c:10:100 c:1:200000 c:0:5 r:0:200 r:1:100000 r:2:10 r:-:300 r:3:5000000 r:3:20 a:64:500"
    " a:4096:10000 A:64:6400 p:128:1000 p:4096:300000 v:3000 f:4-150 f:- f:151-280 f:0 f:1",
    "churn": "m:64x1000 f:0-999 m:64x1000 f:1999-1000 m:3000x500 f:2000-2499 m:150000x30"
    " f:2500-2529 m:150000x10",
    "failed": f"m:1 m:{EXBIBYTE} m:18446744073709551615 c:4294967296:4294967296 r:0:{EXBIBYTE}"
    " p:3:100 m:10 f:0",
    "zero": "m:100 r:0:0 m:0 m:50 r:2:0",
}

# Cases of fork, and how many processes tell their truth.
FORKS = {"fork": 2, "tree": 3}


def _library(name):
    found = glob.glob(f"/usr/lib/*/{name}")
    if not found:
        raise Skip(f"{name} is not installed")
    return os.path.realpath(found[0])


def _build(context, linked, source):
    command = LINKED[linked][0]
    need(command[0])
    binary = os.path.join(context.path, linked)
    subprocess.run(
        [*command, "-O1", "-D_GNU_SOURCE", "-pthread", "-o", binary,
         os.path.join(ROOT, "tests", "programs", source)],
        check=True, capture_output=True,
    )
    return binary


def _measure(context, allocator, arguments, depth):
    environment = {"TRUTH_FOREIGN": "1"}
    if allocator in PRELOADED:
        environment["LD_PRELOAD"] = _library(PRELOADED[allocator][0])
        return context.measure_running(arguments, depth, environment=environment)
    binary = _build(context, allocator, "calls.c")
    return context.measure_running([binary, *arguments[1:]], depth, environment=environment)


def _check(report):
    found = compare.truths(report) + compare.books(report) + compare.nothing_lost(report)
    return [f"at {report.depth}: {line}" for line in found]


def _rows(allocators, cases):
    return {f"{one}_{case}": (one, case) for one in allocators for case in cases}


def _calls(context, row):
    allocator, case = row
    arguments = [program("calls"), *CASES[case].split()]
    full = _measure(context, allocator, arguments, "full")
    entry = _measure(context, allocator, arguments, "entry")
    found = _check(full) + _check(entry)
    ((_, process),) = full.matched()
    name = (PRELOADED | LINKED)[allocator][1]
    if not (process["allocator"] or "").startswith(name):
        found.append(f"allocator: {process['allocator']}, not {name}")
    fail_if(found)


@each(_rows([*PRELOADED, *LINKED], ["mixed"]))
def calls(context, row):
    """Counts, bytes, releases and live are the program's own; both depths agree on sizes."""
    _calls(context, row)


@each(_rows([*PRELOADED, *LINKED], [case for case in CASES if case != "mixed"]), takes_long=True)
def more_calls(context, row):
    _calls(context, row)


@each(_rows(PRELOADED, ("cross", "exit", "realloc")))
def threads(context, row):
    allocator, case = row
    fail_if(_check(_measure(context, allocator, [program("threads"), case], "full")))


@each(_rows(PRELOADED, FORKS))
def forks(context, row):
    """Children that free their parents' blocks and make their own."""
    allocator, case = row
    environment = {"TRUTH_FOREIGN": "1", "LD_PRELOAD": _library(PRELOADED[allocator][0])}
    report = context.measure_running(
        [program("fork"), case], "full", options=["--children"], environment=environment,
        nr_truths=FORKS[case],
    )
    fail_if(_check(report))


@each({name: name for name in [*PRELOADED, *LINKED]})
def paths(context, allocator):
    """Small blocks come from the pool, a large one by the allocator's own way."""
    small, large = 100, 40000000
    arguments = [program("calls"), f"m:{small}x1000", f"m:{large}", "f:1000"]
    found = []
    for depth in ("full", "entry"):
        ((_, process),) = _measure(context, allocator, arguments, depth).matched()
        way = (PRELOADED | LINKED)[allocator][2]
        for row in process["sizes"]:
            if row["min"] <= large <= row["max"] and row[way] != 1:
                found.append(f"{depth}: a block of {large} bytes: {row}, not {way}")
            if row["min"] <= small <= row["max"] and row["pool"] < 900:
                found.append(f"{depth}: blocks of {small} bytes: {row}")
        if process["orphans"]:
            found.append(f"{depth}: {process['orphans']} orphans")
        if depth == "full" and way == "mmap" and process["releases"]["munmap"] != 1:
            found.append(f"releases: {process['releases']}, not one munmap")
    fail_if(found)


@each({name: name for name in PRELOADED})
def operators(context, allocator):
    """Operators new and delete; an exception goes through unharmed (mimalloc's throws none)."""
    arguments = [program("operators"), "plain" if allocator == "mimalloc" else "throw"]
    found = []
    for depth in ("full", "entry"):
        found += _check(_measure(context, allocator, arguments, depth))
    fail_if(found)


def _redis(context, keys, depth):
    """Rows of sizes of a redis-server that makes so many keys."""
    port = 7000 + os.getpid() % 20000
    server = context.start(["redis-server", "--save", "", "--enable-debug-command", "local",
                            "--port", port, "--daemonize", "no"])
    client = ["redis-cli", "-p", str(port)]
    context.wait_for(
        lambda: subprocess.run([*client, "ping"], capture_output=True).stdout == b"PONG\n",
        "redis-server",
    )
    tool = context.start_tool("--probes", depth, "-p", server.pid)
    time.sleep(0.3)
    answer = subprocess.run([*client, "DEBUG", "POPULATE", str(keys), "key", "100"],
                            capture_output=True, check=True).stdout
    if answer != b"OK\n":
        raise Failure(f"redis: {answer}")
    report = context.end_tool(tool, depth)
    subprocess.run([*client, "shutdown", "nosave"], capture_output=True)
    context.finish(server)
    (process,) = report.processes_of(server.pid)
    fail_if(compare.books(report) + compare.nothing_lost(report))
    if process["allocator"] != "jemalloc 5.3.0 (entered)":
        raise Failure(f"redis: its allocator is {process['allocator']}")
    return sum(row["count"] for row in process["sizes"] if row["min"] <= 104 <= row["max"])


@each({"full": "full", "entry": "entry"})
def redis(context, depth):
    """100,000 keys are 100,000 requests of 104 bytes, and none else is; less what one key takes."""
    need("redis-server")
    many, one = _redis(context, 100000, depth), _redis(context, 1, depth)
    if many - one != 99999:
        raise Failure(f"{many} requests with 100000 keys, {one} with one")


@test
def static_program_of_a_child(context):
    """A static program that a child begins: nobody maps its file by a system call."""
    binary = _build(context, "glibc_static", "calls.c")
    report = context.measure(["sh", "-c", f"{binary} m:1x5; sleep 0.5; {binary} m:77777x7; true"])
    seen = [process for process in report.processes if process["exe"] == binary]
    counts = [row["count"] for process in seen for row in process["sizes"]
              if row["min"] <= 77777 <= row["max"]]
    if counts != [7]:
        raise Failure(f"requests of 77777 bytes: {counts}, not 7")


def _listed(report, pid):
    (process,) = report.processes_of(pid)
    return process


def _start_ready(context, command):
    process = context.start(command, stdin=subprocess.PIPE)
    context.wait_for(lambda: "ready\n" in context.stderr_of(process), "the program")
    return process


# Flags of a program that holds an allocator: by its usual names, and by prefixed ones.
OWN = {"plain": [], "prefixed": ["-DPREFIXED"], "prefixed_static": ["-DPREFIXED", "-static"]}


@each({f"{name}_{depth}": (name, depth) for name in OWN for depth in ("full", "entry")})
def own_allocator(context, row):
    """A program's own malloc, found by its symbols; a free of it jumps to munmap."""
    name, depth = row
    binary = os.path.join(context.path, name)
    subprocess.run(["gcc", "-O2", *OWN[name], "-o", binary,
                    os.path.join(ROOT, "tests", "programs", "own.c")],
                   check=True, capture_output=True)
    process = _start_ready(context, [binary])
    tool = context.start_tool("--probes", depth, "-p", process.pid)
    process.stdin.write(b"g")
    process.stdin.flush()
    context.wait_for(lambda: "done\n" in context.stderr_of(process), "the end of its work")
    report = context.end_tool(tool, depth)
    process.stdin.close()
    context.finish(process)
    found = []
    seen = _listed(report, process.pid)
    sizes = {size: [row for row in seen["sizes"] if row["min"] <= size <= row["max"]]
             for size in (77777, 7777777)}
    for size, (count, arena, mapped) in {77777: (100, 8, 0), 7777777: (3, 0, 3)}.items():
        if [(row["count"], row["arena"], row["mmap"]) for row in sizes[size]] != [
                (count, arena, mapped)]:
            found.append(f"requests of {size} bytes: {sizes[size]}")
    if depth == "full":
        releases = {key: seen["releases"][key] for key in ("count", "kept", "munmap")}
        if releases != {"count": 53, "kept": 50, "munmap": 3}:
            found.append(f"releases: {releases}")
    fail_if(found + compare.books(report) + compare.nothing_lost(report))


@test
def malloc_debug(context):
    """glibc's checking allocator hands every request on to libc: each is one request."""
    environment = {"LD_PRELOAD": _library("libc_malloc_debug.so.0"), "TRUTH_FOREIGN": "1",
                   "MALLOC_CHECK_": "3"}
    fail_if(_check(context.measure_running(
        [program("calls"), *CASES["mixed"].split()], "full", environment=environment)))


GO = """package main
import "os"
func main() {
	var b [1]byte
	os.Stderr.WriteString("ready\\n")
	os.Stdin.Read(b[:])
	pool := make([]byte, 64<<20)
	for i := range pool {
		pool[i] = 1
	}
	os.Stdin.Read(b[:])
}
"""


@each({"go": "go", "stripped": "stripped"})
def listed_without_requests(context, kind):
    """Programs whose allocator has no function to probe have null requests and say why."""
    binary = os.path.join(context.path, kind)
    if kind == "go":
        need("go")
        source = binary + ".go"
        with open(source, "w", encoding="ascii") as file:
            file.write(GO)
        subprocess.run(["go", "build", "-o", binary, source], check=True, capture_output=True,
                       env={**os.environ, "GOCACHE": os.path.join(context.path, "cache"),
                            "GOFLAGS": "", "GO111MODULE": "off"})
    else:
        subprocess.run(["gcc", "-O2", "-static", "-s", "-DPREFIXED", "-o", binary,
                        os.path.join(ROOT, "tests", "programs", "own.c")],
                       check=True, capture_output=True)
    process = _start_ready(context, [binary])
    tool = context.start_tool("--probes", "full", "-p", process.pid)
    process.stdin.write(b"g")
    process.stdin.flush()
    time.sleep(0.3)
    report = context.end_tool(tool, "full")
    process.stdin.close()
    context.finish(process)
    seen = _listed(report, process.pid)
    if seen["requests"] is not None or not seen["requests_why"]:
        raise Failure(f"requests: {seen['requests']}, {seen.get('requests_why')}")

# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs against counts that owe nothing to allocpath (issue 2, 'It holds when' 4).

The counter is libcount.so, preloaded. Its sums are allocpath's to the unit. One difference is
known, and does not show: realloc(NULL, n) jumps to malloc inside libc, so a probe on malloc alone
would count it there, but allocpath makes one request of the two, as the counter does. libc's few
calls of its own that go past the symbol table (the release of a thread's cache is the one that
happens) are inside of calls, or of a thread's end: requests to neither.

The counter's two variables lengthen the environment, which python copies: runs without the counter
have two of other names in their place.
"""

import os
import subprocess
import time

import compare
import harness
import independent
from harness import Failure, each, fail_if, need

PYTHON = "/usr/bin/python3.11"
LIBRARY = os.path.join(harness.PROGRAMS, "libcount.so")

PYTHON_BLOCKS = """
import sys
number = int(sys.argv[1])
blocks = [None] * 20000
for i in range(number):
    blocks[i] = {block}
"""

# says ready and done on stderr, which the test reads
PYTHON_WAITS = """
import sys
def say(text):
    sys.stderr.write(text)
    sys.stderr.flush()
say("ready\\n")
sys.stdin.read(1)
blocks = [bytes(1000) for i in range(5000)]
blocks += [bytearray(200000) for i in range(50)]
del blocks
say("done\\n")
sys.stdin.read(1)
"""

SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, 'row number ' || i, i * 1.5 FROM n;
SELECT count(*), sum(length(b)) FROM t WHERE a % 7 = 3;
"""

C_FUNCTION = """
int sum_{0}(const int *numbers, int count)
{{
	int sum = {0};

	for (int i = 0; i < count; i++)
		sum += numbers[i] % 7 == 3 ? numbers[i] * {0} : numbers[i] - {0};
	return sum;
}}
"""


def _write(context, name, text):
    path = os.path.join(context.path, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _python(context, block, number):
    if not os.access(PYTHON, os.X_OK):
        raise harness.Skip(f"{PYTHON} is not there")
    script = _write(context, "blocks.py", PYTHON_BLOCKS.format(block=block))
    return [PYTHON, "-I", "-S", script, number]


def _cc1(context):
    cc1 = harness.cc1()
    source = _write(context, "sums.c", "".join(C_FUNCTION.format(i) for i in range(12)))
    return [cc1, "-quiet", "-O2", source, "-o", "/dev/null"]


def _sqlite(context):
    need("sqlite3")
    return ["sqlite3", "-batch", ":memory:", ".read " + _write(context, "rows.sql", SQL)]


def _repository(context):
    """A repository whose files are older than its index: what git reads is always the same."""
    need("git")
    path = os.path.join(context.path, "repository")
    commit = ["-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m"]
    subprocess.run(["git", "init", "-q", path], env={**os.environ, **ENVIRONMENT}, check=True)
    for number in range(8):
        for name in ("one", "two", "three"):
            file = _write(context, f"repository/{name}-{number}", f"{name}\n" * (number + 1))
            os.utime(file, (1e9, 1e9))
        for words in (["add", "."], [*commit, f"change {number}"]):
            subprocess.run(["git", "-C", path, *words], env={**os.environ, **ENVIRONMENT},
                           check=True)
    return ["git", "-C", path]


ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",  # git status writes no index
}

# {name: context -> command}; addresses are fixed for all, as setarch -R does
REAL = {
    "python3_calloc": lambda context: _python(context, "bytes(1000)", "20000"),
    "python3_mapped": lambda context: _python(context, "bytearray(200000)", "00200"),
    "cc1": _cc1,
    "sqlite3": _sqlite,
    "git_log": lambda context: [*_repository(context), "log", "--stat"],
    "git_status": lambda context: [*_repository(context), "status"],
}


def _counted(context, command, output):
    """What libcount.so counts in a run of its own."""
    environment = {**ENVIRONMENT, "LD_PRELOAD": LIBRARY, "COUNT_OUT": output}
    context.run(command, environment=environment, fixed_addresses=True)
    (image,) = independent.read_counts(output)
    os.unlink(output)
    return image


def _only_process(report):
    if len(report.processes) != 1:
        raise Failure(f"{len(report.processes)} processes in the report, not one")
    return report.processes[0]


def _against_counter(process, image, depth):
    found = []
    expected = {
        "requests": {key: image[key] for key in ("count", "bytes", "failed")},
    }
    if depth == "full":
        expected["releases"] = {"count": image["releases"]}
        expected["home"] = {"mapping": image["mapped"]}
    else:
        expected["requests"]["unknown_result"] = 0
    for key, values in expected.items():
        for field, value in values.items():
            if process[key][field] != value:
                found.append(f"{key}.{field}: {process[key][field]}, but libcount.so: {value}")
    return found


def _against_strace(process, expected):
    return [
        f"syscalls.{call}.calls: {process['syscalls'][call]['calls']}, but strace: {row['calls']}"
        for call, row in expected.items()
        if process["syscalls"][call]["calls"] != row["calls"]
    ]


def _check_report(report):
    return compare.books(report) + compare.nothing_lost(report) + compare.no_orphans(report)


@each(REAL)
def started(context, make_command):
    """With -- at both depths: equal to the counter, to strace, and to each other."""
    command = make_command(context)
    output = context.file("counts")
    same_length = {**ENVIRONMENT, "XX_PRELOAD": LIBRARY, "XOUNT_OUT": output}
    options = {"environment": same_length, "fixed_addresses": True}
    image = _counted(context, command, output)
    if _counted(context, command, output) | {"pid": 0} != image | {"pid": 0}:
        raise Failure("the workload does not repeat exactly: the test is wrong")
    calls = independent.syscalls(context, command, **options)
    found, processes = [], []
    for depth in ("entry", "full"):
        report = context.measure(command, depth, **options)
        process = _only_process(report)
        lines = _check_report(report)
        lines += _against_counter(process, image, depth) + _against_strace(process, calls)
        found += [f"at {depth}: {line}" for line in lines]
        processes.append(process)
    fail_if(found + compare.same_requests(*processes))


def _row(process, size):
    (row,) = [row for row in process["sizes"] if row["min"] <= size <= row["max"]] or [
        {"count": 0, "bytes": 0, "mmap": 0}
    ]
    return row


# {name: (expression, number, bytes that libc is asked for, path)}
KNOWN = {
    "calloc_1033": ("bytes(1000)", 20000, 1033, "pool or brk"),
    "malloc_200001": ("bytearray(200000)", 200, 200001, "mmap"),
}


@each(KNOWN)
def python3_known(context, known):
    """Blocks that python3 is known to ask libc for, against a run that makes none of them."""
    block, number, size, path = known
    some = context.measure(_python(context, block, f"{number:05}"), "entry", fixed_addresses=True)
    none = context.measure(_python(context, block, "00000"), "entry", fixed_addresses=True)
    one, other = (_row(_only_process(report), size) for report in (some, none))
    found = _check_report(some)
    if one["count"] - other["count"] != number:
        found.append(f"{one['count'] - other['count']} requests of {size} bytes, not {number}")
    if one["bytes"] - other["bytes"] != number * size:
        found.append(f"of {one['bytes'] - other['bytes']} bytes, not {number} x {size}")
    mapped = one["mmap"] - other["mmap"]
    if mapped != (number if path == "mmap" else 0):
        found.append(f"{mapped} of them by mmap")
    fail_if(found)


def _running_python(context):
    return [PYTHON, "-I", "-S", _write(context, "waits.py", PYTHON_WAITS)], b"", b"g"


def _running_sqlite(context):
    need("sqlite3")
    command = ["sqlite3", "-batch", ":memory:"]
    return command, b".shell echo ready >&2\n", SQL.encode() + b".shell echo done >&2\n"


# {name: context -> (command, what makes it say ready, what makes it work and say done)}
RUNNING = {"python3": _running_python, "sqlite3": _running_sqlite}


def _settled(context, output):
    """The counter's figures once they stand still; the first page is the program's."""
    last = None
    for _ in range(50):
        now = independent.read_counts(output)[0]
        if now == last:
            return now
        last = now
        time.sleep(0.1)
    raise Failure("the program does not come to rest")


@each({f"{name}_{depth}": (make, depth) for name, make in RUNNING.items()
       for depth in ("entry", "full")})
def running(context, row):
    """With -p, beside the counter in the same process: its figures before and after are read."""
    make, depth = row
    command, prepare, work = make(context)
    output = context.file("counts")
    target = context.start(
        command,
        environment={**ENVIRONMENT, "LD_PRELOAD": LIBRARY, "COUNT_OUT": output},
        stdin=subprocess.PIPE,
        bufsize=0,
    )
    target.stdin.write(prepare)
    context.wait_for(lambda: "ready\n" in context.stderr_of(target), "the program to be ready")
    tool = context.start_tool("--probes", depth, "-p", target.pid)
    before = _settled(context, output)
    target.stdin.write(work)
    context.wait_for(lambda: "done\n" in context.stderr_of(target), "the program's work")
    after = _settled(context, output)
    report = context.end_tool(tool, depth)
    target.stdin.close()
    if context.finish(target):
        raise Failure(f"{command[0]} ended with {target.returncode}")
    image = {key: after[key] - before[key]
             for key in ("count", "bytes", "failed", "releases", "mapped")}
    if image["count"] < 1000:
        raise Failure(f"only {image['count']} requests: that proves little")
    fail_if(_check_report(report) + _against_counter(_only_process(report), image, depth))

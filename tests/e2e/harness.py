# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs allocpath and test programs, and never leaves a process behind.

A test is a function with @test, or with @each(table) for one test a row; it takes a Context and
raises Failure or Skip. Programs that know the truth print it as a line of JSON on stderr
(tests/programs/truth_print.h); compare.py holds it against the report.
"""

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("O", "build"))
ALLOCPATH = os.environ.get("ALLOCPATH", os.path.join(BUILD, "allocpath"))
PROGRAMS = os.path.join(BUILD, "tests", "programs")

TIMEOUT_S = 60
PR_SET_CHILD_SUBREAPER = 36
ADDR_NO_RANDOMIZE = 0x0040000

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """What is wrong, a line each."""

    def __init__(self, *lines):
        super().__init__("\n".join(lines))
        self.lines = [part for line in lines for part in str(line).split("\n")]


class Skip(Exception):
    """Why this host cannot run the test."""


class Test:
    def __init__(self, name, run, takes_long):
        self.name = name
        self.run = run
        self.takes_long = takes_long


tests = []


def _prefix(function):
    module = function.__module__
    return module[len("test_"):] if module.startswith("test_") else module


def test(function=None, *, takes_long=False):
    """Registers a test; with takes_long it runs under LONG=1 only."""

    def register(function):
        tests.append(Test(f"{_prefix(function)}.{function.__name__}", function, takes_long))
        return function

    return register(function) if function else register


def each(table, takes_long=False):
    """Registers a test for every row of {name: argument}."""

    def register(function):
        for row, argument in table.items():
            tests.append(
                Test(
                    f"{_prefix(function)}.{function.__name__}.{row}",
                    lambda context, argument=argument: function(context, argument),
                    takes_long,
                )
            )
        return function

    return register


def become_subreaper():
    """Orphans of what we start become our children: that is how they are found and ended."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of(pid):
    """Direct children by /proc, zombies too."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            found.append(int(entry))
    return found


def _fixed_addresses():
    _libc.personality(ADDR_NO_RANDOMIZE)


def program(name):
    """The command of a test program."""
    return os.path.join(PROGRAMS, name)


def parse_truths(text):
    """Every line of JSON in a program's stderr."""
    truths = []
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        try:
            truths.append(json.loads(line))
        except ValueError as error:
            raise Failure(f"a line of truth is not JSON ({error}):", line[:300]) from None
    return truths


def _fill_unprobed(document):
    """What began after the guard had detached the probes has null requests: here, none."""
    nothing = {"count": 0, "bytes": 0, "min_size": None, "max_size": None}
    for process in document["processes"]:
        if process["requests"] is None and document["cost"]["detached"]:
            process["requests"] = {"count": 0, "bytes": 0, "failed": 0, "unknown_result": 0}
            process["paths"] = {
                path: dict(nothing) for path in ("pool", "brk", "mmap", "arena", "remap")
            }
            process.update(sizes=[], touched=[], orphans=0, internal=0, mallopt_calls=0)


class Report:
    """One run of allocpath: its JSON, and what the measured programs said."""

    def __init__(self, document, truths, status, messages, depth):
        if depth != "kernel":
            _fill_unprobed(document)
        self.json = document
        self.truths = truths
        self.status = status
        self.messages = messages
        self.depth = depth

    @property
    def processes(self):
        return self.json["processes"]

    def processes_of(self, pid):
        """The process numbers of a pid, oldest first: exec begins a new one."""
        found = [process for process in self.processes if process["pid"] == pid]
        return sorted(found, key=lambda process: (process["execs"], process["id"]))

    def matched(self):
        """(truth, process or None). An image that told nothing comes before those that did."""
        pairs = []
        for pid in dict.fromkeys(truth["pid"] for truth in self.truths):
            truths = [truth for truth in self.truths if truth["pid"] == pid]
            processes = self.processes_of(pid)[-len(truths):]
            pairs += zip(truths, [None] * (len(truths) - len(processes)) + processes)
        return pairs


class Context:
    """A test's temp directory and its processes; close() ends what is left."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="allocpath-test-")
        self.path = self._directory.name
        self._numbers = 0

    def close(self):
        self._end_children()
        self._directory.cleanup()

    def _end_children(self):
        for _ in range(50):
            left = children_of(os.getpid())
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass

    def file(self, name):
        """A path in the temp directory, never given out before."""
        self._numbers += 1
        return os.path.join(self.path, f"{self._numbers}-{name}")

    def start(self, command, fixed_addresses=False, environment=None, **options):
        """Starts a process; its stderr goes to the file that is process.stderr_path."""
        stderr_path = self.file("stderr")
        with open(stderr_path, "wb") as stderr:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=options.pop("stdout", subprocess.DEVNULL),
                stderr=stderr,
                cwd=self.path,
                env={**os.environ, **(environment or {})},
                preexec_fn=_fixed_addresses if fixed_addresses else None,
                **options,
            )
        process.stderr_path = stderr_path
        return process

    def stderr_of(self, process):
        with open(process.stderr_path, encoding="utf-8", errors="replace") as stderr:
            return stderr.read()

    def finish(self, process, timeout=TIMEOUT_S):
        """The exit status, or a Failure if it does not end."""
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(
                f"still runs after {timeout} s: {' '.join(process.args)}",
                *self.stderr_of(process).splitlines()[-10:],
            ) from None

    def run(self, command, status=0, **options):
        """Runs a program without allocpath and returns its truths."""
        process = self.start(command, **options)
        ended = self.finish(process)
        text = self.stderr_of(process)
        if ended != status:
            raise Failure(
                f"{' '.join(process.args)} ended with {ended}, not {status}",
                *text.splitlines()[-10:],
            )
        return parse_truths(text)

    def measure(self, command, depth="full", status=0, options=(), timeout=TIMEOUT_S,
                **start_options):
        """allocpath hist --json -- COMMAND. Its own complaints are shown if it fails."""
        output = self.file("report.json")
        arguments = [ALLOCPATH, "hist", "--json", "-o", output, "--probes", depth]
        process = self.start([*arguments, *options, "--", *command], **start_options)
        ended = self.finish(process, timeout)
        return self._report(process, output, ended, status, depth)

    def measure_running(self, command, depth="full", options=(), attach_at=1, environment=None,
                        nr_truths=1):
        """allocpath -p PID on a program that waits for it (TRUTH_WAIT in truth_print.h).

        attach_at: which of the program's "ready" lines is the one to attach at. nr_truths: how
        many it and its children tell.
        """
        target = self.start(command, environment={"TRUTH_WAIT": "1", **(environment or {})},
                            stdin=subprocess.PIPE)
        target.stdin.write(b"g" * (attach_at - 1))
        target.stdin.flush()
        self.wait_for(
            lambda: self.stderr_of(target).count("ready\n") == attach_at,
            f"{command[0]} to be ready",
        )
        tool = self.start_tool("--probes", depth, *options, "-p", target.pid)
        target.stdin.write(b"g")
        target.stdin.flush()
        self.wait_for(lambda: self.stderr_of(target).count("}\n") >= nr_truths,
                      f"the truth of {command[0]}")
        report = self.end_tool(tool, depth)
        target.stdin.close()
        if self.finish(target):
            raise Failure(f"{command[0]} ended with {target.returncode}")
        report.truths = parse_truths(self.stderr_of(target))
        return report

    def start_tool(self, *options, **start_options):
        """allocpath hist OPTIONS, from the moment on that it measures; end_tool() has the rest."""
        output = self.file("report.json")
        tool = self.start([ALLOCPATH, "hist", "-v", "--json", "-o", output, *options],
                          **start_options)
        tool.output = output
        self.wait_for(
            lambda: "allocpath: measuring\n" in self.stderr_of(tool) or tool.poll() is not None,
            "allocpath to measure",
        )
        return tool

    def end_tool(self, tool, depth, with_signal=signal.SIGINT, status=0):
        """Its report, after a signal or (None) once it has come to its own end."""
        if with_signal:
            tool.send_signal(with_signal)
        return self._report(tool, tool.output, self.finish(tool), status, depth)

    def _report(self, process, output, ended, status, depth):
        text = self.stderr_of(process)
        messages = [line for line in text.splitlines() if not line.startswith("{")]
        if ended != status:
            raise Failure(
                f"{' '.join(process.args)} ended with {ended}, not {status}", *messages[-15:]
            )
        try:
            with open(output, encoding="utf-8") as report:
                document = json.load(report)
        except (OSError, ValueError) as error:
            raise Failure(f"no report: {error}", *messages[-15:]) from None
        return Report(document, parse_truths(text), ended, messages, depth)

    def wait_for(self, condition, what, timeout=20):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise Failure(f"waited {timeout} s for {what}")
            time.sleep(0.02)

    def wait_attached(self, tool, pid, depth, probed="libc.so.6"):
        """Until the probes stand in the process's text, and no more of them come."""
        if depth == "kernel":
            time.sleep(2)
            return
        before = None
        stable = 0
        for _ in range(200):
            if tool.poll() is not None:
                raise Failure("allocpath ended early", *self.stderr_of(tool).splitlines()[-15:])
            now = changed_text(pid, probed)
            stable = stable + 1 if now and now == before else 0
            if stable == 5:
                return
            before = now
            time.sleep(0.1)
        raise Failure(f"no probes came to stand in process {pid}")


def changed_text(pid, name="libc.so.6"):
    """Where the text of a mapped file differs from the file: [(offset in the file, byte)]."""
    changed = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        lines = [line.split() for line in maps]
    for line in lines:
        if len(line) < 6 or "x" not in line[1] or os.path.basename(line[5]) != name:
            continue
        low, high = (int(part, 16) for part in line[0].split("-"))
        offset = int(line[2], 16)
        with open(f"/proc/{pid}/mem", "rb") as memory, open(
            f"/proc/{pid}/map_files/{low:x}-{high:x}", "rb"
        ) as file:
            memory.seek(low)
            file.seek(offset)
            mapped = memory.read(high - low)
            stored = file.read(high - low).ljust(high - low, b"\0")
        if mapped == stored:
            continue
        changed += [
            (offset + at, mapped[at]) for at in range(high - low) if mapped[at] != stored[at]
        ]
    return changed


def need(path):
    """Skips where a tool that the test rests on is not installed."""
    for directory in os.environ.get("PATH", "").split(":"):
        if os.access(os.path.join(directory, path), os.X_OK):
            return
    raise Skip(f"{path} is not installed")


def cc1():
    """The path of gcc's compiler proper."""
    need("gcc")
    return subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True,
                          check=True).stdout.strip()


def documents(path):
    """JSON documents, one in each line of a file."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def unlike(fields, document, more=False):
    """Differences of an object of a JSON document from {field: type or types}."""
    wrong = [f"no {field}" for field in fields if field not in document]
    if not more:
        wrong += [f"{field} is new" for field in document if field not in fields]
    for field, types in fields.items():
        value = document.get(field)
        if field in document and not isinstance(value, types):
            wrong.append(f"{field}: {value!r}")
        elif isinstance(value, bool) and types is int:
            wrong.append(f"{field}: {value!r}")
    return wrong


def fail_if(differences, *context):
    """A Failure of the first differences, if there are any."""
    if not differences:
        return
    shown = list(differences[:30])
    if len(differences) > len(shown):
        shown.append(f"... and {len(differences) - len(shown)} more")
    raise Failure(*context, *shown)

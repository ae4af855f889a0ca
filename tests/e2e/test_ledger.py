# SPDX-License-Identifier: GPL-2.0-or-later
"""allocpath ledger: what the reference allocator counted, from its file and from a live process."""

import json
import os
import signal
import struct
import subprocess
import sys

from harness import ALLOCPATH, Failure, each, fail_if, program, test
from test_refalloc import environment

# Of include/refalloc_ledger.h, layout 1.
HEAD_BYTES = 4096
LAYOUT_AT, USED_SLOTS_AT, POLICY_AT, VERSION_AT = 8, 20, 28, 48
PYTHON = [sys.executable, "-c", "x = [bytes(size) for size in range(3000)]"]


def _ledger(*words, status=0):
    """What it prints; with another status its one line on stderr."""
    ended = subprocess.run([ALLOCPATH, "ledger", *map(str, words)], capture_output=True,
                           text=True, errors="replace", timeout=30)
    if ended.returncode != status:
        raise Failure(f"ledger {words} ended with {ended.returncode}, not {status}",
                      *ended.stderr.splitlines())
    if not status:
        return ended.stdout
    if ended.stdout or ended.stderr.count("\n") != 1:
        raise Failure(f"not one line alone: {ended.stdout[:200]!r} {ended.stderr!r}")
    return ended.stderr


def _written(context, command=None):
    """The ledger file of a command that has ended."""
    path = context.file("ledger")
    context.run(command or PYTHON, environment=environment(f"ledger={path}"))
    return path


def _changed(context, at, what):
    path = _written(context)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(what)
    return path


def _inner(document):
    """Sums that hold inside any ledger at rest."""
    requests = document["requests"]["count"]
    releases = document["releases"]
    sums = {
        "paths": sum(path["count"] for path in document["paths"].values()),
        "sizes": sum(size["count"] for size in document["sizes"]),
        "home": sum(document["home"].values()),
        "live and released": document["live"]["count"] + releases["count"],
    }
    wrong = [f"{name}: {value}, requests: {requests}" for name, value in sums.items()
             if value != requests]
    asked = document["requests"]["bytes"]
    sums = {
        "paths": sum(path["bytes"] for path in document["paths"].values()),
        "sizes": sum(size["bytes"] for size in document["sizes"]),
        "live and released": document["live"]["bytes"] + releases["bytes"],
    }
    return wrong + [f"bytes of {name}: {value}, asked for: {asked}"
                    for name, value in sums.items() if value != asked]


@test
def file(context):
    path = _written(context)
    document = json.loads(_ledger(path, "--json"))
    wrong = _inner(document)
    if not 2488 < document["requests"]["count"] < 20000:
        wrong.append(f"{document['requests']} of 2,488 objects above 512 bytes and python's own")
    for key, value in (("layout", 1), ("policy", "hybrid"), ("threshold", 131072),
                       ("comm", None), ("exited", None), ("faults", None)):
        if document[key] != value:
            wrong.append(f"{key} is {document[key]!r}, not {value!r}")
    text = _ledger(path)
    shown = (f"requests     {document['requests']['count']} for ",
             "policy hybrid, threshold 128 KiB",
             f"brk          {document['syscalls']['brk']['calls']} calls, 0 failed")
    wrong += [f"no {line!r} in the text" for line in shown if line not in text]
    fail_if(wrong)


@test
def same_keys(context):
    """It has all keys of a process in the profiler's JSON, and their shape."""
    document = json.loads(_ledger(_written(context), "--json"))
    process = context.measure([program("calls")]).processes[-1]
    wrong = [f"no {key}" for key in process if key not in document]
    for key in ("requests", "paths", "home", "releases", "live", "syscalls"):
        if sorted(process[key]) != sorted(document[key]):
            wrong.append(f"{key}: {sorted(document[key])}, not {sorted(process[key])}")
    for call, figures in process["syscalls"].items():
        if sorted(figures) != sorted(document["syscalls"][call]):
            wrong.append(f"{call}: {document['syscalls'][call]}")
    fail_if(wrong)


@each({"to_file": True, "in_memory": False})
def live(context, to_file):
    """From outside, while it runs; and what it left in its file when it was killed."""
    path = context.file("ledger")
    options = [f"ledger={path}"] if to_file else ["policy=mmap"]
    process = context.start(["sleep", "60"], environment=environment(*options))
    # The loader runs first.
    context.wait_for(lambda: subprocess.run([ALLOCPATH, "ledger", str(process.pid)],
                                            capture_output=True, check=False).returncode == 0,
                     "a ledger to be there")
    context.wait_for(lambda: b"nanosleep" in _syscall(process.pid), "sleep to sleep")
    document = json.loads(_ledger(process.pid, "--json"))
    wrong = _inner(document)
    for key, value in (("pid", process.pid), ("nspid", process.pid), ("comm", "sleep"),
                       ("exited", False), ("policy", "hybrid" if to_file else "mmap")):
        if document[key] != value:
            wrong.append(f"{key} is {document[key]!r}, not {value!r}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    if to_file:
        left = json.loads(_ledger(path, "--json"))
        wrong += [f"{key}: killed {left[key]}, alive {document[key]}"
                  for key in ("requests", "sizes", "releases", "syscalls")
                  if left[key] != document[key]]
    elif f"no process {process.pid}" not in _ledger(process.pid, status=1):
        wrong.append("a process that has ended is not said to have")
    fail_if(wrong)


def _syscall(pid):
    """The system call that a process waits in, by the name of what it waits in."""
    with open(f"/proc/{pid}/wchan", "rb") as wchan:
        return wchan.read()


@test
def forked(context):
    """A child has a ledger of its own, from nothing."""
    path = context.file("ledger")
    script = ("import os, sys\n"
              "child = os.fork()\n"
              "if child: os.waitpid(child, 0)\n"
              "print(os.getpid(), file=sys.stderr)\n")
    process = context.start([sys.executable, "-c", script],
                            environment=environment(f"ledger={path}.%p"))
    context.finish(process)
    child, parent = (int(line) for line in context.stderr_of(process).split())
    wrong = []
    counts = []
    for pid in (parent, child):
        document = json.loads(_ledger(f"{path}.{pid}", "--json"))
        counts.append(document["requests"]["count"])
        if document["pid"] != pid:
            wrong.append(f"the ledger of {pid} says it is {document['pid']}'s")
    if not counts[1] < counts[0]:
        wrong.append(f"{counts[1]} requests of the child, {counts[0]} of its parent")
    fail_if(wrong)


@test
def no_wrap(context):
    """More releases than requests, as one moment after another may read them: nothing live."""
    path = _written(context)
    with open(path, "r+b") as ledger:
        ledger.seek(HEAD_BYTES)
        ledger.write(struct.pack("<6Q", 1 << 40, 0, 0, 0, 0, 1 << 50))
    document = json.loads(_ledger(path, "--json"))
    if document["live"] != {"count": 0, "bytes": 0}:
        raise Failure(f"live: {document['live']}")


@test
def hostile_text(context):
    path = _changed(context, VERSION_AT, b"\x1b[31m\xff\n\"version!")
    text = _ledger(path)
    if "\x1b" in text or "?[31m" not in text:
        raise Failure("a version reaches the terminal as it is", repr(text[:200]))
    if not json.loads(_ledger(path, "--json"))["version"].endswith('"version!'):
        raise Failure("the version is not what the file has")
    path = _changed(context, POLICY_AT, struct.pack("<I", 77))
    if json.loads(_ledger(path, "--json"))["policy"] != "?":
        raise Failure("an unknown policy has a name")


def _refused(what, path, said):
    line = _ledger(path, status=1)
    if said not in line:
        raise Failure(f"{what}: {line}")


@test
def wrong_input(context):
    short = _written(context)
    os.truncate(short, HEAD_BYTES + 100)
    nothing = context.file("nothing")
    with open(nothing, "wb"):
        pass
    pipe = context.file("pipe")
    os.mkfifo(pipe)
    _refused("cut short", short, "cut short")
    _refused("an empty file", nothing, "no ledger of the reference allocator")
    _refused("no ledger", "/etc/passwd", "no ledger of the reference allocator")
    _refused("a device", "/dev/zero", "no regular file")
    _refused("a directory", context.path, "no regular file")
    _refused("a pipe", pipe, "no regular file")
    _refused("a missing file", context.file("missing"), "cannot be opened")
    _refused("another layout", _changed(context, LAYOUT_AT, struct.pack("<I", 99)), "layout 99")
    for used in (0, 513, 0xffffffff):
        _refused("too many slots", _changed(context, USED_SLOTS_AT, struct.pack("<I", used)),
                 "damaged")
    _refused("a process without it", os.getpid(), "has no ledger")
    _refused("no process", 2**22 + 1, "there is no process")
    for words in ((), ("a", "b"), ("--probes", "full", "a")):
        _ledger(*words, status=2)

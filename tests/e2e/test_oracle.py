# SPDX-License-Identifier: GPL-2.0-or-later
"""The oracle: what the profiler saw is what the reference allocator counted itself, to the unit.

Requests, bytes, paths, size classes, homes, releases and live blocks are compared as they are. The
profiler's system calls are of the whole process, the ledger's are the allocator's own. The break
and mremap are the allocator's alone in these programs, but for the loader's one question where the
break is; mappings are told apart by their stacks, and of munmap and madvise the process has to
have at least what the allocator had, while what each release did is compared exactly. Where there
are so many mappings that not each one's stack is taken, their figures are estimates.
"""

import json
import os
import shutil
import subprocess
import sys

from harness import ALLOCPATH, ROOT, Failure, cc1, each, fail_if, need, program
from test_refalloc import LIBRARY, environment

ALL_STACKS = ("--stacks", "1000000")
ESTIMATE = 0.05 # of mappings: 0.3 % was seen, where one stack in three was taken
PROGRAMS = ("stress", "sqlite3")
LONG = ("python3", "redis-server", "git", "cc1")
DEPTHS = ("entry", "full")


def _rows(names):
    return {f"{name}.{depth}": (name, depth) for name in names for depth in DEPTHS}


def _sqlite3():
    need("sqlite3")
    return [shutil.which("sqlite3"), ":memory:",
            "create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n"
            " where i < 20000) insert into t select i, hex(randomblob(50)) from n;"
            " create index b on t(b); select count(*) from t where b > '8';"]


def _redis(context):
    need("redis-server")
    need("redis-benchmark")
    socket = context.file("socket")
    script = (f"{shutil.which('redis-server')} --port 0 --unixsocket {socket} --save '' &\n"
              f"unset LD_PRELOAD\n"
              f"until redis-cli -s {socket} ping >/dev/null 2>&1; do sleep 0.1; done\n"
              f"redis-benchmark -s {socket} -q -n 5000 -t set,get,lpush,lrange_100\n"
              f"redis-cli -s {socket} shutdown nosave\nwait\n")
    return ["sh", "-c", script]


def _git(context):
    """A repository is made, packed and read, by git and what it starts."""
    need("git")
    place = os.path.join(context.path, "repository")
    script = (f"export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\n"
              f"git init -q {place} && cd {place} || exit 1\n"
              "for i in $(seq 20); do seq $i $((i * 50)) >file-$((i % 5)); git add . && git -c "
              "user.name=test -c user.email=test@localhost commit -q -m \"$i\" || exit 1; done\n"
              "git gc -q && git log --stat | tail -n 50 >log && git fsck --full\n")
    return ["sh", "-c", script]


def _cc1(context):
    """The compiler proper, of a file that the preprocessor has been through."""
    compiler = cc1()
    source = os.path.join(context.path, "source.i")
    subprocess.run(["gcc", "-E", "-D_GNU_SOURCE", os.path.join(ROOT, "tests", "programs",
                                                             "refalloc_rules.c"), "-o", source],
                   check=True)
    return [compiler, "-fpreprocessed", source, "-quiet", "-O2", "-o", "/dev/null"]


def _command(context, name):
    if name == "stress":
        return [program("refalloc_stress"), 4, 4000, 1, "unwalked"]
    if name == "python3":
        return [sys.executable, "-c", "import json, threading\n"
                "x = [json.dumps({str(i): [i] * (i % 500)}) for i in range(3000)]\n"
                "t = [threading.Thread(target=lambda: [bytes(i * 9) for i in range(20000)])"
                " for _ in range(3)]\n"
                "[i.start() for i in t], [i.join() for i in t]\n"]
    if name == "sqlite3":
        return _sqlite3()
    return {"redis-server": _redis, "git": _git, "cc1": _cc1}[name](context)


def _ledger_of(path):
    ended = subprocess.run([ALLOCPATH, "ledger", "--json", path], capture_output=True, text=True,
                           check=False)
    if ended.returncode:
        raise Failure("a ledger cannot be read", ended.stderr)
    return json.loads(ended.stdout)


def _differences(name, seen, counted):
    """Of two values from JSON, key by key."""
    if isinstance(seen, dict) and isinstance(counted, dict):
        return [line for key in sorted(seen.keys() | counted.keys())
                for line in _differences(f"{name}.{key}", seen.get(key), counted.get(key))]
    return [] if seen == counted else [f"{name}: profiler {seen}, ledger {counted}"]


def _mapped(kind):
    """Anonymous mappings made inside the allocator, by their stacks: their number and bytes."""
    own = [row for row in kind["top"]
           if any(frame["file"] and frame["file"].endswith("librefalloc.so")
                  for frame in row["frames"])]
    return {"calls": sum(row["count"] for row in own), "bytes": sum(row["bytes"] for row in own)}


def _mapped_differences(process, own):
    kind = process["stacks"]["kinds"]["mapped"]
    seen = _mapped(kind)
    asked = {"calls": own["calls"] - own["failed"] - 1, "bytes": own["anon_bytes"]} # less its own
    if kind["seen"] == kind["count"]:
        return _differences("mapped", seen, asked)
    return [f"mapped.{key}: profiler about {seen[key]}, ledger {value}"
            for key, value in asked.items() if abs(seen[key] - value) > ESTIMATE * value]


def _call_differences(process, counted):
    seen, own = process["syscalls"], counted["syscalls"]
    asked = dict(own["brk"], calls=own["brk"]["calls"] + 1) # the loader's question
    found = _differences("brk", seen["brk"], asked)
    found += _differences("mremap", seen["mremap"], own["mremap"])
    found += _mapped_differences(process, own["mmap"])
    for call in ("mmap", "munmap", "madvise"):
        found += [f"{call}.{key}: profiler {seen[call][key]}, fewer than the ledger's {value}"
                  for key, value in own[call].items() if value > seen[call][key]]
    return found


def _request_differences(process, counted, depth):
    sizes = [{row["min"]: row for row in side["sizes"]} for side in (process, counted)]
    found = _differences("sizes", *sizes)
    for key in ("requests", "paths", *(("home", "releases", "live") if depth == "full" else ())):
        found += _differences(key, process[key], counted[key])
    return found


def _oracle(context, row):
    name, depth = row
    path = context.file("ledger")
    # In allocpath's own environment: so it knows the library before the command begins.
    report = context.measure(_command(context, name), depth, options=ALL_STACKS, timeout=240,
                             environment=environment(f"ledger={path}.%p") | {"LD_PRELOAD": LIBRARY})
    found = [f"lost: {reason} {count}" for reason, count in report.json["lost"].items() if count]
    compared = 0
    for process in report.processes:
        ledger = f"{path}.{process['pid']}"
        # An exec begins a ledger anew: the file is of the pid's last image.
        if process is not report.processes_of(process["pid"])[-1] or not os.path.exists(ledger):
            continue
        counted = _ledger_of(ledger)
        compared += counted["requests"]["count"]
        if process["allocator"] is None or not process["allocator"].startswith("refalloc"):
            found.append(f"{process['comm']}: allocator is {process['allocator']}")
        found += [f"{process['comm']} {process['pid']}: {line}"
                  for line in _request_differences(process, counted, depth) +
                  _call_differences(process, counted)]
    if compared < 1000:
        found.append(f"only {compared} requests were compared")
    fail_if(found)


@each(_rows(PROGRAMS))
def oracle(context, row):
    _oracle(context, row)


@each({depth: depth for depth in DEPTHS})
def static_oracle(context, depth):
    """The whole interface, pvalloc too, in a static program; its libc moves the break as well."""
    path = context.file("ledger")
    report = context.measure([program("refalloc_interface_static")], depth,
                             environment={"REFALLOC": f"ledger={path}"})
    counted = _ledger_of(path)
    process, = report.processes
    for side in (process["requests"], counted["requests"]):
        # At entry a failure may be of unknown result, and reallocarray's own never reach realloc.
        for key in ("failed", "unknown_result"):
            side.pop(key, None)
    found = [f"lost: {reason} {count}" for reason, count in report.json["lost"].items() if count]
    if counted["requests"]["count"] < 100:
        found.append(f"only {counted['requests']['count']} requests were compared")
    fail_if(found + _request_differences(process, counted, depth))


@each(_rows(LONG), takes_long=True)
def much_oracle(context, row):
    _oracle(context, row)

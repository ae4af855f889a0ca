# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts that owe nothing to allocpath: system calls by strace, allocations by libcount.so."""

import os
import re
import struct

import harness

CALLS = ("brk", "mmap", "munmap", "mremap", "mprotect", "madvise")
PAGE = 4096

_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\w+)")
_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")

# struct page of libcount.c
COUNT_PAGE_BYTES = 4096
FUNCTIONS = ("malloc", "calloc", "realloc", "memalign", "posix_memalign", "valloc", "pvalloc")


def _empty():
    return {
        "brk": {"calls": 0, "failed": 0, "grown_bytes": 0, "shrunk_bytes": 0},
        "mmap": {
            "calls": 0,
            "failed": 0,
            "anon_bytes": 0,
            "file_bytes": 0,
            "stack_bytes": 0,
            "populated_bytes": 0,
        },
        "munmap": {"calls": 0, "failed": 0, "bytes": 0},
        "mremap": {"calls": 0, "failed": 0, "grown_bytes": 0, "shrunk_bytes": 0},
        "mprotect": {"calls": 0, "failed": 0, "bytes": 0},
        "madvise": {"calls": 0, "failed": 0, "dontneed_bytes": 0, "free_bytes": 0},
    }


def _pages(length):
    return (length + PAGE - 1) // PAGE * PAGE


def _count_brk(row, arguments, result, state):
    asked = 0 if arguments[0] == "NULL" else int(arguments[0], 16)
    before, now = state.get("break"), int(result, 16)
    state["break"] = now
    if not asked:
        return
    if now != asked:
        row["failed"] += 1
    elif before is not None:
        row["grown_bytes" if now > before else "shrunk_bytes"] += abs(now - before)


def _count_mmap(row, arguments):
    flags = arguments[3]
    column = "anon_bytes" if "MAP_ANONYMOUS" in flags else "file_bytes"
    if "MAP_STACK" in flags:
        column = "stack_bytes"
    elif "MAP_POPULATE" in flags:
        column = "populated_bytes"
    row[column] += _pages(int(arguments[1]))


def _count(counts, name, text, result, state):
    row = counts[name]
    arguments = text.split(", ")
    row["calls"] += 1
    if name == "brk":
        _count_brk(row, arguments, result, state)
    elif result.startswith("-"):
        row["failed"] += 1
    elif name == "mmap":
        _count_mmap(row, arguments)
    elif name in ("munmap", "mprotect"):
        row["bytes"] += _pages(int(arguments[1]))
    elif name == "mremap":
        change = _pages(int(arguments[2])) - _pages(int(arguments[1]))
        row["grown_bytes" if change > 0 else "shrunk_bytes"] += abs(change)
    elif "MADV_DONTNEED" in arguments[2]:
        row["dontneed_bytes"] += _pages(int(arguments[1]))
    elif "MADV_FREE" in arguments[2]:
        row["free_bytes"] += _pages(int(arguments[1]))


def syscalls(context, command, **options):
    """The "syscalls" block of a single process with any threads, from its exec to its end."""
    harness.need("strace")
    trace = context.file("strace")
    context.run(
        ["strace", "-f", "-qq", "-o", trace, "-e", "trace=" + ",".join(CALLS), *command],
        **options,
    )
    counts, state, begun = _empty(), {}, {}
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            unfinished, resumed = _UNFINISHED.match(line), _RESUMED.match(line)
            if unfinished:
                begun[unfinished[1]] = unfinished[3]
                continue
            if resumed:
                line = f"{resumed[1]} {resumed[2]}({begun.pop(resumed[1], '')}{resumed[3]}"
            whole = _LINE.match(line)
            if whole and whole[2] in CALLS:
                _count(counts, whole[2], whole[3], whole[4], state)
    return counts


def allocations(context, command, **options):
    """A list of counts, one for each process image of a command, by libcount.so."""
    output = context.file("counts")
    environment = {
        "LD_PRELOAD": os.path.join(harness.PROGRAMS, "libcount.so"),
        "COUNT_OUT": output,
        **options.pop("environment", {}),
    }
    context.run(command, environment=environment, **options)
    return read_counts(output)


def read_counts(path):
    """The pages of libcount.so's file."""
    images = []
    with open(path, "rb") as file:
        data = file.read()
    for at in range(0, len(data), COUNT_PAGE_BYTES):
        values = struct.unpack_from(f"<{4 + 2 * len(FUNCTIONS)}Q", data, at)
        counts = dict(zip(FUNCTIONS, values[4:]))
        images.append(
            {
                "pid": values[0],
                "failed": values[1],
                "releases": values[2],
                "mapped": values[3],
                "count": sum(values[4 : 4 + len(FUNCTIONS)]),
                "bytes": sum(values[4 + len(FUNCTIONS) :]),
                "functions": counts,
            }
        )
    return images

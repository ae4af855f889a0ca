# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a measurement is shown, and how it is put together."""

import os
import re

import compare
import harness
from harness import Failure, each, fail_if, program, test

WORK = ["sh", "-c", "ls /usr >/dev/null; /bin/true; ls /usr >/dev/null; exec ls /usr"]


def _sums(processes, key):
    sums = {}
    for process in processes:
        row = sums.setdefault(process[key], [0, 0, 0, 0])
        row[0] += process.get("members", 1)
        row[1] += process["requests"]["count"]
        row[2] += process["requests"]["bytes"]
        row[3] += process["syscalls"]["mmap"]["calls"]
    return sums


@each({"comm": "comm", "exe": "exe", "cgroup": "cgroup"})
def group_by(context, key):
    """A row for each, which is the sum of those that it is made of."""
    single = context.measure(WORK, "entry", fixed_addresses=True)
    grouped = context.measure(WORK, "entry", options=["--group-by", key], fixed_addresses=True)
    found = compare.books(grouped) + compare.nothing_lost(grouped)
    one, other = _sums(single.processes, key), _sums(grouped.processes, key)
    if len(grouped.processes) != len(one) or one != other:
        found.append(f"{other} in {len(grouped.processes)} rows, not {one}")
    fail_if(found)


# ten sizes are asked for, some blocks given back: (m: size x count, f: blocks)
SIZED = "m:10x3 m:100x4 m:1000x5 m:10000x6 m:200000x2 f:0-9 f:19"
# {name: (options, count, bytes, live count, live bytes)}
SIZE_LIMITS = {
    "both": (["--min-size", "100", "--max-size", "1000"], 9, 5400, 2, 2000),
    "least": (["--min-size", "1001"], 8, 460000, 7, 260000),
    "most": (["--max-size", "99"], 3, 30, 0, 0),
    "none": ([], 20, 465430, 9, 262000),
}


@each(SIZE_LIMITS)
def size_limits(context, row):
    """What is not asked for is filtered, in the ledger and in what lives."""
    options, count, total, live_count, live_bytes = row
    report = context.measure([program("calls"), *SIZED.split()], "full", options=options)
    (process,) = report.processes
    found = compare.books(report) + compare.nothing_lost(report)
    expected = {
        "requests.count": (process["requests"]["count"], count),
        "requests.bytes": (process["requests"]["bytes"], total),
        "live.count": (process["live"]["count"], live_count),
        "live.bytes": (process["live"]["bytes"], live_bytes),
        "releases.count": (process["releases"]["count"], count - live_count),
        "releases.of_unknown": (process["releases"]["of_unknown"], 0),
        "ledger.alloc.recorded": (report.json["ledger"]["alloc"]["recorded"], count),
    }
    found += [f"{name}: {got}, not {value}" for name, (got, value) in expected.items()
              if got != value]
    if report.json["ledger"]["alloc"]["filtered"] < 20 - count:
        found.append(f"ledger: {report.json['ledger']['alloc']}")
    fail_if(found)


REPEATED = ["sh", "-c", "for i in 1 2 3 4 5 6; do ls /usr >/dev/null; sleep 0.15; done"]


def _add_up(documents):
    sums = {}
    for document in documents:
        for process in document["processes"]:
            values = {"requests": process["requests"]["count"],
                      "bytes": process["requests"]["bytes"]}
            values |= {path: row["count"] for path, row in process["paths"].items()}
            values |= {call: row["calls"] for call, row in process["syscalls"].items()}
            values["grown"] = process["syscalls"]["brk"]["grown_bytes"]
            values["in sizes"] = sum(row["count"] for row in process["sizes"])
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value
    return sums


@test
def intervals(context):
    """The sums of all intervals are a whole run's, which repeats exactly.

    An edge between two is no point in time: what is counted while the maps are read may be in one
    interval by its count and in the next by its size. So the books are held against the sums.
    """
    whole = context.measure(REPEATED, "entry", fixed_addresses=True)
    output = context.file("intervals")
    process = context.start([harness.ALLOCPATH, "hist", "--json", "-o", output, "--interval",
                             "300ms", "--", *REPEATED], fixed_addresses=True)
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    documents = harness.documents(output)
    found = [] if len(documents) >= 4 else [f"{len(documents)} documents of 300 ms in a second"]
    for kind in whole.json["ledger"]:
        rows = [document["ledger"][kind] for document in documents]
        seen = sum(row["seen"] for row in rows)
        accounted = sum(row[part] for row in rows for part in row if part != "seen")
        if seen != accounted or sum(row["lost"] for row in rows):
            found.append(f"ledger.{kind}: {rows}")
    one, other = _add_up([whole.json]), _add_up(documents)
    if one != other:
        found.append(f"{other} in {len(documents)} intervals, not {one}")
    fail_if(found)


@test
def interval_count(context):
    """--count ends the measurement, not CMD."""
    output, flag = context.file("intervals"), context.file("flag")
    process = context.start([harness.ALLOCPATH, "hist", "--json", "-o", output, "--interval",
                             "200ms", "--count", "3", "--", "sh", "-c", f"sleep 2; echo >{flag}"])
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    if len(harness.documents(output)) != 3:
        raise Failure(f"{len(harness.documents(output))} documents, not 3")
    if os.path.exists(flag):
        raise Failure("it waited for CMD")
    context.wait_for(lambda: os.path.exists(flag), "CMD, which goes on")


def _text_report(context, *options):
    """(rows of the table as words, number of histograms, all lines)"""
    output = context.file("report.txt")
    process = context.start([harness.ALLOCPATH, "hist", "-o", output, *options, "--", *WORK])
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    with open(output, encoding="utf-8") as report:
        lines = report.read().split("\n")
    header = next(at for at, line in enumerate(lines) if re.match(r" *pid +comm", line))
    total = next(at for at, line in enumerate(lines) if re.match(r" +total ", line))
    rows = [line.split() for line in lines[header + 1 : total]]
    return rows, len([line for line in lines if line.startswith("-- ")]), lines


def _number(word):
    return 0 if word == "." else int(word)


# {--sort: value of a row by which rows fall, or (pid, comm) rise}
SORTS = {
    "pid": lambda row: -int(row[0]),
    "requests": lambda row: _number(row[2]),
    "faults": lambda row: _number(row[-1]),
}


@each(SORTS)
def sorted_table(context, value):
    key = next(name for name, function in SORTS.items() if function is value)
    rows, _, lines = _text_report(context, "--sort", key)
    values = [value(row) for row in rows]
    found = [] if len(rows) >= 4 else [f"only {len(rows)} rows"]
    if values != sorted(values, reverse=True):
        found.append(f"by {key}: {values}")
    found += [f"{len(line)} columns: {line}" for line in lines if len(line) > 80]
    fail_if(found)


@each({"0": 0, "2": 2, "100": 100})
def top(context, number):
    """So many histograms; the table has every process all the same."""
    rows, histograms, _ = _text_report(context, "--top", number)
    if len(rows) < 4 or histograms != min(number, len(rows)):
        raise Failure(f"{histograms} histograms of {len(rows)} processes, not {number}")

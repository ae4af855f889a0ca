#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The budget of 1 %: what programs lose in its windows and their edges, against the time between.

    tests/bench/windows.py [--seconds S] [--processes N[,N...]] [--only REGEX] [--json FILE]

Each program does one thing again and again and notes when each began and how long it took; allocpath
hist -a --budget 1% says when its probes were attached, open, closed and gone. What those took more
that met a window than the others did on average, over the whole time, is what the program lost; a
comparison of whole runs could not see 1 % on a noisy machine. The shares of size classes are held
against those of a run without a budget.
"""

import argparse
import bisect
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import tools
import units


def meets(began, took, starts, windows):
    """"window", "edge" or "" for one that began and took so long; windows are in order."""
    at = bisect.bisect_right(starts, began + took) - 1
    if at < 0 or began > windows[at][3]:
        return ""
    _, opened, closed, _ = windows[at]
    return "window" if began < closed and began + took > opened else "edge"


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e3 if ordered else 0


def judge(took, windows):
    """What it lost, in percent of its time, and its latencies in microseconds."""
    starts, kinds = [window[0] for window in windows], {"": [], "window": [], "edge": []}
    for began, lasted in took:
        kinds[meets(began, lasted, starts, windows)].append(lasted)
    whole, usual = sum(lasted for _, lasted in took), statistics.fmean(kinds[""])
    spread = statistics.pstdev(kinds[""])
    row = {"number": len(took), "windows": len(windows)}
    for kind in ("window", "edge"):
        lost = sum(kinds[kind]) - usual * len(kinds[kind])
        row[f"lost in {kind}s"] = 100 * lost / whole
    row["lost"] = row["lost in windows"] + row["lost in edges"]
    nr_met = len(kinds["window"]) + len(kinds["edge"])
    row["noise"] = 100 * 1.96 * spread * nr_met ** 0.5 / whole
    every = sorted(lasted for _, lasted in took)
    for name, values in (("without", sorted(kinds[""])), ("all", every)):
        row[name] = [quantile(values, share) for share in (0.5, 0.99, 0.999)]
    row["p50 in windows"] = quantile(sorted(kinds["window"]), 0.5)
    return row


def profile(directory, options):
    """allocpath hist, started, and the file that its document will be in."""
    path = os.path.join(directory, "report.json")
    tool = subprocess.Popen([tools.ALLOCPATH, "hist", "--json", "--group-by", "comm", "-o",
                             path, *options], stderr=subprocess.DEVNULL)
    time.sleep(2)
    return tool, path


def finish(tool, path):
    tool.send_signal(2)
    if tool.wait(60):
        raise RuntimeError(f"allocpath has ended with {tool.returncode}")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def shares(document, comm):
    """{least size of a class: (share, interval or None)}"""
    rows = [row for row in document["processes"] if row["comm"] == comm]
    sizes = rows[0]["sizes"] if rows else []
    whole = sum(row["count"] for row in sizes)
    return {row["min"]: (row.get("share") or row["count"] / whole, row.get("share_ci95"))
            for row in sizes if row["count"]}


def compare(exact, estimated):
    """(largest difference in points, classes with an interval, those whose interval misses)"""
    most, nr, missed = 0.0, 0, 0
    for size in exact.keys() | estimated.keys():
        truth, (share, interval) = exact.get(size, (0, None))[0], estimated.get(size, (0, None))
        most = max(most, 100 * abs(truth - share))
        nr += bool(interval)
        missed += bool(interval) and not interval[0] <= truth <= interval[1]
    return most, nr, missed


def measure(make, directory, seconds):
    workload, path = make(directory), os.path.join(directory, "took")
    try:
        tool, report = profile(directory, ["-a", "--budget", "1%"])
        workload.run(seconds, path)
        document = finish(tool, report)
        took = units.read(path)
        # after it, when first times are over
        tool, report = profile(directory, ["-n", workload.comm])
        workload.run(2, path)
        exact = shares(finish(tool, report), workload.comm)
    finally:
        workload.stop()
    windows = [window for window in document["budget"]["times_ns"]
               if took[0][0] < window[0] and window[3] < took[-1][0]]
    row = judge(took, windows)
    row["period_s"] = (took[-1][0] - took[0][0]) / 1e9 / max(len(windows), 1)
    row["shares"] = compare(exact, shares(document, workload.comm))
    return row


def show(name, processes, row):
    most, nr, missed = row["shares"]
    print(f"  {name:10} {processes:6} {row['number']:8} {row['windows']:4} {row['period_s']:6.2f}  "
          f"{row['lost in windows']:7.2f} {row['lost in edges']:6.2f} {row['lost']:6.2f} "
          f"{row['noise']:6.2f}  "
          f"{' '.join(f'{value:8.1f}' for value in row['without'])}  "
          f"{' '.join(f'{value:8.1f}' for value in row['all'])}  "
          f"{most:6.2f} {missed:3} of {nr}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--processes", default="0,500,2000", help="idle ones, besides")
    parser.add_argument("--only", default="", help="programs that this matches")
    parser.add_argument("--json", default=os.path.join(tools.BUILD, "windows.json"))
    options = parser.parse_args()
    results = []

    print(f"{tools.machine()}\n{options.seconds:g} s each, --budget 1%; percent of the time lost; "
          "microseconds; points")
    print(f"  {'':10} {'idle':>6} {'units':>8} {'win-':>4} {'each':>6}  {'in win-':>7} {'in':>6} "
          f"{'lost':>6} {'noise':>6}  {'without: p50':>13} {'p99':>5} {'p99.9':>7}  "
          f"{'all: p50':>10} {'p99':>8} {'p99.9':>7}  {'share':>6} intervals\n"
          f"  {'':10} {'':6} {'':8} {'dows':>4} {'s':>6}  {'dows':>7} {'edges':>6} "
          f"{'':6} {'':6}  {'':27} {'':27}  {'off by':>6} that miss")
    for processes in (int(word) for word in options.processes.split(",")):
        idle = [subprocess.Popen(["sleep", "100000"]) for _ in range(processes)]
        for name, make in random.sample(sorted(units.WORKLOADS.items()), len(units.WORKLOADS)):
            if not re.search(options.only, name):
                continue
            directory = tempfile.mkdtemp(prefix="allocpath-bench-")
            row = measure(make, directory, options.seconds)
            shutil.rmtree(directory)
            show(name, processes, row)
            results.append({"name": name, "processes": processes, **row})
        for sleeper in idle:
            sleeper.kill()
        for sleeper in idle:
            sleeper.wait()
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": tools.machine(), "seconds": options.seconds, "rows": results}, file,
                  indent=1)
    print(f"\n{options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference allocator beside others: what programs take with each, as ratios to glibc.

    tests/bench/allocators.py [--rounds N] [--only REGEX] [--json FILE] [--svg FILE]

A round runs each allocator in random order, each right after glibc: the ratio is of that pair.
Tables have the median of the ratios, and of time and peak the lower and upper quartile; the JSON has
every value. Time is the processor's, which other work on the machine disturbs least; for programs
with threads there is the clock's too. Kernel calls on memory are counted by strace in one run more.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile

import chart
import tools
from cost import PATTERNS, PYTHON, REFALLOC, SQL, Command, Redis, cost, kernel_calls, library

BASE, OURS = "glibc", "refalloc"
MUSL = "musl"
HELD = "glibc 128k"  # its threshold stays where it begins, as refalloc's does
VARIABLES = {HELD: {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"},
             "dynamic=1": {"REFALLOC": "dynamic=1"}}  # its threshold moves, as glibc's does
THREADED = ("handover", "two threads")
FIGURES = {"time_s": "processor time", "clock_s": "time by the clock",
           "peak_kib": "peak resident memory", "faults": "page faults",
           "calls": "kernel calls on memory"}
UNITS = {"time_s": (1e3, "ms"), "clock_s": (1e3, "ms"), "peak_kib": (1 / 1024, "MiB"),
         "faults": (1, ""), "calls": (1, "")}


def allocators():
    """{name: what is preloaded}; musl is a program of its own. What is not installed is left out."""
    found = {BASE: "", HELD: "", MUSL: f"{PATTERNS}-musl", "jemalloc": library("libjemalloc.so.2"),
             "tcmalloc": library("libtcmalloc_minimal.so.4"), "mimalloc": library("libmimalloc.so.2"),
             OURS: REFALLOC, "dynamic=1": REFALLOC,
             "no ledger": os.path.join(tools.BUILD, "noledger", "librefalloc.so")}
    return {name: path for name, path in found.items() if path == "" or os.path.exists(path or "")}


def workloads(directory):
    """{name: command}"""
    script = os.path.join(directory, "sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(SQL % 100000)
    found = {name: Command(PATTERNS, pattern, str(count)) for name, pattern, count in (
        ("fixed size", "fixed", 6000000), ("mixed sizes", "mixed", 1000000),
        ("batch", "batch", 10), ("growing arrays", "grow", 20), ("handover", "handover", 12),
        ("two threads", "threads", 600000))}
    python = ["/usr/bin/python3", "-S", "-c", PYTHON % 20000]
    found["python3"] = Command(*python)
    found["python3, all by malloc"] = Command(*python, PYTHONMALLOC="malloc")
    found["sqlite3"] = Command("sqlite3", ":memory:", f".read {script}")
    found["redis"] = Redis(60000)
    return found


def take(command, name, preload, calls=False):
    """One run; None: there is none, for a program that musl does not have."""
    if name == MUSL:
        if command.words[:1] != [PATTERNS]:
            return None
        command, preload = Command(preload, *command.words[1:]), ""
    variables = VARIABLES.get(name, {})
    if calls:
        return sum(kernel_calls(command, preload, **variables).values())
    return cost(command, preload, **variables)


def measure(command, available, rounds):
    """{allocator: {figure: {median, values, ratio, ...}}}"""
    samples = {}
    names = [name for name in available if name != BASE]
    for name in names + [BASE]:
        calls = take(command, name, available[name], calls=True)
        if calls is not None:
            samples[name] = {"pairs": [], "calls": calls}
    for _ in range(rounds):
        for name in random.sample(names, len(names)):
            if name not in samples:
                continue
            base = take(command, BASE, available[BASE])
            own = take(command, name, available[name])
            samples[name]["pairs"].append((base, own))
            samples[BASE]["pairs"].append((base, base))
    return {name: {figure: summarize(samples, name, figure) for figure in FIGURES}
            for name in available if name in samples}


def summarize(samples, name, figure):
    if figure == "calls":
        pairs = [(samples[BASE]["calls"], samples[name]["calls"])]
    else:
        pairs = [(base[figure], own[figure]) for base, own in samples[name]["pairs"]]
    ratios = [own / base for base, own in pairs]
    values = [own for _, own in pairs]
    low, _, high = (statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1
                    else ratios * 3)
    return {"median": statistics.median(values), "values": values, "ratios": ratios,
            "ratio": statistics.median(ratios), "ratio_low": low, "ratio_high": high,
            "ratio_min": min(ratios), "ratio_max": max(ratios)}


def cell(row, figure, name):
    scale, unit = UNITS[figure]
    if row is None:
        return "-"
    if name == BASE:
        return f"{row[figure]['median'] * scale:.4g} {unit}".strip()
    row = row[figure]
    if figure in ("faults", "calls"):
        return f"{row['ratio']:.2f}"
    return f"{row['ratio']:.2f} ({row['ratio_low']:.2f}-{row['ratio_high']:.2f})"


def show(results, available):
    for figure, title in FIGURES.items():
        print(f"\n{title}, × glibc")
        print(f"  {'':23}" + "".join(f"{name:>17}" for name in available))
        for workload, rows in results.items():
            if figure == "clock_s" and workload not in THREADED:
                continue
            print(f"  {workload:23}" + "".join(
                f"{cell(rows.get(name), figure, name):>17}" for name in available), flush=True)


def judge(results):
    """[(statement, held)]: what is asked of the reference allocator."""
    single = [rows[OURS]["time_s"]["ratio"] for name, rows in results.items()
              if name not in THREADED]
    threads = {name: [rows[OURS][figure]["ratio"] for figure in ("time_s", "clock_s")]
               for name, rows in results.items() if name in THREADED}
    held = [rows[OURS][figure]["median"] / rows[HELD][figure]["median"]
            for name, rows in results.items() if name in THREADED
            for figure in ("time_s", "clock_s")]
    memory = [rows[OURS]["peak_kib"]["ratio"] for rows in results.values()]
    said = []
    for what, values, limit, how in (
            ("time with one thread, median", single, 1.3, statistics.median),
            ("time with one thread, worst", single, 2.0, max),
            *((f"time of {name}, two threads", ratios, 1.5, max)
              for name, ratios in threads.items()),
            ("time with two threads, × glibc with its threshold at 128 KiB", held, 1.5, max),
            ("peak memory, median", memory, 1.2, statistics.median),
            ("peak memory, worst", memory, 1.5, max)):
        if values:
            said.append((f"{what}: {how(values):.2f}, at most {limit}", how(values) <= limit))
    return said


def drawn(results):
    """Time, as the chart of the other benchmark has it."""
    return {workload: {name: {"ratio": row["time_s"]["ratio"], "unit": "s",
                              "median": row["time_s"]["median"]} for name, row in rows.items()}
            for workload, rows in results.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "7")))
    parser.add_argument("--only", default="", help="workloads that this matches")
    parser.add_argument("--json", default=os.path.join(tools.BUILD, "allocators.json"))
    parser.add_argument("--svg", default=os.path.join(tools.BUILD, "allocators.svg"))
    options = parser.parse_args()
    machine = f"{tools.machine()}, {options.rounds} rounds"
    available, results = allocators(), {}
    directory = tempfile.mkdtemp(prefix="allocpath-bench-")

    print(machine, flush=True)
    try:
        for workload, command in workloads(directory).items():
            if re.search(options.only, workload):
                print(f"{workload} ...", file=sys.stderr, flush=True)
                results[workload] = measure(command, available, options.rounds)
    finally:
        shutil.rmtree(directory)
    show(results, available)
    said = judge(results)
    print()
    for statement, held in said:
        print(f"{'holds ' if held else 'MISSED'} {statement}")
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "workloads": results,
                   "targets": [{"target": what, "held": held} for what, held in said]}, file,
                  indent=1)
    with open(options.svg, "w", encoding="utf-8") as file:
        file.write(chart.draw(drawn(results), f"time with each allocator: {machine}"))
    print(f"\n{options.json}, {options.svg}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Why not mmap for all, why not the break for all: the same programs under each policy.

    tests/bench/questions.py [--rounds N] [--only REGEX] [--json FILE]

Each program runs with the reference allocator preloaded, under hybrid, mmap and brk in turn. Time is
the processor's, the median; peak is that of resident memory, the median. Kernel calls on memory are
counted by strace. Retained is what the allocator still holds from the kernel when the program ends
and the program does not, by the ledger: freed, kept, of use to nobody else.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import tools
from cost import PATTERNS, PYTHON, REFALLOC, SQL, Command, cost, kernel_calls

POLICIES = ("hybrid", "mmap", "brk")


def workloads(directory):
    """{name: command}: counts are small enough for a kernel call each."""
    script = os.path.join(directory, "sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(SQL % 20000)
    return {
        "200,000 blocks of 64 bytes": Command(PATTERNS, "fixed", "200000"),
        "200,000 blocks of mixed sizes": Command(PATTERNS, "mixed", "200000"),
        "100 MiB of large blocks, freed": Command(PATTERNS, "retain", "100000"),
        "python3, all by malloc": Command("/usr/bin/python3", "-S", "-c", PYTHON % 1000,
                                          PYTHONMALLOC="malloc"),
        "sqlite3": Command("sqlite3", ":memory:", f".read {script}"),
    }


def retained_bytes(command, policy, directory):
    """Held less asked for, at the program's end; exact."""
    ledger = os.path.join(directory, "ledger")
    cost(command, REFALLOC, REFALLOC=f"policy={policy},ledger={ledger}")
    said = json.loads(subprocess.run([tools.ALLOCPATH, "ledger", ledger, "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    calls = said["syscalls"]
    held = (calls["brk"]["grown_bytes"] - calls["brk"]["shrunk_bytes"]
            + calls["mmap"]["anon_bytes"] - calls["munmap"]["bytes"]
            + calls["mremap"]["grown_bytes"] - calls["mremap"]["shrunk_bytes"])
    return held - said["live"]["bytes"]


def measure(command, rounds, directory):
    """{policy: row}"""
    samples = {policy: [] for policy in POLICIES}
    for _ in range(rounds):
        for policy in random.sample(POLICIES, len(POLICIES)):
            samples[policy].append(cost(command, REFALLOC, REFALLOC=f"policy={policy}"))
    rows = {}
    for policy, values in samples.items():
        calls = kernel_calls(command, REFALLOC, REFALLOC=f"policy={policy}")
        rows[policy] = {
            **{figure: statistics.median(value[figure] for value in values)
               for figure in ("time_s", "peak_kib", "faults")},
            "kernel_calls": sum(calls.values()), "calls": calls,
            "retained_bytes": retained_bytes(command, policy, directory),
            "values": values,
        }
    return rows


def show(workload, rows):
    print(f"\n{workload}")
    print(f"  {'policy':8}{'kernel calls':>13}{'faults':>9}{'time':>11}{'':>9}{'peak':>12}"
          f"{'retained':>13}")
    base = rows["hybrid"]["time_s"]
    for policy, row in rows.items():
        print(f"  {policy:8}{row['kernel_calls']:13,}{row['faults']:9,.0f}"
              f"{row['time_s'] * 1e3:8.1f} ms{row['time_s'] / base:7.1f} ×"
              f"{row['peak_kib'] / 1024:8.1f} MiB{row['retained_bytes'] / 2**20:9.2f} MiB",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "7")))
    parser.add_argument("--only", default="", help="programs that this matches")
    parser.add_argument("--json", default=os.path.join(tools.BUILD, "questions.json"))
    options = parser.parse_args()
    machine = tools.machine()
    directory, results = tempfile.mkdtemp(prefix="allocpath-bench-"), {}

    print(machine)
    try:
        for workload, command in workloads(directory).items():
            if re.search(options.only, workload):
                results[workload] = measure(command, options.rounds, directory)
                show(workload, results[workload])
    finally:
        shutil.rmtree(directory)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "rounds": options.rounds, "programs": results}, file,
                  indent=1)
    print(f"\n{options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

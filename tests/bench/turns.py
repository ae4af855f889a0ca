#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What depth kernel costs programs: on and off in turns, while they work.

    tests/bench/turns.py [--turns N] [--seconds S] [--only REGEX] [--options OPTIONS | --empty]

Each program does one thing again and again and notes how long it took; allocpath hist -a --probes
kernel is there for some seconds and then is not, again and again. Shown is the ratio of a turn's mean
to that of the two around it without: the median of the turns, and its quartiles. Times in which
allocpath starts or ends are left out. With --empty there are programs that do nothing at the same
events instead: nothing there is cheaper.
"""

import argparse
import bisect
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time

import tools
import units


def mean(took, begins, first, last):
    """Nanoseconds that a thing took which began and ended in between."""
    low, high = bisect.bisect_left(begins, first), bisect.bisect_right(begins, last)
    inside = [lasted for began, lasted in took[low:high] if began + lasted <= last]
    return statistics.fmean(inside) if inside else 0


def turns(options):
    """[(is on, first, last)], one after the other, off first and last."""
    found = []
    for turn in range(2 * options.turns + 1):
        tool = None
        if turn % 2:
            tool = (tools.empty_programs() if options.empty else
                    tools.allocpath(*options.options.split())())
            tool.start(0)
        first = time.monotonic_ns()
        time.sleep(options.seconds)
        found.append((bool(tool), first, time.monotonic_ns()))
        if tool:
            tool.stop()
    return found


def measure(make, options):
    """The ratios of all turns."""
    directory = tempfile.mkdtemp(prefix="allocpath-bench-")
    workload, path = make(directory), os.path.join(directory, "took")
    # longer than the turns take, with start and end
    seconds = (2 * options.turns + 1) * options.seconds + 3 * options.turns + 1
    thread = threading.Thread(target=workload.run, args=(seconds, path))
    try:
        thread.start()
        time.sleep(0.5)
        parts = turns(options)
        thread.join()
    finally:
        workload.stop()
    took = units.read(path)
    begins = [began for began, _ in took]
    means = [mean(took, begins, first, last) for _, first, last in parts]
    shutil.rmtree(directory)
    return [2 * means[turn] / (means[turn - 1] + means[turn + 1])
            for turn in range(1, len(means), 2) if means[turn - 1] and means[turn + 1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default="", help="programs that this matches")
    parser.add_argument("--options", default="-a --probes kernel")
    parser.add_argument("--empty", action="store_true")
    options = parser.parse_args()
    what = "empty programs" if options.empty else f"allocpath hist {options.options}"

    print(f"{tools.machine()}\n{what}: {options.turns} turns of {options.seconds:g} s, ratio to the "
          "turns without (quartiles)")
    for name, make in units.WORKLOADS.items():
        if re.search(options.only, name):
            ratios = measure(make, options)
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
            print(f"  {name:12} {middle:.3f} ({low:.3f} to {high:.3f})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many processes: how long attaching and detaching take, and what fork takes meanwhile.

    tests/bench/many.py [--processes N[,N...]] [--seconds S]

Attaching holds a lock for each file that fork needs too. A program with N idle children forks once
in a millisecond; what fork() takes is shown without allocpath, while it starts and attaches, while
all probes stand, while it ends, and under the budget of 1 %. Microseconds; one run.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import tools

FORKS = os.path.join(tools.BUILD, "tests", "programs", "fork_latency")


class Forks:
    """The forking program."""

    def __init__(self, processes):
        self.process = subprocess.Popen([FORKS, str(processes)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("fork_latency has ended")

    def take(self):
        """(number, median, p99, max) since the last time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def stop(self):
        """Its idle children go with it."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def show(name, row, began):
    number, median, p99, most = row
    print(f"  {name:34} {time.monotonic() - began:7.2f} s {number:7.0f} forks "
          f"{median:8.0f} {p99:8.0f} {most:8.0f}", flush=True)


def phase(forks, name, run):
    forks.take()
    began = time.monotonic()
    run()
    show(name, forks.take(), began)


def measure(processes, seconds):
    forks = Forks(processes)
    print(f"\n{processes} processes {'':35} {'median':>14} {'p99':>8} {'max':>8}")
    try:
        phase(forks, "no profiler", lambda: time.sleep(seconds))
        tool = tools.allocpath("-a", "--budget", "none")()
        phase(forks, "start, attach; 0.5 s more", lambda: tool.start(0))
        phase(forks, "entry, all probes stand", lambda: time.sleep(seconds))
        phase(forks, "detach, report", tool.stop)
        tool = tools.allocpath("-a", "--budget", "1%")()
        phase(forks, "start with a budget; 0.5 s more", lambda: tool.start(0))
        phase(forks, "windows, 1 %", lambda: time.sleep(3 * seconds))
        phase(forks, "detach, report", tool.stop)
    finally:
        forks.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--processes", default="500,2000,5000")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(tools.machine())
    for word in options.processes.split(","):
        measure(int(word), options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stack costs, by the run time of the program at the entry of malloc.

A program asks for memory at chosen depths (tests/programs/depth.c), once with stacks and once
without. Prints the base (a request without its stack), what a stack of 40 frames takes over it,
and a further frame. Medians of rounds, in which the depths take turns.

That is one stack again and again, its rules and its memory in the processor's caches. Then the same
of 512 different ones in random order (tests/programs/varied.c), and of these with the caches written
over before each request. As root; half a minute.
"""

import os
import signal
import statistics
import subprocess
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.path.join(ROOT, os.environ.get("O", "build"))
PROGRAMS = os.path.join(BUILD, "tests", "programs")
OUTER = 4  # main, two of libc, _start
DEPTHS = [10, 40, 70, 100]
ROUNDS = 5
TIMES = 2000
COLD_TIMES = 100


def entry(pid):
    """(runs, nanoseconds) of the program at the entry."""
    text = subprocess.run([os.path.join(BUILD, "tests", "tools", "bpf_programs"), str(pid)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    rows = {name: rest for name, *rest in (line.split() for line in text.splitlines())}
    for name in ("alloc_entry", "alloc_session"):
        if name in rows and int(rows[name][2]):
            return int(rows[name][2]), int(rows[name][3])
    return 0, 0


def measure(options, name="depth", times=TIMES, more=""):
    """{frames: nanoseconds of a run}"""
    found = {depth: [] for depth in DEPTHS}
    with subprocess.Popen([os.path.join(PROGRAMS, name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          bufsize=1) as program:
        def ask(depth, times):
            program.stdin.write(f"{depth - OUTER - 1} {times} {more}\n")  # and malloc itself
            if program.stdout.readline() != "done\n":
                raise SystemExit("unwind_frames.py: the measured program has ended")

        ask(DEPTHS[0], 1)
        # by its pid: the probes are in no other process
        with subprocess.Popen([os.path.join(BUILD, "allocpath"), "hist", "-o", os.devnull,
                               *options, "-p", str(program.pid)]) as tool:
            while not entry(tool.pid)[0]:
                ask(DEPTHS[0], 1)
                time.sleep(0.1)
            time.sleep(0.5)  # the tables are being built
            for _ in range(ROUNDS):
                for depth in DEPTHS:
                    ask(depth, min(times, 100))
                    runs, total_ns = entry(tool.pid)
                    ask(depth, times)
                    new_runs, new_ns = entry(tool.pid)
                    if not times <= new_runs - runs <= times + 1:  # the caches' own memory
                        raise SystemExit(f"unwind_frames.py: {new_runs - runs} runs, not {times}")
                    found[depth].append((new_ns - total_ns) / (new_runs - runs))
            tool.send_signal(signal.SIGINT)
            tool.wait(30)
        program.stdin.close()
        program.wait(30)
    return {depth: statistics.median(times) for depth, times in found.items()}


def compare(what, *arguments):
    """Prints what stacks take over a request without."""
    without = measure([], *arguments)
    stacks = measure(["--stacks", "1", "--sample-bytes", "0"], *arguments)
    base = statistics.median(without.values())
    slope = statistics.linear_regression(list(stacks), list(stacks.values())).slope
    print(what)
    print(f"    base               {base:7.0f} ns")
    for depth in DEPTHS:
        print(f"    {depth:3} frames over it {stacks[depth] - base:7.0f} ns")
    print(f"    a further frame    {slope:7.1f} ns")
    print(f"    40 frames are {(stacks[40] - base) / base:.2f} bases, a frame {slope / base:.3f}",
          flush=True)


def main():
    with_stats = "/proc/sys/kernel/bpf_stats_enabled"
    with open(with_stats, encoding="ascii") as file:
        before = file.read()
    with open(with_stats, "w", encoding="ascii") as file:
        file.write("1")
    try:
        compare("one stack")
        compare("512 stacks in random order", "varied", TIMES, "512 1 0")
        compare("512 stacks, nothing in the caches", "varied", COLD_TIMES, "512 1 1")
    finally:
        with open(with_stats, "w", encoding="ascii") as file:
            file.write(before)


main()

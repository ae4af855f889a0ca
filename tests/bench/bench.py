#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What measuring costs: each workload without a profiler and under each, taken in turn.

    tests/bench/bench.py [--rounds N] [--only REGEX] [--tools REGEX] [--json FILE] [--svg FILE]

Ratios to the unprofiled run of the same round are what counts; times are this machine's. Prints a
table; medians, with the lower and the upper quartile. PEER_name=PATH in the environment adds a
tool that is started as PATH -p PID.
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
import time

import chart
import tools
from tools import Attached, Wrapped

PROGRAM = os.path.join(tools.BUILD, "tests", "programs", "bench")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

ATTACHED = ("none", "allocpath kernel", "allocpath entry", "allocpath full",
            "allocpath full, stacks", "allocpath -a, 1 %", "bpftrace histogram", "bpftrace leaks",
            "memleak")
HEAP = (*ATTACHED, "heaptrack", "valgrind massif", "jemalloc", "jemalloc's profiler", "tcmalloc",
        "tcmalloc's profiler", "PEERS")
KERNEL = ("none", "empty programs", "allocpath kernel", "allocpath entry", "allocpath -a, 1 %")
FAULTS = (*KERNEL, "perf record faults", "perf trace faults")
APPS = ("none", "allocpath kernel", "allocpath entry", "allocpath full", "allocpath -a, 1 %",
        "bpftrace histogram", "bpftrace leaks", "memleak", "heaptrack", "valgrind massif", "PEERS")

# whose cost is nearly that of the bare loop
BARE = ("none", "jemalloc", "jemalloc's profiler", "tcmalloc", "allocpath kernel")

# {name: (work, count without probes, with them, with windows (for some seconds), threads, tools)}
LOOPS = {
    "malloc + free": ("malloc", 20000000, 60000, 300000000, 1, HEAP),
    "malloc + free, 2 threads": ("malloc", 20000000, 40000, 100000000, 2, ATTACHED),
    "malloc + free, 4 threads": ("malloc", 10000000, 30000, 50000000, 4, ATTACHED),
    "mixed sizes": ("mixed", 2000000, 40000, 30000000, 1, HEAP),
    "getppid": ("syscall", 1000000, 1000000, 4000000, 1, KERNEL),
    "first touch of a page": ("fault", 131072, 131072, 500000, 1, FAULTS),
    "mmap + munmap": ("mmap", 100000, 100000, 500000, 1, KERNEL),
}

PYTHON = "import json; [json.dumps(list(range(40))) for _ in range(%d)]"
SQL = ("create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where"
       " i < %d) insert into t select i, hex(randomblob(20)) from n; select count(*) from t where"
       " b like '%%A%%';")


class Run:
    """One run of a program under a tool."""

    def __init__(self, tool):
        self.tool = tool

    def loop(self, work, count, threads):
        """Nanoseconds of an operation."""
        words, environment = [PROGRAM, work, str(count), str(threads)], dict(os.environ)
        if isinstance(self.tool, Wrapped):
            words = self.tool.words + words
            environment.update(self.tool.environment)
        environment["BENCH_WAIT"] = "1"
        with tempfile.TemporaryFile() as errors:
            target = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=errors, env=environment, text=True)
            line = ""
            while line.strip() != "ready":
                line = target.stdout.readline()
                if not line:
                    raise RuntimeError(f"{words[0]} ended early")
            if isinstance(self.tool, Attached):
                self.tool.start(target.pid)
            target.stdin.write("g")
            target.stdin.flush()
            value = None
            for line in target.stdout:
                try:
                    value = float(line)
                    break
                except ValueError:
                    continue
            if isinstance(self.tool, Attached):
                self.tool.stop()
            target.stdin.close()
            target.stdout.close()
            target.wait(60)
        return value

    def command(self, words):
        """Seconds of a command; an attached tool goes by a shell that waits for it."""
        environment = dict(os.environ)
        if isinstance(self.tool, Wrapped):
            words = self.tool.words + words
            environment.update(self.tool.environment)
        if not isinstance(self.tool, Attached):
            began = time.monotonic()
            subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                           env=environment)
            return time.monotonic() - began
        # exec keeps the pid, and probes by pid stay with it
        shell = subprocess.Popen(["sh", "-c", 'read go; exec "$@"', "sh", *words],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.tool.start(shell.pid)
        began = time.monotonic()
        shell.stdin.write(b"go\n")
        shell.stdin.flush()
        shell.wait()
        seconds = time.monotonic() - began
        self.tool.stop()
        return seconds


class Redis:
    """redis-server under redis-benchmark: requests a second, and latency in milliseconds."""

    def run(self, tool, requests):
        directory = tempfile.mkdtemp(prefix="allocpath-bench-")
        words = ["redis-server", "--port", "0", "--unixsocket", f"{directory}/socket", "--save", ""]
        environment = dict(os.environ)
        if isinstance(tool, Wrapped):
            words = tool.words + words
            environment.update(tool.environment)
        server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=environment)
        try:
            for _ in range(200):
                if os.path.exists(f"{directory}/socket"):
                    break
                time.sleep(0.05)
            time.sleep(0.2)
            if isinstance(tool, Attached):
                tool.start(server.pid)
            said = subprocess.run(
                ["redis-benchmark", "-s", f"{directory}/socket", "-t", "set", "-r", "10000", "-n",
                 str(requests), "-c", "4", "--csv"], stdout=subprocess.PIPE, text=True, check=True,
                timeout=120).stdout
            if isinstance(tool, Attached):
                tool.stop()
        finally:
            # itself, and not only the tool that it was started by
            subprocess.run(["redis-cli", "-s", f"{directory}/socket", "shutdown", "nosave"],
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=60)
            server.terminate()
            server.wait(30)
            shutil.rmtree(directory, ignore_errors=True)
        head, row = [line.replace('"', "").split(",") for line in said.strip().split("\n")[-2:]]
        values = dict(zip(head, row))
        return {"rps": float(values["rps"]), **{
            name: float(values[f"{name}_latency_ms"]) for name in ("p50", "p99", "max")}}


def c_source(directory):
    path = os.path.join(directory, "unit.c")
    with open(path, "w", encoding="utf-8") as source:
        for i in range(400):
            source.write(f"struct s{i} {{ int a[{i + 1}]; struct s{i} *n; }};\n"
                         f"int f{i}(struct s{i} *s, int x) {{ int r = 0; for (int i = 0; i < {i + 1};"
                         f" i++) r += s->a[i] * x ^ (r << 3); return s->n ? r : -r; }}\n")
    return path


def app_commands(directory):
    """{name: words}"""
    database = os.path.join(directory, "sql")
    with open(database, "w", encoding="utf-8") as script:
        script.write(SQL % 300000)
    return {
        "python3 building objects": ["/usr/bin/python3", "-I", "-S", "-c", PYTHON % 100000],
        "cc1 of a gcc build": [
            tools.cc1(), "-quiet", "-O1", c_source(directory), "-o", "/dev/null"],
        "sqlite3": ["sqlite3", ":memory:", f".read {database}"],
    }


def idle_host(seconds, processes):
    """
    Percent of a core that allocpath takes while nothing allocates; {tool: percent}. The period of
    windows grows over the first minute with what attaching turned out to cost.
    """
    sleepers = [subprocess.Popen(["sleep", "1000"]) for _ in range(processes)]
    found = {}
    try:
        time.sleep(1)
        for name, options in {"allocpath kernel": ["--probes", "kernel"],
                              "allocpath -a, 1 %": ["--budget", "1%"]}.items():
            tool = tools.allocpath("-a", *options)()
            tool.start(0)
            for when, pause in (("from the start", 1), ("after a minute", 60 - seconds)):
                time.sleep(pause)
                before = _cpu_s(tool.process.pid)
                time.sleep(seconds)
                found[f"{name}, {when}"] = 100 * (_cpu_s(tool.process.pid) - before) / seconds
            tool.stop()
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()
    return found


def _cpu_s(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        main = int(file.read().split()[0]) / 1e9
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    # of the process, threads that have ended included, in ticks; the main thread's is exact
    return max(main, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def summarize(samples, unit):
    """{tool: row}; a ratio is the median of those within the rounds."""
    rows = {}
    for name, values in samples.items():
        ratios = [value / base for value, base in zip(values, samples["none"])]
        quartiles = [values[0]] * 3
        if len(values) > 1:
            quartiles = statistics.quantiles(values, n=4, method="inclusive")
        rows[name] = {
            "median": statistics.median(values), "low": quartiles[0], "high": quartiles[2],
            "ratio": statistics.median(ratios), "unit": unit, "values": values,
        }
    return rows


def take_turns(names, rounds, measure):
    """{tool: values}: each round has every tool once, in random order. One that fails is left out."""
    samples = {name: [] for name in names}
    for _ in range(rounds):
        for name in random.sample(names, len(names)):
            if name not in samples:
                continue
            try:
                samples[name].append(measure(name))
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                del samples[name]
    return samples


def choose(wanted, available):
    peers = [name[5:] for name in os.environ
             if name.startswith("PEER_") and name[5:] in available]
    names = [name for name in wanted if name in available]
    return names + (peers if "PEERS" in wanted else [])


def show(workload, rows):
    print(f"\n{workload}")
    for name, row in rows.items():
        print(f"  {name:24} {row['median']:11.4g} {row['unit']:5} "
              f"({row['low']:.4g} to {row['high']:.4g}) {row['ratio']:9.2f} ×", flush=True)


def run_loops(available, options, results):
    for workload, (work, bare, probed, windowed, threads, wanted) in LOOPS.items():
        if not re.search(options.only, workload):
            continue

        def measure(name):
            count = bare if name in BARE else probed
            if name == "allocpath -a, 1 %":
                count = windowed
            return Run(available[name]()).loop(work, count, threads)

        samples = take_turns(choose(wanted, available), options.rounds, measure)
        results[workload] = summarize(samples, "ns")
        show(workload, results[workload])


def run_apps(available, options, results):
    directory = tempfile.mkdtemp(prefix="allocpath-bench-")
    for workload, words in app_commands(directory).items():
        if not re.search(options.only, workload):
            continue
        samples = take_turns(choose(APPS, available), options.rounds,
                             lambda name: Run(available[name]()).command(words))
        results[workload] = summarize(samples, "s")
        show(workload, results[workload])
    shutil.rmtree(directory)


def run_redis(available, options, results):
    if not re.search(options.only, "redis"):
        return
    taken = {}

    def measure(name):
        row = Redis().run(available[name](), 60000)
        taken.setdefault(name, []).append(row)
        return 1e6 / row["rps"]

    # Debian's redis is on jemalloc, which the scripts on libc do not see
    names = [name for name in choose(APPS, available)
             if not name.startswith(("valgrind", "bpftrace"))]
    samples = take_turns(names, options.rounds, measure)
    results["redis, a SET"] = summarize(samples, "us")
    show("redis, a SET", results["redis, a SET"])
    for value in ("p50", "p99", "max"):
        rows = {name: [row[value] for row in taken[name]] for name in samples}
        results[f"redis, {value}"] = summarize(rows, "ms")
        show(f"redis, {value}", results[f"redis, {value}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "5")))
    parser.add_argument("--only", default="", help="workloads that this matches")
    parser.add_argument("--tools", default="", help="tools that this matches, and none")
    parser.add_argument("--json", default=os.path.join(tools.BUILD, "bench.json"))
    parser.add_argument("--svg", default=os.path.join(tools.BUILD, "bench.svg"))
    options = parser.parse_args()
    machine = tools.machine()
    results, idle = {}, {}
    available = {name: make for name, make in tools.all_tools().items()
                 if name == "none" or re.search(options.tools, name)}

    print(machine)
    run_loops(available, options, results)
    run_apps(available, options, results)
    run_redis(available, options, results)
    if re.search(options.only, "idle"):
        idle = idle_host(20, 1000)
        print("\nidle host of 1,000 processes, percent of a core")
        for name, percent in idle.items():
            print(f"  {name:33} {percent:7.3f}")
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "rounds": options.rounds, "workloads": results,
                   "idle_percent_of_core": idle}, file, indent=1)
    with open(options.svg, "w", encoding="utf-8") as file:
        file.write(chart.draw(results, f"allocpath benchmark: {machine}"))
    print(f"\n{options.json}, {options.svg}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

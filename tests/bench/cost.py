# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of a program took: time, peak, faults, and in a run of its own the kernel calls."""

import glob
import os
import shutil
import subprocess
import tempfile
import time

import tools

PROGRAMS = os.path.join(tools.BUILD, "tests", "programs")
PATTERNS = os.path.join(PROGRAMS, "alloc_patterns")
REFALLOC = os.path.join(tools.BUILD, "librefalloc.so")
MEMORY_CALLS = ("brk", "mmap", "munmap", "mremap", "mprotect", "madvise")
PYTHON = ("import json\nkept = []\nfor i in range(%d):\n"
          "    kept.append(json.loads(json.dumps({'n': i, 'list': list(range(i %% 50))})))\n"
          "    if i %% 3 == 0: kept[i // 2] = None\n")
SQL = ("create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where"
       " i < %d) insert into t select i, hex(i * 7919) from n; create index b on t(b);"
       " select count(*), max(b) from t where b like '%%3%%';")


def library(name):
    return next(iter(glob.glob(f"/usr/lib/*-linux-gnu/{name}")), None)


def environment(preload, **more):
    return {**os.environ, **({"LD_PRELOAD": preload} if preload else {}), **more}


class Command:
    """A program that runs to its end."""

    def __init__(self, *words, **variables):
        self.words, self.variables = list(words), variables

    def run(self, wrapper, preload, **more):
        """Under the wrapper's words, itself without the preload."""
        variables = [f"{name}={value}" for name, value in {**self.variables, **more}.items()]
        if preload:
            variables.append(f"LD_PRELOAD={preload}")
        subprocess.run([*wrapper, "/usr/bin/env", *variables, *self.words], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600)


class Redis(Command):
    """redis-server, while redis-benchmark sets and lengthens values, until it is shut down."""

    def __init__(self, requests):
        super().__init__()
        self.requests = requests

    def run(self, wrapper, preload, **more):
        directory = tempfile.mkdtemp(prefix="allocpath-bench-")
        socket = f"{directory}/socket"
        # Debian's takes malloc from jemalloc: who wants libc's has to put it in front
        variables = [f"LD_PRELOAD={preload or tools.LIBC}",
                     *(f"{name}={value}" for name, value in more.items())]
        server = subprocess.Popen(
            [*wrapper, "/usr/bin/env", *variables, "redis-server", "--port", "0", "--unixsocket",
             socket, "--save", "", "--io-threads", "1"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if os.path.exists(socket):
                    break
                time.sleep(0.02)
            for words in (["-t", "set,lpush", "-d", "100"], ["-t", "set", "-d", "1500"]):
                subprocess.run(["redis-benchmark", "-s", socket, *words, "-r", "20000", "-n",
                                str(self.requests), "-P", "16", "-c", "4", "-q"], check=True,
                               stdout=subprocess.DEVNULL, timeout=300)
            subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
            if server.wait(60):
                raise RuntimeError(f"redis-server ended with {server.returncode}")
        finally:
            if server.poll() is None:
                server.terminate()
                server.wait(30)
            shutil.rmtree(directory, ignore_errors=True)


def cost(command, preload, **variables):
    """{time_s, clock_s, peak_kib, faults}: the processor's time, and the clock's."""
    with tempfile.NamedTemporaryFile("r", prefix="allocpath-bench-") as file:
        command.run([os.path.join(PROGRAMS, "cost"), file.name], preload, **variables)
        wall_ns, cpu_ns, peak, minor, major = (int(word) for word in file.read().split())
    return {"time_s": cpu_ns / 1e9, "clock_s": wall_ns / 1e9, "peak_kib": peak,
            "faults": minor + major}


def kernel_calls(command, preload, **variables):
    """{call: count} of those on memory, all processes and threads of it, exact: strace's count."""
    with tempfile.NamedTemporaryFile("r", prefix="allocpath-bench-") as file:
        command.run(["strace", "-f", "--seccomp-bpf", "-qq", "-c", "-U", "name,calls", "-e",
                     "trace=" + ",".join(MEMORY_CALLS), "-o", file.name], preload, **variables)
        rows = [line.split() for line in file]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0] in MEMORY_CALLS}

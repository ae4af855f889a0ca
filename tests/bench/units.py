# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that do one thing again and again, and note when each began and how long it took."""

import array
import os
import subprocess
import time

import tools

PROGRAMS = os.path.join(tools.BUILD, "tests", "programs")

PYTHON = """
import array, json, sys, time
end, took = time.monotonic() + float(sys.argv[1]), array.array("Q")
while time.monotonic() < end:
    began = time.monotonic_ns()
    for _ in range(20):
        json.dumps(list(range(40)))
    took.extend((began, time.monotonic_ns() - began))
with open(sys.argv[2], "wb") as file:
    took.tofile(file)
"""


class Redis:
    """A SET, by a client of its own."""

    comm = "redis-server"

    def __init__(self, directory):
        self.socket = os.path.join(directory, "redis")
        # Debian's takes malloc from jemalloc
        self.server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--io-threads", "1"], stdout=subprocess.DEVNULL, cwd=directory)
        while not os.path.exists(self.socket):
            time.sleep(0.05)

    def run(self, seconds, path):
        subprocess.run([os.path.join(PROGRAMS, "set_latency"), self.socket, str(seconds), path],
                       check=True)

    def stop(self):
        self.server.terminate()
        self.server.wait(30)


class Python:
    """Twenty lists as JSON."""

    comm = "python3"

    def __init__(self, directory):
        del directory

    def run(self, seconds, path):
        subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", PYTHON, str(seconds), path],
                       check=True)

    def stop(self):
        pass


def until(seconds, path, work):
    """Does it again and again, and writes down when and how long."""
    end, took = time.monotonic() + seconds, array.array("Q")
    while time.monotonic() < end:
        began = time.monotonic_ns()
        work()
        took.extend((began, time.monotonic_ns() - began))
    with open(path, "wb") as file:
        took.tofile(file)


class Sqlite:
    """A thousand rows that are made, counted and deleted."""

    comm = "sqlite3"
    SQL = ("insert into t with recursive n(i) as (select 1 union all select i + 1 from n where"
           " i < 1000) select i, hex(randomblob(i % 200)) from n;"
           " select count(*) from t where b like '%A%'; delete from t;\n")

    def __init__(self, directory):
        del directory
        self.shell = subprocess.Popen(["sqlite3", ":memory:"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self._do("create table t(a, b); select 0;\n")

    def _do(self, sql):
        self.shell.stdin.write(sql)
        self.shell.stdin.flush()
        self.shell.stdout.readline()

    def run(self, seconds, path):
        until(seconds, path, lambda: self._do(self.SQL))

    def stop(self):
        self.shell.stdin.close()
        self.shell.stdout.close()
        self.shell.wait(30)


class Gcc:
    """A small file compiled."""

    comm = "cc1"

    def __init__(self, directory):
        self.source = os.path.join(directory, "unit.c")
        self.compiler = tools.cc1()
        with open(self.source, "w", encoding="utf-8") as file:
            for i in range(8):
                file.write(f"int f{i}(int *a, int n) {{ int r = {i}; while (n--)"
                           f" r += a[n] ^ (r << {i}); return r; }}\n")

    def run(self, seconds, path):
        until(seconds, path, lambda: subprocess.run(
            [self.compiler, "-quiet", "-O1", self.source, "-o", "/dev/null"], check=True))

    def stop(self):
        pass


WORKLOADS = {"redis, SET": Redis, "python3": Python, "gcc": Gcc, "sqlite3": Sqlite}


def read(path):
    """[(began, took)] in nanoseconds"""
    words = array.array("Q")
    with open(path, "rb") as file:
        words.frombytes(file.read())
    return list(zip(words[0::2], words[1::2]))

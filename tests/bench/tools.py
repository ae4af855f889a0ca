# SPDX-License-Identifier: GPL-2.0-or-later
"""The tools that the benchmark compares: how each is put on a program, and when it is ready."""

import datetime
import glob
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("O", "build"))
ALLOCPATH = os.path.join(BUILD, "allocpath")
EMPTY_PROGRAMS = os.path.join(BUILD, "tests", "tools", "empty_programs")
LIBC = next(iter(glob.glob("/lib/*-linux-gnu/libc.so.6")), "/lib64/libc.so.6")

HISTOGRAM = f"uprobe:{LIBC}:malloc {{ @[comm] = hist(arg0); }}"
LEAKS = (
    f"uprobe:{LIBC}:malloc {{ @size[tid] = arg0; }} "
    f"uretprobe:{LIBC}:malloc /@size[tid]/ {{ @live[retval] = (@size[tid], ustack(perf, 8));"
    f" delete(@size[tid]); }} "
    f"uprobe:{LIBC}:free {{ delete(@live[arg0]); }}"
)


def machine():
    return (f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"{' '.join(platform.libc_ver())}, {datetime.date.today()}")


def cc1():
    """The path of gcc's compiler proper."""
    return subprocess.run(["gcc", "-print-prog-name=cc1"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


class Attached:
    """A tool that is attached to a running process, or to the host, by a command of its own."""

    def __init__(self, words, ready, settle=0.0):
        self.words, self.ready, self.settle = words, ready, settle
        self.process = self.log = None

    def start(self, pid):
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen([word.format(pid=pid) for word in self.words],
                                        stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        end = time.monotonic() + 30
        while self.ready and self.ready not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.words[0]} is not ready: {self.said()[-300:]}")
            time.sleep(0.02)
        time.sleep(self.settle)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.words[0]} has ended: {self.said()[-300:]}")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Allocpath(Attached):
    """Ours, without -v, which has the kernel time each run of a program: its links show it ready."""

    def _links(self):
        directory, links = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(directory):
            try:
                links += os.readlink(f"{directory}/{name}").startswith("anon_inode:bpf")
            except FileNotFoundError:
                pass
        return links

    def start(self, pid):
        super().start(pid)
        links, since = 0, time.monotonic()
        end = since + 30
        while not links or time.monotonic() - since < 0.5:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.words[0]} is not ready: {self.said()[-300:]}")
            time.sleep(0.05)
            now = self._links()
            if now != links:
                links, since = now, time.monotonic()


class Wrapped:
    """A tool that runs the program: by words before it, or by its environment."""

    def __init__(self, words=(), environment=None):
        self.words, self.environment = list(words), environment or {}


def allocpath(*options):
    words = [ALLOCPATH, "hist", "-o", "/dev/null", *options]
    return lambda: Allocpath(words, "")


def empty_programs():
    return Attached([EMPTY_PROGRAMS], "ready\n")


def bpftrace(script):
    begin = 'BEGIN { printf("ready\\n"); } '
    words = ["bpftrace", "-p", "{pid}", "-e", (begin + script).replace("{", "{{").replace(
        "}", "}}")]
    return lambda: Attached(words, "ready\n", 0.3)


def _have(name):
    return shutil.which(name) is not None


def _preload(name, **environment):
    found = glob.glob(f"/usr/lib/*-linux-gnu/{name}")
    if not found:
        return None
    return lambda: Wrapped(environment={"LD_PRELOAD": found[0], **environment})


def all_tools():
    """{name: makes the tool}; what is not installed is left out."""
    scratch = tempfile.mkdtemp(prefix="allocpath-bench-")
    tools = {
        "none": lambda: None,
        "allocpath kernel": allocpath("--probes", "kernel", "-p", "{pid}"),
        "allocpath entry": allocpath("--probes", "entry", "-p", "{pid}"),
        "allocpath full": allocpath("--probes", "full", "-p", "{pid}"),
        "allocpath full, stacks": allocpath("--probes", "full", "--stacks", "10", "-p", "{pid}"),
        "allocpath -a, 1 %": allocpath("-a", "--budget", "1%"),
        # what no program at these events can be cheaper than
        "empty programs": empty_programs,
    }
    if _have("bpftrace"):
        tools["bpftrace histogram"] = bpftrace(HISTOGRAM)
        tools["bpftrace leaks"] = bpftrace(LEAKS)
    if _have("memleak-bpfcc") and os.path.isdir(f"/lib/modules/{os.uname().release}/build"):
        words = ["/usr/bin/python3", shutil.which("memleak-bpfcc"), "-p", "{pid}"]
        tools["memleak"] = lambda: Attached(words, "", 4)  # compiled with the kernel's headers
    if _have("perf"):
        tools["perf record faults"] = lambda: Attached(
            ["perf", "record", "-q", "-e", "page-faults", "-c", "1", "-o",
             os.path.join(scratch, "perf.data"), "-p", "{pid}"], "", 0.7)
        tools["perf trace faults"] = lambda: Attached(
            ["perf", "trace", "-F", "all", "--no-syscalls", "-o", "/dev/null", "-p", "{pid}"],
            "", 0.7)
    if _have("heaptrack"):
        tools["heaptrack"] = lambda: Wrapped(
            ["heaptrack", "-r", "-o", os.path.join(scratch, "heaptrack")])
    if _have("valgrind"):
        tools["valgrind massif"] = lambda: Wrapped(
            ["valgrind", "-q", "--tool=massif", "--massif-out-file=/dev/null"])
    jemalloc = _preload("libjemalloc.so.2", MALLOC_CONF="prof:true,prof_active:true,"
                        f"prof_final:true,prof_prefix:{scratch}/jeprof")
    if jemalloc:
        tools["jemalloc"] = _preload("libjemalloc.so.2")
        tools["jemalloc's profiler"] = jemalloc
    gperftools = _preload("libtcmalloc.so.4", HEAPPROFILE=f"{scratch}/heap")
    if gperftools:
        tools["tcmalloc"] = _preload("libtcmalloc.so.4")
        tools["tcmalloc's profiler"] = gperftools
    for name, path in sorted(os.environ.items()):
        if name.startswith("PEER_"):
            words = [path, "-p", "{pid}"]
            tools[name[5:]] = lambda words=words: Attached(words, "", 3)
    return tools

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""/init of the guest: mounts, runs the end-to-end tests that the file $TESTS names, looks at what
is left attached, and turns the machine off. All it says goes to the console; run.sh reads it."""

import ctypes
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True

MOUNTS = (
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
)
POWER_OFF = 0x4321FEDC

libc = ctypes.CDLL(None, use_errno=True)


def say(*words):
    print(*words, flush=True)


def setting(path, value):
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        say(f"{path}: {error.strerror}")


def prepare():
    for kind, where in MOUNTS:
        os.makedirs(where, exist_ok=True)
        if libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None):
            say(f"mount {where}: {os.strerror(ctypes.get_errno())}")
    libc.sethostname(b"guest", 5)
    setting("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    setting("/proc/sys/kernel/printk", "1")
    setting("/proc/sys/vm/nr_hugepages", "8")
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/tmp", LANG="C.UTF-8")


def left_after(before):
    """Programs and links that stay, and text of our own that is not the file's."""
    end = time.monotonic() + leftovers.PATIENCE_S
    while time.monotonic() < end:
        left = sorted(leftovers.attached() - before)
        left += harness.changed_text(os.getpid())
        if not left:
            break
        time.sleep(0.5)
    return left


def run_tests(names):
    subprocess.run([sys.executable, "-u", f"{ROOT}/tests/e2e/run.py", *names],
                   cwd=ROOT, stderr=subprocess.STDOUT, check=False)


def expect_refusal():
    """A kernel that is too old: one line that says so, and the status of a failure of ours."""
    command = [harness.ALLOCPATH, "hist", "--", harness.program("calls"), "m:1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = ended.stderr.splitlines()
    good = ended.returncode == 125 and len(lines) == 1 and "kernel" in lines[0]
    say("ok" if good else "not ok", "refused")
    for line in (f"status {ended.returncode}", *lines):
        say(f"    {line}")


def main():
    say("release", os.uname().release)
    before = leftovers.attached()
    if os.environ.get("REFUSED"):
        expect_refusal()
    else:
        run_tests(names)
    left = left_after(before)
    say("not ok" if left else "ok", "nothing_attached")
    for one in left:
        say(f"    {one}")


prepare()
with open(os.environ["TESTS"], encoding="utf-8") as file:
    ROOT, *names = file.read().split()
sys.path.insert(0, f"{ROOT}/tests/e2e")
import harness  # noqa: E402
import leftovers  # noqa: E402

# An exception ends init, which is a panic with a traceback above it: run.sh misses the last line.
main()
say("guest ends")
libc.reboot(POWER_OFF)

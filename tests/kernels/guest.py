#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""/init of the guest: mounts, runs the end-to-end tests that the file $TESTS names, looks at what is left
attached, and turns the machine off. All it says goes to the console; run.sh reads it there."""

import ctypes
import json
import os
import subprocess
import sys
import traceback

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
BPFTOOL = "/usr/sbin/bpftool"
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
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/tmp", LANG="C.UTF-8")


def attached():
    """Ids of the BPF programs and links, and the perf uprobe events, that the kernel holds."""
    found = []
    for kind in ("prog", "link"):
        listed = subprocess.run([BPFTOOL, "-j", kind], capture_output=True, check=False).stdout
        found += [f"{kind} {one['id']} {one.get('name', one.get('type'))}"
                  for one in json.loads(listed or b"[]")]
    return found


def left_after(before):
    """Ends are asynchronous in the kernel: given a moment."""
    for _ in range(20):
        left = [one for one in attached() if one not in before]
        if not left:
            break
        subprocess.run(["sleep", "0.5"], check=False)
    return left


def main():
    prepare()
    say("release", os.uname().release)
    with open(os.environ["TESTS"], encoding="utf-8") as file:
        directory, *names = file.read().split()
    before = attached()
    subprocess.run([sys.executable, "-u", f"{directory}/tests/e2e/run.py", *names],
                   cwd=directory, stderr=subprocess.STDOUT, check=False)
    left = left_after(before)
    say("not ok" if left else "ok", "nothing_attached")
    for one in left:
        say(f"    {one}")


try:
    main()
except Exception:  # pylint: disable=broad-except
    say("not ok guest")
    say(traceback.format_exc())
finally:
    say("guest ends")
    os.sync()
    libc.reboot(POWER_OFF)

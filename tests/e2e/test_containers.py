# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes with namespaces and files of their own (issue 3, 'It holds when' 3).

A container here is a mount, a pid and a user namespace by unshare(1), with overlays whose lower
directory holds a C library and a program; nothing of it outlives the test.
"""

import os
import shutil
import subprocess
import textwrap

import compare
from harness import Failure, Skip, each, fail_if, need, parse_truths, program, test

BYTES = 77777


def _rows(report, size=BYTES):
    """(process, its rows of that size), of those that have any."""
    return [(process, row) for process in report.processes for row in process["sizes"] or ()
            if row["min"] <= size <= row["max"]]


def _loader_and_libc():
    found = {}
    for line in subprocess.run(["ldd", program("calls")], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                found[os.path.basename(word)] = os.path.realpath(word)
    return found


@each({"full": "full", "entry": "entry"})
def library_that_arrives(context, depth):
    """dlopen in the middle of the run: counted from then on, with the time shown."""
    library = "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2"
    if not os.path.exists(library):
        raise Skip("libmimalloc2.0 is not installed")
    report = context.measure([program("arrives"), "dlopen", library], depth)
    (row,) = [row for row in report.json["attached"] if os.path.samefile(row["file"], library)]
    found = [] if 0.2 < row["since_s"] < 30 else [f"since_s: {row['since_s']}"]
    counts = [row["count"] for _, row in _rows(report)]
    if counts != [100]:
        found.append(f"requests: {counts}, not 100")
    fail_if(found + compare.books(report) + compare.nothing_lost(report))


@each({"full": "full", "entry": "entry"})
def second_libc(context, depth):
    """dlmopen'd: the same inode at another address, with a heap of its own that is no break."""
    report = context.measure([program("arrives"), "dlmopen", "libc.so.6"], depth)
    ((process, row),) = _rows(report)
    found = [] if row["count"] == 200 else [f"requests: {row}, not 200"]
    if not row["arena"] or not row["brk"]:
        found.append(f"paths: {row}, neither arena nor brk may be 0")
    if depth == "full" and process["releases"]["count"] < 100:
        found.append(f"releases: {process['releases']}")
    fail_if(found + compare.books(report) + compare.nothing_lost(report))


# Two overlays of one lower directory, in namespaces of their own; the program runs chrooted.
INSIDE = """
    set -e
    mount -t tmpfs none "$1"
    for n in 1 2; do
        mkdir -p "$1/up$n" "$1/work$n" "$1/root$n"
        mount -t overlay overlay -o lowerdir="$2",upperdir="$1/up$n",workdir="$1/work$n" \\
            "$1/root$n"
        {{ sleep 0.3; echo g; }} |
            TRUTH_WAIT=1 chroot "$1/root$n" /calls m:77777x{count} f:0-{last}
    done
"""


def _lower(context):
    """A directory with a program and the files that it needs."""
    lower = os.path.join(context.path, "lower")
    for path in ("lib/x86_64-linux-gnu", "lib64", "proc/self"):
        os.makedirs(os.path.join(lower, path))
    with open(os.path.join(lower, "proc/self/statm"), "w", encoding="ascii") as statm:
        statm.write("1 1 1 1 0 1 0\n")  # the programs look into it; there is no proc there
    shutil.copy(program("calls"), os.path.join(lower, "calls"))
    for name, path in _loader_and_libc().items():
        directory = "lib64" if name.startswith("ld-") else "lib/x86_64-linux-gnu"
        shutil.copy(path, os.path.join(lower, directory, name))
    return lower


@each({"full": "full", "entry": "entry"})
def overlays(context, depth):
    """One library seen through two overlays is one inode, and is probed once."""
    need("unshare")
    lower = _lower(context)
    mount = os.path.join(context.path, "mount")
    os.makedirs(mount)
    script = textwrap.dedent(INSIDE.format(count=100, last=99))
    command = ["unshare", "--mount", "--pid", "--fork", "--user", "--map-root-user",
               "sh", "-c", "mkdir -p $1; " + script, "sh", mount, lower]
    environment = {**os.environ, "TRUTH_FOREIGN": "1"}
    try:
        subprocess.run(command, check=True, capture_output=True, env=environment)
    except subprocess.CalledProcessError as error:
        raise Skip(f"no overlays here: {error.stderr.decode()[:200]}") from None
    libc = os.path.join(lower, "lib/x86_64-linux-gnu/libc.so.6")
    # It runs from the lower library itself, which so is probed from the start.
    keep = context.start([os.path.join(lower, "lib64/ld-linux-x86-64.so.2"), "--library-path",
                          os.path.dirname(libc), os.path.join(lower, "calls")],
                         environment={"TRUTH_WAIT": "1", "TRUTH_FOREIGN": "1"},
                         stdin=subprocess.PIPE)
    context.wait_for(lambda: "ready\n" in context.stderr_of(keep), "the first process")
    tool = context.start_tool("--probes", depth, "-n", "calls")
    subprocess.run(command, check=True, capture_output=True, env=environment)
    report = context.end_tool(tool, depth)
    keep.stdin.close()
    counts = sorted(row["count"] for _, row in _rows(report))
    found = [] if counts == [100, 100] else [f"requests: {counts}, not 100 twice"]
    for process, _ in _rows(report):
        if process["pid"] == process.get("nspid"):
            found.append(f"process {process['pid']}: nspid is {process.get('nspid')}")
        if not process["cgroup"]:
            found.append(f"process {process['pid']}: no cgroup")
    fail_if(found + compare.books(report) + compare.nothing_lost(report))


@test
def deleted_and_upgraded(context):
    """A libc that is deleted while a process runs from it, and its successor."""
    lower = _lower(context)
    libc = os.path.join(lower, "lib/x86_64-linux-gnu/libc.so.6")
    command = [os.path.join(lower, "lib64/ld-linux-x86-64.so.2"), "--library-path",
               os.path.dirname(libc), os.path.join(lower, "calls"), "m:77777x100", "f:0-49"]
    waiting = {"TRUTH_WAIT": "1"}
    old = context.start(command, environment=waiting, stdin=subprocess.PIPE)
    context.wait_for(lambda: "ready\n" in context.stderr_of(old), "the old process")
    content = open(libc, "rb").read()
    os.unlink(libc)
    with open(libc, "wb") as new_libc:
        new_libc.write(content)
    new = context.start(command, environment=waiting, stdin=subprocess.PIPE)
    context.wait_for(lambda: "ready\n" in context.stderr_of(new), "the new process")
    tool = context.start_tool("--probes", "full", "-p", f"{old.pid},{new.pid}")
    for process in (old, new):
        process.stdin.write(b"g")
        process.stdin.flush()
        context.wait_for(lambda process=process: "}\n" in context.stderr_of(process), "a truth")
    report = context.end_tool(tool, "full")
    for process in (old, new):
        process.stdin.close()
        context.finish(process)
        report.truths += parse_truths(context.stderr_of(process))
    files = [row["file"] for row in report.json["attached"] if "libc.so.6" in row["file"]]
    if not any("(deleted)" in name for name in files):
        raise Failure(f"no deleted file is attached: {files}")
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))

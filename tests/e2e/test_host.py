# SPDX-License-Identifier: GPL-2.0-or-later
"""The live host, the choice of processes, CMD, and what is left (issue 2, 'It holds when' 5)."""

import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import time

import compare
import harness
import independent
import leftovers
import libc_copy
from harness import Failure, Skip, changed_text, each, fail_if, need, program, test

HOST_S = 10
LEAST_EXACT = 20  # short-lived processes that are held against their own count

SHORT_LIVED = {"true": ["/bin/true"], "ls": ["/bin/ls", "/usr"]}

PYTHON_LOOP = "while True: blocks = [bytes(1000) for i in range(2000)] + [bytearray(200000)]"
SQL_LOOP = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT length(i || 'x') FROM n;"
)


def _cc1_loop(context):
    source = os.path.join(context.path, "one.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("int one(int *numbers) { return numbers[1] + 1; }\n")
    cc1 = harness.cc1()
    return ["sh", "-c", f"while :; do {cc1} -quiet -O2 {source} -o /dev/null; done"]


class ShortLived:
    """What one of them is known to do, and those that were started."""

    def __init__(self, context, command):
        self.command = command
        self.calls = independent.syscalls(context, command)
        (image,) = independent.allocations(context, command)
        self.requests = image["count"]
        self.started = []  # (pid, when it had ended)

    def run(self, context):
        process = context.start(self.command)
        context.finish(process)
        self.started.append((process.pid, time.monotonic()))

    def check(self, report, attached_until):
        """What is wrong, and how many were held against their exact count of requests."""
        found, exact = [], 0
        for pid, end in self.started:
            images = [image for image in report.processes_of(pid)
                      if image["exe"] and image["exe"].endswith(self.command[0])]
            if len(images) != 1:
                found.append(f"{self.command[0]} ({pid}): {len(images)} times in the table")
                continue
            (image,) = images
            name = f"{self.command[0]} ({pid})"
            count = image["requests"]["count"]
            if end < attached_until:
                exact += 1
                if count != self.requests:
                    found.append(f"{name}: {count} requests, not {self.requests}")
            elif count > self.requests:
                found.append(f"{name}: {count} requests, more than {self.requests}")
            for call, row in self.calls.items():
                if image["syscalls"][call]["calls"] != row["calls"]:
                    found.append(f"{name}: {call} {image['syscalls'][call]}, not {row['calls']}")
            if not image["faults"]["first_touch"]["count"] or not image["exited"]:
                found.append(f"{name}: {image['faults']}, exited {image['exited']}")
        return found, exact


def _lost(report):
    """The end of a host-wide run cuts into what goes on: that may be open, nothing else lost."""
    open_at_end = report.json["lost"]["open_at_end"]
    others = report.json["lost"]["total"] - open_at_end
    return compare.nothing_lost(report) if others or open_at_end > 2 * os.cpu_count() else []


def _host_run(context, pause, between=lambda: None):
    """Short-lived processes for ten seconds of a host-wide run. (report, found, exact)"""
    kinds = [ShortLived(context, command) for command in SHORT_LIVED.values()]
    tool = context.start_tool("-a", "--budget", "none", "-d", f"{HOST_S}s")
    began = time.monotonic()
    while time.monotonic() < began + HOST_S - 2:
        for kind in kinds:
            kind.run(context)
        between()
        time.sleep(pause)
    report = context.end_tool(tool, "entry", with_signal=None)
    duration = report.json["duration_s"]
    # what ended within a quarter of a second of the detachment may have been cut short
    attached_until = began + report.json["coverage"] * duration - 0.25
    if not report.json["cost"]["detached"]:
        attached_until = began + 2 * duration
    found = compare.books(report) + _lost(report)
    if not HOST_S <= duration < HOST_S + 1:
        found.append(f"{duration} s, not {HOST_S}")
    exact = 0
    for kind in kinds:
        wrong, right = kind.check(report, attached_until)
        found += wrong
        exact += right
    return report, found, exact


@test
def short_lived(context):
    """Every process of a quiet host, to the unit."""
    report, found, exact = _host_run(context, 0.15)
    fail_if(found)
    if exact < LEAST_EXACT:
        raise Skip(f"the host is busy: only {exact} before {report.json['cost']['detached']}")


@test
def busy(context):
    """More allocations than a host may pay for: the probes go, the kernel's side stays."""
    need("gcc")
    need("sqlite3")
    loops = {
        "python3": ["/usr/bin/python3", "-I", "-S", "-c", PYTHON_LOOP],
        "sqlite3": ["sqlite3", ":memory:", SQL_LOOP],
        "cc1": _cc1_loop(context),
    }
    running = {name: context.start(command) for name, command in loops.items()}
    report, found, _ = _host_run(context, 0.05)
    for name, process in running.items():
        if process.poll() is not None:
            found.append(f"{name} ended with {process.returncode}")
        process.kill()
    if not report.json["cost"]["detached"] or not 0 < report.json["coverage"] < 1:
        found.append(f"not detached: {report.json['cost']}, {report.json['coverage']}")
    rows = {
        "python3": report.processes_of(running["python3"].pid),
        "sqlite3": report.processes_of(running["sqlite3"].pid),
        "cc1": [process for process in report.processes if process["comm"] == "cc1"],
    }
    for name, processes in rows.items():
        if not sum(process["requests"]["count"] for process in processes):
            found.append(f"{name}: no requests in {len(processes)} processes")
    mapped = sum(process["syscalls"]["mmap"]["calls"] for process in rows["python3"])
    # that many in the part of the run that had probes: there were more in the whole of it
    if mapped * report.json["coverage"] < sum(
        process["paths"]["mmap"]["count"] for process in rows["python3"]
    ) / 2:
        found.append(f"python3: {mapped} calls of mmap, but {rows['python3'][0]['paths']}")
    if len(rows["cc1"]) < 5:
        found.append(f"cc1: only {len(rows['cc1'])} processes")
    fail_if(found)


@test
def kernel_depth(context):
    """No probe stands in anybody's text, and the kernel's side is there."""
    target = context.start([program("text_check")], stdin=subprocess.PIPE,
                           environment=libc_copy.copy(context))
    context.wait_for(lambda: "ready\n" in context.stderr_of(target), "text_check")
    kind = ShortLived(context, SHORT_LIVED["ls"])
    tool = context.start_tool("-a", "--probes", "kernel")
    for _ in range(5):
        kind.run(context)
    changed = changed_text(target.pid)
    report = context.end_tool(tool, "kernel")
    found = compare.books(report) + _lost(report)
    for pid, _ in kind.started:
        image = report.processes_of(pid)[-1]
        found += [f"{call}: {image['syscalls'][call]['calls']}, not {row['calls']}"
                  for call, row in kind.calls.items()
                  if image["syscalls"][call]["calls"] != row["calls"]]
    if changed or report.json["attached"] or report.json["cost"]["traps"]:
        found.append(f"probes: {changed} {report.json['attached']} {report.json['cost']}")
    fail_if(found)


# {name: how text_check comes to run on a copy of libc, $0, in the directory $1}
UNUSUAL_FILES = {
    "deleted": 'LD_LIBRARY_PATH=$1 exec "$2"',
    "other_mount_namespace": 'mount -t tmpfs none "$1" && cp "$0" "$1/libc.so.6" &&'
    ' LD_LIBRARY_PATH=$1 exec "$2"',
}


@each(UNUSUAL_FILES)
def libc_without_a_path(context, script):
    """A libc that no path of ours leads to: replaced by an upgrade, or inside a container."""
    need("unshare")
    directory = libc_copy.copy(context)["LD_LIBRARY_PATH"]
    path = os.path.join(directory, "libc.so.6")
    target = _text_check(context, before=["unshare", "-m", "sh", "-c", script,
                                          libc_copy.find(), directory])
    os.unlink(path)
    tool = context.start_tool("-a", "--budget", "none")
    time.sleep(0.5)
    report = context.end_tool(tool, "entry")
    (process,) = report.processes_of(target.pid)
    attached = [row["file"] for row in report.json["attached"]]
    if process["requests"]["count"] < 10 or not [name for name in attached if directory in name]:
        raise Failure(f"{process['requests']}, attached: {attached}")
    fail_if(compare.books(report))


# Which processes


def _text_check(context, before=(), **options):
    target = context.start([*before, program("text_check")], stdin=subprocess.PIPE, **options)
    context.wait_for(lambda: "ready\n" in context.stderr_of(target), "text_check")
    return target


@test
def by_name(context):
    """-n: those of that name, whether they run already or come later."""
    before = _text_check(context)
    tool = context.start_tool("-n", "text_check")
    after = _text_check(context)
    context.run(["/bin/ls", "/usr"])
    time.sleep(0.5)
    report = context.end_tool(tool, "entry")
    found = compare.books(report) + compare.nothing_lost(report)
    found += [f"{process['comm']} is in the table" for process in report.processes
              if process["comm"] != "text_check"]
    for target in (before, after):
        rows = report.processes_of(target.pid)
        if len(rows) != 1 or rows[0]["requests"]["count"] < 10:
            found.append(f"{target.pid}: {[(row['execs'], row['requests']) for row in rows]}")
    fail_if(found)


@contextlib.contextmanager
def _cgroup():
    """A cgroup v2 with a group below it, for the test alone."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if not roots:
        raise Skip("no cgroup v2 is mounted")
    name = f"allocpath-test-{os.getpid()}"
    path = os.path.join(roots[0], name)
    try:
        os.makedirs(os.path.join(path, "below"))
    except OSError as error:
        raise Skip(f"no cgroup can be made: {error}") from None
    try:
        yield path, "/" + name
    finally:
        for directory in (os.path.join(path, "below"), path):
            for _ in range(100):
                try:
                    os.rmdir(directory)
                    break
                except OSError:  # its processes are still ending
                    time.sleep(0.05)


def _move(pid, group):
    with open(os.path.join(group, "cgroup.procs"), "w", encoding="utf-8") as procs:
        procs.write(str(pid))


@test
def by_cgroup(context):
    """--cgroup, by path and by name: its processes and those of groups below, no others."""
    with _cgroup() as (path, name):
        targets = {group: _text_check(context)
                   for group in (name, name + "/below", "elsewhere")}
        for group, target in targets.items():
            if group != "elsewhere":
                _move(target.pid, path + group[len(name):])
        found = []
        for given in (path, name):
            tool = context.start_tool("--cgroup", given)
            time.sleep(0.5)
            report = context.end_tool(tool, "entry")
            found += compare.books(report) + compare.nothing_lost(report)
            expected = {(target.pid, group) for group, target in targets.items()
                        if group != "elsewhere"}
            got = {(process["pid"], process["cgroup"]) for process in report.processes
                   if process["requests"]["count"]}
            if got != expected or len(report.processes) != len(expected):
                found.append(f"{given}: {got}, not {expected}")
        for target in targets.values():
            target.stdin.close()
            context.finish(target)
        fail_if(found)


@each({"with": True, "without": False})
def children(context, follow):
    """-p alone is that process; with --children those it has and those that it gets."""
    kind = ShortLived(context, SHORT_LIVED["ls"])
    fifo = os.path.join(context.path, "fifo")
    os.mkfifo(fifo)
    script = (f"{program('text_check')} <>{fifo} & read x; {' '.join(kind.command)}; "
              f"{' '.join(kind.command)}; echo done >&2; read y")
    shell = context.start(["sh", "-c", script], stdin=subprocess.PIPE, bufsize=0)
    context.wait_for(lambda: "ready\n" in context.stderr_of(shell), "the shell's child")
    (child,) = harness.children_of(shell.pid)
    tool = context.start_tool("-p", shell.pid, *(["--children"] if follow else []))
    shell.stdin.write(b"go\n")
    context.wait_for(lambda: "done\n" in context.stderr_of(shell), "the shell's work")
    report = context.end_tool(tool, "entry")
    shell.stdin.close()
    context.finish(shell)
    found = compare.books(report) + compare.nothing_lost(report)
    listed = [process["requests"]["count"] for process in report.processes
              if process["comm"] == "ls"]
    if listed != ([kind.requests, kind.requests] if follow else []):
        found.append(f"ls: {listed} requests, {kind.requests} each")
    if bool(report.processes_of(child)) != follow:
        found.append(f"the child that ran already: {report.processes_of(child)}")
    if not report.processes_of(shell.pid):
        found.append("the shell itself is not there")
    if not follow and len(report.processes) != 1:
        found.append(f"{len(report.processes)} processes, not one")
    fail_if(found)


SPAWNS = """
import os, sys
sys.stdin.read(1)
for i in range(100):
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
sys.stderr.write("done\\n")
sys.stdin.read(1)
"""


@test
def spawned_images_are_not_their_parents(context):
    """A child of vfork has its parent's number, and in its exec a memory of its own.

    The child's one page of stack is the parent's: posix_spawn makes a mapping for it each time.
    """
    target = context.start(["/usr/bin/python3", "-I", "-S", "-c", SPAWNS],
                           stdin=subprocess.PIPE, bufsize=0)
    tool = context.start_tool("--probes", "kernel", "-p", target.pid)
    target.stdin.write(b"g")
    context.wait_for(lambda: "done\n" in context.stderr_of(target), "100 processes")
    report = context.end_tool(tool, "kernel")
    (process,) = report.processes
    faults = process["faults"]
    if faults["file_private"] > 10 or faults["first_touch"]["count"] > 110:
        raise Failure(f"faults of the images are there: {faults}")
    fail_if(compare.books(report) + compare.nothing_lost(report))


# What is shown

WORK = ["sh", "-c", "ls /usr >/dev/null; /bin/true; ls /usr >/dev/null; exec ls /usr"]


def _sums(processes, key):
    sums = {}
    for process in processes:
        row = sums.setdefault(process[key], [0, 0, 0, 0])
        row[0] += process.get("members", 1)
        row[1] += process["requests"]["count"]
        row[2] += process["requests"]["bytes"]
        row[3] += process["syscalls"]["mmap"]["calls"]
    return sums


@each({"comm": "comm", "exe": "exe", "cgroup": "cgroup"})
def group_by(context, key):
    """A row for each, which is the sum of those that it is made of."""
    single = context.measure(WORK, "entry", fixed_addresses=True)
    grouped = context.measure(WORK, "entry", options=["--group-by", key], fixed_addresses=True)
    found = compare.books(grouped) + compare.nothing_lost(grouped)
    one, other = _sums(single.processes, key), _sums(grouped.processes, key)
    if len(grouped.processes) != len(one) or one != other:
        found.append(f"{other} in {len(grouped.processes)} rows, not {one}")
    fail_if(found)


# ten sizes are asked for, some blocks given back: (m: size x count, f: blocks)
SIZED = "m:10x3 m:100x4 m:1000x5 m:10000x6 m:200000x2 f:0-9 f:19"
# {name: (options, count, bytes, live count, live bytes)}
SIZE_LIMITS = {
    "both": (["--min-size", "100", "--max-size", "1000"], 9, 5400, 2, 2000),
    "least": (["--min-size", "1001"], 8, 460000, 7, 260000),
    "most": (["--max-size", "99"], 3, 30, 0, 0),
    "none": ([], 20, 465430, 9, 262000),
}


@each(SIZE_LIMITS)
def size_limits(context, row):
    """What is not asked for is filtered, in the ledger and in what lives."""
    options, count, total, live_count, live_bytes = row
    report = context.measure([program("calls"), *SIZED.split()], "full", options=options)
    (process,) = report.processes
    found = compare.books(report) + compare.nothing_lost(report)
    expected = {
        "requests.count": (process["requests"]["count"], count),
        "requests.bytes": (process["requests"]["bytes"], total),
        "live.count": (process["live"]["count"], live_count),
        "live.bytes": (process["live"]["bytes"], live_bytes),
        "releases.count": (process["releases"]["count"], count - live_count),
        "releases.of_unknown": (process["releases"]["of_unknown"], 0),
        "ledger.alloc.recorded": (report.json["ledger"]["alloc"]["recorded"], count),
    }
    found += [f"{name}: {got}, not {value}" for name, (got, value) in expected.items()
              if got != value]
    if report.json["ledger"]["alloc"]["filtered"] < 20 - count:
        found.append(f"ledger: {report.json['ledger']['alloc']}")
    fail_if(found)


REPEATED = ["sh", "-c", "for i in 1 2 3 4 5 6; do ls /usr >/dev/null; sleep 0.15; done"]


def _documents(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _add_up(documents):
    sums = {}
    for document in documents:
        for process in document["processes"]:
            values = {"requests": process["requests"]["count"],
                      "bytes": process["requests"]["bytes"]}
            values |= {path: row["count"] for path, row in process["paths"].items()}
            values |= {call: row["calls"] for call, row in process["syscalls"].items()}
            values["grown"] = process["syscalls"]["brk"]["grown_bytes"]
            values["in sizes"] = sum(row["count"] for row in process["sizes"])
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value
    return sums


@test
def intervals(context):
    """The sums of all intervals are a whole run's, which repeats exactly.

    An edge between two is no point in time: what is counted while the maps are read may be in one
    interval by its count and in the next by its size. So the books are held against the sums.
    """
    whole = context.measure(REPEATED, "entry", fixed_addresses=True)
    output = context.file("intervals")
    process = context.start([harness.ALLOCPATH, "hist", "--json", "-o", output, "--interval",
                             "300ms", "--", *REPEATED], fixed_addresses=True)
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    documents = _documents(output)
    found = [] if len(documents) >= 4 else [f"{len(documents)} documents of 300 ms in a second"]
    for kind in whole.json["ledger"]:
        rows = [document["ledger"][kind] for document in documents]
        seen = sum(row["seen"] for row in rows)
        accounted = sum(row[part] for row in rows for part in row if part != "seen")
        if seen != accounted or sum(row["lost"] for row in rows):
            found.append(f"ledger.{kind}: {rows}")
    one, other = _add_up([whole.json]), _add_up(documents)
    if one != other:
        found.append(f"{other} in {len(documents)} intervals, not {one}")
    fail_if(found)


@test
def interval_count(context):
    """--count ends the measurement, not CMD."""
    output, flag = context.file("intervals"), context.file("flag")
    process = context.start([harness.ALLOCPATH, "hist", "--json", "-o", output, "--interval",
                             "200ms", "--count", "3", "--", "sh", "-c", f"sleep 2; echo >{flag}"])
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    if len(_documents(output)) != 3:
        raise Failure(f"{len(_documents(output))} documents, not 3")
    if os.path.exists(flag):
        raise Failure("it waited for CMD")
    context.wait_for(lambda: os.path.exists(flag), "CMD, which goes on")


def _text_report(context, *options):
    """(rows of the table as words, number of histograms, all lines)"""
    output = context.file("report.txt")
    process = context.start([harness.ALLOCPATH, "hist", "-o", output, *options, "--", *WORK])
    if context.finish(process):
        raise Failure(f"exit status {process.returncode}")
    with open(output, encoding="utf-8") as report:
        lines = report.read().split("\n")
    header = next(at for at, line in enumerate(lines) if re.match(r" *pid +comm", line))
    total = next(at for at, line in enumerate(lines) if re.match(r" +total ", line))
    rows = [line.split() for line in lines[header + 1 : total]]
    return rows, len([line for line in lines if line.startswith("-- ")]), lines


def _number(word):
    return 0 if word == "." else int(word)


# {--sort: value of a row by which rows fall, or (pid, comm) rise}
SORTS = {
    "pid": lambda row: -int(row[0]),
    "requests": lambda row: _number(row[2]),
    "faults": lambda row: _number(row[-1]),
}


@each(SORTS)
def sorted_table(context, value):
    key = next(name for name, function in SORTS.items() if function is value)
    rows, _, lines = _text_report(context, "--sort", key)
    values = [value(row) for row in rows]
    found = [] if len(rows) >= 4 else [f"only {len(rows)} rows"]
    if values != sorted(values, reverse=True):
        found.append(f"by {key}: {values}")
    found += [f"{len(line)} columns: {line}" for line in lines if len(line) > 80]
    fail_if(found)


@each({"0": 0, "2": 2, "100": 100})
def top(context, number):
    """So many histograms; the table has every process all the same."""
    rows, histograms, _ = _text_report(context, "--top", number)
    if len(rows) < 4 or histograms != min(number, len(rows)):
        raise Failure(f"{histograms} histograms of {len(rows)} processes, not {number}")


# CMD

# everything that a program can see of how it was started but its signals, which python3 changes
ASKS = """
import os, sys
print(sys.argv[1:], repr(sys.stdin.read()), os.getcwd(), sorted(os.environ.items()))
print({name: os.readlink(f"/proc/self/fd/{name}").split("[")[0] for name in ("0", "1", "2")})
print(sorted(os.listdir("/proc/self/fd")), os.getpriority(os.PRIO_PROCESS, 0))
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getsid(0), os.getpgid(0))
print(open("/proc/self/limits").read(), open("/proc/self/personality").read())
wanted = ("Cap", "Umask", "NoNewPrivs", "Seccomp")
print([line for line in open("/proc/self/status") if line.startswith(wanted)])
sys.stderr.write("to stderr\\n")
sys.exit(42)
"""
ARGUMENTS = ["two words", "", "-d", "--", "'quoted'", "*", "\\", "ü"]


def _see(context, words, output):
    """What CMD says on stdout and stderr, and the status."""
    with open(output, "wb") as stdout:
        process = context.start(words, stdin=subprocess.PIPE, stdout=stdout)
        try:
            process.stdin.write(b"a line\nand another, with no end")
            process.stdin.close()
        except BrokenPipeError:
            pass  # it did not wait for its input
        status = context.finish(process)
    with open(output, encoding="utf-8") as text:
        return status, text.read(), context.stderr_of(process)


PREFIXES = {"plain": [], "nohup": ["nohup"], "no_sigpipe": ["env", "--ignore-signal=PIPE"],
            "blocked": ["env", "--block-signal=USR1"], "nice": ["nice", "-n", "5"]}
SEE = {"words": (["/usr/bin/python3", "-I", "-S", "-c", ASKS, *ARGUMENTS], 42),
       "signals": (["grep", "^Sig[BIC]", "/proc/self/status"], 0)}


@each({f"{name}_{see}": (prefix, *row) for name, prefix in PREFIXES.items()
       for see, row in SEE.items()})
def as_without(context, row):
    """CMD sees what it would see without allocpath: descriptors, signals, rights, limits, words."""
    prefix, command, status = row
    output = context.file("stdout")
    tool = [harness.ALLOCPATH, "hist", "-o", context.file("report"), "--"]
    without = _see(context, [*prefix, *command], output)
    under = _see(context, [*prefix, *tool, *command], output)
    found = [] if without[0] == under[0] == status else [f"status {under[0]}, not {status}"]
    for one, other in zip(without[1:], under[1:]):
        pairs = zip((one + "\n").split("\n"), (other + "\n").split("\n"))
        found += [f"without: {line}\nunder:   {changed}" for line, changed in pairs
                  if re.sub(r"\d+-stderr", "", line) != re.sub(r"\d+-stderr", "", changed)]
        if len(one.split("\n")) != len(other.split("\n")):
            found.append(f"{one!r}, under allocpath {other!r}")
    fail_if(found)


# {name: (what CMD does, exit status)}
STATUSES = {
    "0": ("exit 0", 0),
    "1": ("exit 1", 1),
    "255": ("exit 255", 255),
    "killed": ("kill -KILL $$", 128 + signal.SIGKILL),
    "terminated": ("kill -TERM $$", 128 + signal.SIGTERM),
    "crashed": ("kill -SEGV $$", 128 + signal.SIGSEGV),
}


@each(STATUSES)
def exit_status(context, row):
    script, status = row
    context.measure(["sh", "-c", script], "entry", status=status)


@test
def sudo_user(context):
    """As root for somebody: CMD is theirs, with their groups, and cannot get back."""
    nobody = pwd.getpwnam("nobody")
    user = {"SUDO_UID": str(nobody.pw_uid), "SUDO_GID": str(nobody.pw_gid),
            "SUDO_USER": "nobody"}
    script = ("import os; print(os.getresuid(), os.getresgid(), os.getgroups());"
              "print([line.split()[1] for line in open('/proc/self/status')"
              " if line.startswith(('CapEff', 'CapPrm'))])")
    output = context.file("stdout")
    with open(output, "wb") as stdout:
        report = context.measure(["/usr/bin/python3", "-I", "-S", "-c", script], "entry",
                                 environment=user, stdout=stdout)
    with open(output, encoding="utf-8") as text:
        said = text.read().splitlines()
    uid, gid = nobody.pw_uid, nobody.pw_gid
    groups = os.getgrouplist("nobody", gid)
    expected = [f"({uid}, {uid}, {uid}) ({gid}, {gid}, {gid}) {groups}",
                "['0000000000000000', '0000000000000000']"]
    if said != expected:
        raise Failure(f"{said}, not {expected}")
    if [process["uid"] for process in report.processes] != [uid]:
        raise Failure(f"uid in the report: {[row['uid'] for row in report.processes]}")


@test
def duration_ends_before_command(context):
    """-d: the report comes, CMD goes on, not probed, to its own end."""
    output, report = context.file("stdout"), context.file("report.json")
    libc = libc_copy.copy(context)
    with leftovers.nothing_attached(), open(output, "wb") as stdout:
        begin = time.monotonic()
        tool = context.start(
            [harness.ALLOCPATH, "hist", "--json", "-o", report, "-d", "500ms", "--", "sh", "-c",
             f"{program('text_check')} 2>/dev/null; echo still here; exit 3"],
            stdin=subprocess.PIPE, stdout=stdout, environment=libc)
        if context.finish(tool):
            raise Failure(f"exit status {tool.returncode}")
    if time.monotonic() - begin > 20:
        raise Failure(f"it took {time.monotonic() - begin} s")
    (shell,) = harness.children_of(os.getpid())  # it was given to us
    (target,) = harness.children_of(shell)
    context.wait_for(lambda: not changed_text(target), "the text to be the file's again")
    tool.stdin.close()
    _, status = os.waitpid(shell, 0)
    with open(output, encoding="utf-8") as text:
        said = text.read()
    if said != "still here\n" or os.waitstatus_to_exitcode(status) != 3:
        raise Failure(f"CMD said {said!r} and ended with {status}")
    with open(report, encoding="utf-8") as file:
        document = json.load(file)
    running = [process for process in document["processes"] if not process["exited"]]
    if not 0.5 <= document["duration_s"] < 2 or len(running) != 2:
        raise Failure(f"{document['duration_s']} s, {len(running)} still running")


# What is left

TARGETS = {
    "host": lambda target: ["-a"],
    "process": lambda target: ["--probes", "full", "-p", target.pid],
    "command": lambda target: ["--probes", "full", "--", program("text_check")],
}
SIGNALS = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM,
           "hung_up": signal.SIGHUP, "killed": signal.SIGKILL}


@each({f"{target}_{name}": (make, number) for target, make in TARGETS.items()
       for name, number in SIGNALS.items()})
def ended(context, row):
    """Nothing attached, no process, no file but a whole report, however it ends."""
    make, number = row
    target = _text_check(context)
    directory = os.path.join(context.path, "reports")
    os.mkdir(directory)
    path = os.path.join(directory, "report.json")
    with leftovers.nothing_attached(), leftovers.no_process():
        tool = context.start(
            [harness.ALLOCPATH, "hist", "-v", "--json", "-o", path, *make(target)],
            stdin=subprocess.PIPE)
        context.wait_for(lambda: "allocpath: measuring\n" in context.stderr_of(tool), "allocpath")
        time.sleep(0.2)
        tool.send_signal(number)
        status = context.finish(tool)
        tool.stdin.close()  # CMD goes on until then
    killed = number == signal.SIGKILL
    if status != (-number if killed else 0):
        raise Failure(f"exit status {status}", *context.stderr_of(tool).splitlines()[-10:])
    left = os.listdir(directory)
    if left != ([] if killed else ["report.json"]):
        raise Failure(f"files: {left}")
    if not killed:
        _documents(path)


@each(TARGETS)
def closed_pipe(context, make):
    """A reader that is gone when the report comes."""
    target = _text_check(context)
    with leftovers.nothing_attached(), leftovers.no_process():
        reader, writer = os.pipe()
        os.close(reader)
        words = make(target)
        is_command = "--" in words
        tool = context.start([harness.ALLOCPATH, "hist", "-d", "300ms", *words],
                             stdin=subprocess.PIPE, stdout=writer)
        os.close(writer)
        status = context.finish(tool)
        tool.stdin.close()
    lines = [line for line in context.stderr_of(tool).splitlines()
             if line != "ready" and "allocation probes detached" not in line]
    if status != (125 if is_command else 1) or len(lines) != 1 or "Broken pipe" not in lines[0]:
        raise Failure(f"exit status {status}", *lines)

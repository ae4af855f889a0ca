# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings: hist -i says what hist would have said, and pprof's own tool agrees with it."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time

import compare
import harness
import leftovers
from harness import Failure, Report, each, fail_if, need, parse_truths, program, test

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]

# {sample type: what it is in a process of the JSON}
NOTHING = {"count": 0, "bytes": 0}
TOTALS = {
    # null where a process began after the guard had detached the probes
    "alloc_objects/count": lambda process: (process["requests"] or NOTHING)["count"],
    "alloc_space/bytes": lambda process: (process["requests"] or NOTHING)["bytes"],
    "faults/count": lambda process: process["faults"]["total"],
    "touched_space/bytes": lambda process: process["faults"]["first_touch"]["bytes"],
    "grown_space/bytes": lambda process: process["syscalls"]["brk"]["grown_bytes"],
    "mapped_space/bytes": lambda process: process["syscalls"]["mmap"]["anon_bytes"],
}


def _record(context, command, depth, *options):
    """A recording of a command; the process that wrote it has the truths on its stderr."""
    path = context.file("recording.pb.gz")
    arguments = [harness.ALLOCPATH, "record", "-o", path, "--probes", depth, *options]
    process = context.start([*arguments, "--", *command])
    if context.finish(process):
        raise Failure(f"record ended with {process.returncode}", context.stderr_of(process))
    return path, process


def _read(context, path, prefix=(), options=()):
    """hist -i FILE --json."""
    output = context.file("report.json")
    with open(output, "wb") as stdout:
        process = context.start([*prefix, harness.ALLOCPATH, "hist", "--json", *options, "-i",
                                 path], stdout=stdout)
        ended = context.finish(process)
    if ended:
        raise Failure(f"hist -i ended with {ended}", context.stderr_of(process))
    with open(output, encoding="utf-8") as report:
        return json.load(report)


def _pprof(context, path, *options):
    need("go")
    done = subprocess.run(
        ["go", "tool", "pprof", "-symbolize=none", *options, path], capture_output=True,
        text=True, check=False,
        env={**os.environ, "PPROF_TMPDIR": context.path, "HOME": context.path})
    if done.returncode:
        raise Failure(f"go tool pprof {' '.join(options)}:", done.stderr)
    return done.stdout


def _pprof_totals(raw):
    """{sample type: sum}, each sample's depth checked."""
    lines = raw.splitlines()
    at = lines.index("Samples:") + 1
    types = [word.removesuffix("[dflt]") for word in lines[at].split()]
    sums = [0] * len(types)
    for line in lines[at + 1: lines.index("Locations")]:
        found = re.fullmatch(r"\s*([\d ]+): ([\d ]+)", line)
        if not found:
            continue
        if len(found[2].split()) < 2:
            raise Failure(f"a sample of one frame: {line}")
        for index, value in enumerate(found[1].split()):
            sums[index] += int(value)
    return dict(zip(types, sums))


def _totals(document):
    kernel = document["probes"] == "kernel"
    totals = {
        name: sum(value(process) for process in document["processes"])
        for name, value in TOTALS.items()
        if not (kernel and name.startswith("alloc_"))
    }
    if any(process["stacks"] for process in document["processes"]):
        totals["samples/count"] = sum(process["stacks"]["seen"]
                                      for process in document["processes"])
    return totals


@each({
    "kernel": ("kernel",), "entry": ("entry",), "full": ("full",),
    "sampled": ("entry", "--sample-bytes", "4K"), "no_stacks": ("entry", "--no-stacks"),
})
def command(context, row):
    """The report of the file is the program's truth, and pprof's sums are the report's."""
    depth, *options = row
    path, process = _record(context, [program("calls"), *"m:100x1000 m:200000x3 c:7x11".split()],
                            depth, *options)
    document = _read(context, path)
    report = Report(document, parse_truths(context.stderr_of(process)), 0, [], depth)
    found = compare.books(report) + compare.nothing_lost(report)
    if depth == "full":
        found += compare.truths(report)
    sums, totals = _pprof_totals(_pprof(context, path, "-raw")), _totals(document)
    if depth == "full" and "samples/count" in sums:
        # all of what was touched, by who had asked for it; what nobody touched no report has
        totals["touched_by_origin_space/bytes"] = totals["touched_space/bytes"]
        sums.pop("never_touched_space/bytes", None)
    if sums != totals:
        found += [f"pprof: {sums}", f"report: {totals}"]
    fail_if(found)


# {sample type: the same as a value of flame}
FLAMES = {
    "alloc_objects/count": "count", "alloc_space/bytes": "bytes", "faults/count": "faults",
    "touched_space/bytes": "touched", "grown_space/bytes": "brk", "mapped_space/bytes": "mmap",
}


def _flame(context, recording, name, *options):
    path = context.file(name)
    process = context.start([harness.ALLOCPATH, "flame", "-i", recording, "-o", path, *options])
    if context.finish(process):
        raise Failure(f"flame -i ended with {process.returncode}", context.stderr_of(process))
    return path


@each({
    "kernel": ("kernel",), "entry": ("entry",), "sampled": ("entry", "--sample-bytes", "4K"),
    "hardly_sampled": ("entry", "--sample-bytes", "10M"),
})
def one_sum(context, row):
    """Of one recording: histogram, each form of a flame and pprof, written twice, sum to the same."""
    depth, *options = row
    path, _ = _record(context, ["/usr/bin/python3", "-I", "-S", "-c", "x = 'a' * 3000000"], depth,
                      *options)
    wanted = _totals(_read(context, path))
    found = []
    for file in (path, _flame(context, path, "again.pb.gz")):
        sums = _pprof_totals(_pprof(context, file, "-raw"))
        found += [f"pprof: {sums}", f"report: {wanted}"] if sums != wanted else []
    for name, value in FLAMES.items():
        if name not in wanted:
            continue
        with open(_flame(context, path, "x.folded", "--by", value), encoding="utf-8") as file:
            folded = sum(int(line.rsplit(" ", 1)[1]) for line in file)
        with open(_flame(context, path, "x.json", "--by", value), encoding="utf-8") as file:
            tree = json.load(file)["value"]
        with open(_flame(context, path, "x.svg", "--by", value), encoding="utf-8") as file:
            picture = int(re.search(r'data-total="(\d+)"', file.read())[1])
        if {folded, tree, picture} != {wanted[name]}:
            found.append(f"{name}: folded {folded}, JSON {tree}, SVG {picture}, "
                         f"report {wanted[name]}")
    fail_if(found)


@test
def host_in_pprof(context):
    """A recording of the host opens in every way; what it sums to is the report's."""
    path = context.file("host.pb.gz")
    process = context.start([harness.ALLOCPATH, "record", "-o", path, "-d", "1s",
                             "--budget", "none"])
    # over the whole of it, start included, and slow enough for the guard
    work = "import time\nfor _ in range(40): x = [bytes(900) for i in range(100)]; time.sleep(0.05)"
    load = [context.start(["/usr/bin/python3", "-I", "-S", "-c", work]) for _ in range(3)]
    if context.finish(process):
        raise Failure(context.stderr_of(process))
    for child in load:
        context.finish(child)
    document = _read(context, path)
    sums = _pprof_totals(_pprof(context, path, "-raw"))
    if sums != _totals(document):
        raise Failure(f"pprof: {sums}", f"report: {_totals(document)}")
    top = _pprof(context, path, "-top", "-sample_index=alloc_objects")
    total = re.search(r"Total samples = (\d+)", top)
    if not total or int(total[1]) != sums["alloc_objects/count"]:
        raise Failure(f"not {sums['alloc_objects/count']}:", top)
    tags = _pprof(context, path, "-tags", "-sample_index=alloc_objects")
    for name in ("pid", "comm", "path", "size_class"):
        if f" {name}: Total" not in tags:
            raise Failure(f"no tag {name}:", tags)


@test
def callers(context):
    """Callers of a process that runs are places in its files, and all are kept."""
    script = "import time\nwhile True:\n    x = [bytes(3000) for i in range(50)]\n    time.sleep(.02)"
    target = context.start([sys.executable, "-S", "-c", script])
    path = context.file("callers.pb.gz")
    process = context.start([harness.ALLOCPATH, "record", "-o", path, "-d", "1s", "-p", target.pid,
                             "--no-stacks"])
    if context.finish(process):
        raise Failure(context.stderr_of(process))
    raw = _pprof(context, path, "-raw")
    if "caller not kept" in raw or _read(context, path)["lost"]["call_rows_full"]:
        raise Failure("callers are missing:", raw[:2000])
    mappings = raw[raw.index("Mappings"):].splitlines()[1:]
    with open(f"/proc/{target.pid}/maps", encoding="utf-8") as maps:
        known = {tuple(int(end, 16) for end in line.split()[0].split("-")): line.split()[-1]
                 for line in maps}
    for line in mappings:
        number, span, file = re.fullmatch(r"(\d+): (\S+) (\S+).*", line).groups()
        low, high, _ = (int(word, 16) for word in span.split("/"))
        if known.get((low, high)) != file:
            raise Failure(f"mapping {number} is not the process's: {line}")
    if not mappings:
        raise Failure("no mappings:", raw[:2000])


@test
def stacks(context):
    """A file has the stacks of what was measured, from the allocation function to main."""
    path, _ = _record(context, [program("calls"), "m:100x1000"], "entry")
    process, = _read(context, path, options=["--stacks", "100"])["processes"]
    if any(process["stacks"]["truncated"].values()) or process["stacks"]["not_kept"]:
        raise Failure("stacks are missing:", str(process["stacks"])[:2000])
    if sum(row["count"] for row in process["stacks"]["top"]) != process["requests"]["count"]:
        raise Failure("not each request has its stack:", str(process["stacks"])[:2000])
    traces = _pprof(context, path, "-traces", "-sample_index=alloc_objects")
    if not re.search(r" 999 +malloc\n(?: +\S.*\n)* +main\n(?: +\S.*\n)* +_start\n", traces):
        raise Failure("no stack from malloc to main:", traces[:2000])
    for kind in ("[not sampled]", "[stack not kept]", "[truncated"):
        if kind in traces:
            raise Failure(f"{kind}:", traces[:2000])


@test
def checkpoints(context):
    """A recorder that is killed leaves its last checkpoint; anyone may read it."""
    target = context.start(["sleep", "60"])
    path = os.path.join(context.path, "killed.pb.gz")
    with leftovers.nothing_attached():
        process = context.start([harness.ALLOCPATH, "record", "-o", path, "--checkpoint", "200ms",
                                 "-p", target.pid])
        context.wait_for(lambda: os.path.exists(path), "the first checkpoint")
        first = os.stat(path).st_ino
        context.wait_for(lambda: os.stat(path).st_ino != first, "the second checkpoint")
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        context.finish(process)
    document = _read(context, path)
    if [row["pid"] for row in document["processes"]] not in ([target.pid], []):
        raise Failure(str(document["processes"]))
    left = [name for name in os.listdir(context.path) if "killed" in name]
    if left != ["killed.pb.gz"]:
        raise Failure(f"left behind: {left}")


@test
def without_rights(context):
    """A view of a file needs neither root nor BPF."""
    need("setpriv")
    path, _ = _record(context, ["true"], "entry")
    document = _read(context, path)
    for name in (context.path, path):
        os.chmod(name, 0o755)
    if _read(context, path, NOBODY) != document:
        raise Failure("nobody reads something else")


def _varint(number):
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


# {name: (what becomes of a recording's bytes, what the line says)}
BAD = {
    "empty": (lambda data: b"", "is empty"),
    "cut": (lambda data: data[: len(data) // 2], "is cut short"),
    "cut_at_end": (lambda data: data[:-4], "is cut short"),
    "damaged": (lambda data: data[:500] + b"\xff\xff\xff\xff" + data[504:], "is damaged"),
    "text": (lambda data: b"of yesterday\n", "is no recording"),
    "gzipped_text": (lambda data: gzip.compress(b"of yesterday\n"), "is no recording"),
    "newer": (lambda data: gzip.compress(_field(1000, b"\x08\x63")), "is of version 99"),
    "foreign": (lambda data: gzip.compress(_field(6, b"") + _field(6, b"x")), "of another tool"),
}


@each(BAD)
def bad(context, row):
    change, says = row
    path, _ = _record(context, ["true"], "kernel")
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))
    process = context.start([harness.ALLOCPATH, "hist", "-i", path])
    ended = context.finish(process)
    lines = context.stderr_of(process).splitlines()
    if ended != 1 or len(lines) != 1 or says not in lines[0]:
        raise Failure(f"exit status {ended}, '{says}' expected:", *lines)


@test
def rewritten_by_pprof(context):
    """What pprof's tool writes anew has lost our part, and is said to be foreign."""
    path, _ = _record(context, ["true"], "entry")
    foreign = context.file("foreign.pb.gz")
    _pprof(context, path, "-proto", f"-output={foreign}")
    process = context.start([harness.ALLOCPATH, "hist", "-i", foreign])
    if context.finish(process) != 1 or "of another tool" not in context.stderr_of(process):
        raise Failure(context.stderr_of(process))


USAGE = {
    "no_output": (["record", "-d", "1s"], "give -o FILE"),
    "input_and_target": (["hist", "-i", "x", "-p", "1"], "-i reads what was measured before"),
    "input_and_command": (["hist", "-i", "x", "--", "true"], "-i reads what was measured before"),
    "record_json": (["record", "--json", "-o", "x"], "there is no option '--json'"),
    "checkpoint_of_hist": (["hist", "--checkpoint", "1s"], "there is no option '--checkpoint'"),
}


@each(USAGE)
def usage(context, row):
    arguments, says = row
    process = context.start([harness.ALLOCPATH, *arguments])
    ended = context.finish(process)
    lines = context.stderr_of(process).splitlines()
    if ended != 2 or len(lines) != 1 or says not in lines[0]:
        raise Failure(f"exit status {ended}, '{says}' expected:", *lines)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests/tools/symbolise, and the tools that its answers are held against."""

import os
import re
import subprocess

import harness
from harness import Failure

TOOL = os.path.join(harness.BUILD, "tests", "tools", "symbolise")
NOWHERE = "/nowhere"


class Frame:
    def __init__(self, function, file, line, inlined):
        self.function = function
        self.file = file
        self.line = line
        self.inlined = inlined

    def is_named(self):
        return not re.search(r"\+0x[0-9a-f]+ \[(no build id|[0-9a-f]+)\]$", self.function)

    def __repr__(self):
        return f"{self.function} {self.file}:{self.line}{' (inlined)' if self.inlined else ''}"


def run(*command, **options):
    """Standard output; a failure is the test's."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Failure(f"{' '.join(command)[:200]} ended with {done.returncode}:", done.stderr)
    return done.stdout


def symbolise(requests, *options, environment=None, timeout=60):
    """[(offset, path)] -> a list of frames for each, and the statistics as {name: number}."""
    unique = list(dict.fromkeys(requests))
    done = subprocess.run(
        [TOOL, "-s", *options], text=True, check=False, capture_output=True, timeout=timeout,
        input="".join(f"{offset:#x} {path}\n" for offset, path in unique),
        env={**os.environ, "DEBUGINFOD_URLS": "", **(environment or {})})
    if done.returncode:
        raise Failure(f"symbolise ended with {done.returncode}", done.stderr)
    lines = iter(done.stdout.splitlines())
    found = {}
    for request in unique:
        frames = []
        while not frames or frames[-1].inlined:
            offset, function, place = next(lines).split("\t")
            if int(offset, 16) != request[0]:
                raise Failure(f"{offset} answers {request[0]:#x}")
            inlined = place.endswith(" (inlined)")
            file, _, line = place.removesuffix(" (inlined)").rpartition(":")
            frames.append(Frame(function, file or None, int(line) if file else 0, inlined))
        found[request] = frames
    words = done.stderr.splitlines()[-1].split()
    return ([found[request] for request in requests],
            dict(zip(words[::2], map(int, words[1::2]))))


def one(offset, path, *options, **more):
    """The outermost frame of one offset."""
    return symbolise([(offset, path)], *options, **more)[0][0][-1]


def sections(path):
    """{name: (address, offset, size)}"""
    found = {}
    for line in run("readelf", "-SW", path).splitlines():
        row = re.match(r"\s*\[\s*\d+\] (\S+)\s+\S+\s+([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", line)
        if row:
            found[row[1]] = tuple(int(number, 16) for number in row.groups()[1:])
    return found


def functions(path):
    """{name as in the file: (address, size)} of what is defined in .text"""
    found = {}
    for line in run("readelf", "-sW", path).splitlines():
        row = line.split()
        if len(row) == 8 and row[3] == "FUNC" and row[6] not in ("UND", "ABS"):
            found[row[7].partition("@")[0]] = (int(row[1], 16), int(row[2], 0))
    return found


def shift(path):
    """Address less offset of the code."""
    address, offset, _ = sections(path)[".text"]
    return address - offset


def addresses_of(path, wanted=lambda name: True, most=400):
    """Addresses where instructions begin, in functions with a size, spread over all."""
    inside = []
    for name, (address, size) in functions(path).items():
        if size and wanted(name):
            inside.append((address, address + size))
    found = []
    listing = run("objdump", "-d", "--no-show-raw-insn", "--section=.text", path)
    for line in listing.splitlines():
        row = re.match(r"\s+([0-9a-f]+):\t", line)
        if row and any(start <= int(row[1], 16) < end for start, end in inside):
            found.append(int(row[1], 16))
    return found[:: max(1, len(found) // most)]


def addr2line(path, addresses, tool="addr2line"):
    """A list of frames for each address, innermost first."""
    output = run("c++filt", input=run(tool, "-afi", "-e", path, *map(hex, addresses)))
    found = []
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("0x"):
            found.append([])
            continue
        place = re.sub(r" \(discriminator \d+\)$", "", next(lines))
        file, _, number = place.rpartition(":")
        number = int(number) if number.isdigit() else 0
        found[-1].append(Frame(line, None if file in ("??", "") else file, number, True))
    for frames in found:
        frames[-1].inlined = False
    return found


def gdb_symbols(path, addresses):
    """What gdb calls the function at each address; None: nothing."""
    commands = []
    for address in addresses:
        commands += ["-ex", f"info symbol {address:#x}"]
    output = run("gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", *commands, path)
    found = []
    for line in output.splitlines():
        row = re.match(r"(.+?)(?: \+ \d+)? in section ", line)
        if row:
            found.append(row[1])
        elif line.startswith("No symbol matches"):
            found.append(None)
    return found


def plain(name):
    """Without parameters, and what compilers add to copies and parts of a function."""
    name = re.sub(r"( \[clone [^]]*\])+$", "", name).removesuffix("[cold]")
    name = re.sub(r" \(\.(cold|part|isra|constprop|lto_priv)[.0-9a-z_]*\)$", "", name)
    name = re.sub(r"(?<!^)\(.*", "", name.replace("(anonymous namespace)", "{anonymous}"))
    name = re.sub(r"::h[0-9a-f]{16}$|\[[0-9a-f]{16}\]|(?<=\d): usize", "", name)
    return re.sub(r"\.(isra|part|constprop|cold|lto_priv|llvm)(\.\d+)*.*$", "", name)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF object itself: what the programs on uprobes may not do, and what loading it takes."""

import os
import re
import subprocess

import loaded
from harness import BUILD, Failure, Skip, fail_if, need, test

# A KPROBE-type program gets a stack per CPU for a function that takes 64 bytes, in steps of 16
# (private stacks, 6.13 and Debian's 6.12), and nothing keeps another task off it.
MOST_STACK_BYTES = 48
# The kernel refuses a program of a million.
MOST_VERIFIED = 100000
UPROBE_PROGRAMS = ("alloc_entry", "alloc_return", "alloc_session")


def _functions():
    """{name: (stack bytes, names called)} of the disassembly."""
    text = subprocess.run(
        ["llvm-objdump", "-dr", os.path.join(BUILD, "allocpath.bpf.o")],
        capture_output=True, text=True, check=True,
    ).stdout
    found, at_address = {}, {}
    section = name = immediate = None
    for line in text.splitlines():
        if line.startswith("Disassembly of section "):
            section = line.split()[-1].rstrip(":")
        begin = re.match(r"([0-9a-f]+) <([^>]+)>:", line)
        if begin and not begin.group(2).startswith("LBB"):
            name = begin.group(2)
            found[name] = [0, []]
            if section == ".text":
                at_address[int(begin.group(1), 16)] = name
            continue
        # an access to the stack, or an address on it: rN = r10, rN += -OFFSET
        for offset in re.findall(r"r10 - (0x[0-9a-f]+|\d+)|r\d+ \+= -(0x[0-9a-f]+|\d+)$", line):
            size = int(offset[0] or offset[1], 0)
            if size <= 512:
                found[name][0] = max(found[name][0], size)
        # 85, source register 1: a call of a function of ours, relative to the next instruction
        call = re.match(r"\s*(\d+):\s+85 10 00 00 .*call (-?(?:0x)?[0-9a-f]+)$", line)
        if call:
            immediate = int(call.group(2), 0)
            found[name][1].append((int(call.group(1)) + 1 + immediate) * 8)
        # or by a relocation: a static one by its place in the section, a global one by its name
        target = re.search(r"R_BPF_64_32\s+(\S+)", line)
        if target:
            by_name = target.group(1) != ".text"
            found[name][1][-1] = target.group(1) if by_name else (immediate + 1) * 8
    return {
        name: (size, [at_address.get(call, call) for call in calls])
        for name, (size, calls) in found.items()
    }


@test
def uprobes_use_little_stack(_context):
    need("llvm-objdump")
    functions = _functions()
    left, met, wrong = list(UPROBE_PROGRAMS), set(), []
    while left:
        name = left.pop()
        if name in met:
            continue
        if name not in functions:
            if name in UPROBE_PROGRAMS:
                raise Failure(f"{name} is not in the object")
            continue
        met.add(name)
        size, calls = functions[name]
        if size > MOST_STACK_BYTES:
            wrong.append(f"{name} takes {size} bytes, more than {MOST_STACK_BYTES}")
        left += calls
    if len(met) < 20:
        wrong.append(f"only {sorted(met)} were met: the calls were not followed")
    fail_if(wrong)


@test
def verifier_walks_little(context):
    rows = loaded.programs(context)
    if not any(row.verified for row in rows.values()):
        raise Skip("the kernel does not tell how much it verified")
    wrong = [f"{name}: {row.verified} instructions verified, more than {MOST_VERIFIED}"
             for name, row in rows.items() if row.verified > MOST_VERIFIED]
    if len(rows) < 18:
        wrong.append(f"only {sorted(rows)} were met")
    fail_if(wrong)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of libc.so.6, one of them with allocation functions that begin with a five-byte nop.

There the first instructions of a function move to the unused end of the text's last page; in their
place stand the nop and a jump to them. What cannot be moved, because it refers to its own address,
stays as it is.
"""

import os
import re
import shutil
import struct
import subprocess

import harness

NOP5 = b"\x0f\x1f\x44\x00\x00"
WANTED = ("malloc", "calloc", "realloc", "free", "posix_memalign")
PAGE = 4096

_INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f ]+?) *(?:\t(.*))?$")


def find():
    """The libc.so.6 that this process runs on."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            if line.rstrip().endswith("/libc.so.6"):
                return os.path.realpath(line.split()[5])
    raise harness.Skip("python3 here does not run on a libc.so.6")


def copy(context):
    """A private copy of libc, which other runs probe only if they are host-wide. An environment."""
    directory = os.path.join(context.path, "libc")
    os.mkdir(directory)
    shutil.copy(find(), os.path.join(directory, "libc.so.6"))
    return {"LD_LIBRARY_PATH": directory}


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _text_segment(path):
    """(offset, address, bytes in the file) of what is executable."""
    for line in _output("readelf", "-lW", path).splitlines():
        words = line.split()
        if words[:1] == ["LOAD"] and "E" in words[6:-1]:
            return int(words[1], 16), int(words[2], 16), int(words[4], 16)
    raise harness.Skip(f"{path} has no text")


def _addresses(path):
    found = {}
    for line in _output("readelf", "-W", "--dyn-syms", path).splitlines():
        words = line.split()
        name = words[-1].split("@")[0] if words else ""
        if name in WANTED and "FUNC" in words:
            found[name] = int(words[1], 16)
    return found


def _movable(path, address):
    """How many bytes of whole instructions make room for the nop and the jump; 0: they cannot."""
    lines = _output("objdump", "-dw", f"--start-address={address}",
                    f"--stop-address={address + 32}", path).splitlines()
    length = 0
    for match in filter(None, map(_INSTRUCTION.match, lines)):
        if length >= len(NOP5) + 5:
            return length
        text = match[3] or ""
        if "(%rip)" in text or re.match(r"(j|call|ret|loop)", text):
            return 0
        length += len(match[2].split())
    return 0


def _jump(source, target):
    return b"\xe9" + struct.pack("<i", target - source - 5)


def make(directory):
    """Writes DIRECTORY/libc.so.6 with the nops. Returns its path, {function: offset of its nop}."""
    if os.uname().machine != "x86_64":
        raise harness.Skip("five-byte nops are for x86-64")
    harness.need("objdump")
    original = find()
    offset, address, size = _text_segment(original)
    with open(original, "rb") as file:
        data = bytearray(file.read())
    free, end = offset + size, (offset + size + PAGE - 1) // PAGE * PAGE
    patched = {}
    for name, at in _addresses(original).items():
        length = _movable(original, at)
        at += offset - address
        if not length or free + length + 5 > end:
            continue
        data[free : free + length] = data[at : at + length]
        data[free + length : free + length + 5] = _jump(free + length, at + length)
        data[at : at + length] = (NOP5 + _jump(at + 5, free)).ljust(length, b"\x90")
        free += length + 5
        patched[name] = at
    if "malloc" not in patched:
        raise harness.Skip(f"malloc of {original} cannot be patched")
    path = os.path.join(directory, "libc.so.6")
    with open(path, "wb") as file:
        file.write(data)
    return path, patched

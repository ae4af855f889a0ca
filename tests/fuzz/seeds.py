#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the inputs that the fuzzers begin with: seeds.py DIRECTORY ALLOCPATH LIBRARY"""

import gzip
import os
import random
import shutil
import subprocess
import sys


def main(directory, allocpath, library):
    for name in ("recording", "elf", "maps", "unwind", "symbols", "perf_map", "refalloc"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    for depth in ("kernel", "full"):
        path = os.path.join(directory, "recording", depth)
        done = subprocess.run([allocpath, "record", "--probes", depth, "-o", path, "--", "true"],
                              check=False)
        if done.returncode:
            continue
        # not compressed, it can be mutated
        with gzip.open(path) as file, open(f"{path}.raw", "wb") as raw:
            raw.write(file.read())
    shutil.copy(library, os.path.join(directory, "elf", "libc"))
    shutil.copy(os.path.realpath(shutil.which("true")), os.path.join(directory, "elf", "program"))
    for name in ("true", "ls"):
        shutil.copy(os.path.realpath(shutil.which(name)), os.path.join(directory, "unwind", name))
    with open("/proc/self/maps", "rb") as maps:
        for number, line in enumerate(maps.readlines()[:20]):
            with open(os.path.join(directory, "maps", str(number)), "wb") as file:
                file.write(line)
    symbols(os.path.join(directory, "symbols"), library)
    with open(os.path.join(directory, "perf_map", "map"), "wb") as file:
        file.write(b"7f00 10 first\n7f08 100 LazyCompile:*f /a.js:1\n0x7f10 8 third\n")
    for number in range(20):
        with open(os.path.join(directory, "refalloc", str(number)), "wb") as file:
            file.write(random.Random(number).randbytes(800))
    with open("/proc/kallsyms", "rb") as kernel, \
            open(os.path.join(directory, "perf_map", "kallsyms"), "wb") as file:
        file.writelines(kernel.readlines()[:200])


def symbols(directory, library):
    """A file as it is linked, stripped, its debug file, and one with that inside of it."""
    source, path = os.path.join(directory, "s.c"), os.path.join(directory, "linked")
    with open(source, "w", encoding="utf-8") as file:
        file.write("static int f(int i) { return i ? f(i - 1) : 3; }\n"
                   "int main(int n, char **v) { (void)v; return f(n); }\n")
    for command in (["gcc", "-g", "-o", path, source],
                    ["objcopy", "--only-keep-debug", path, f"{path}.debug"],
                    ["strip", "-o", f"{path}.stripped", path],
                    ["xz", "-k", f"{path}.debug"],
                    ["objcopy", "--add-section", f".gnu_debugdata={path}.debug.xz",
                     f"{path}.stripped", f"{path}.mini"]):
        subprocess.run(command, check=True)
    os.unlink(source)
    shutil.copy(library, os.path.join(directory, "libc"))


if __name__ == "__main__":
    main(*sys.argv[1:])

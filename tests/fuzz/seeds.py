#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the inputs that the fuzzers begin with: seeds.py DIRECTORY ALLOCPATH LIBRARY"""

import gzip
import os
import shutil
import subprocess
import sys


def main(directory, allocpath, library):
    for name in ("recording", "elf", "maps", "unwind"):
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


if __name__ == "__main__":
    main(*sys.argv[1:])

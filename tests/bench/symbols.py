#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A thousand distinct addresses in a hundred files of this host: how long their names take, the
first time (with the files in the page cache, and without) and again. symbols.py SYMBOLISE"""

import glob
import os
import random
import re
import subprocess
import sys

FILES = 100
ADDRESSES = 1000
DIRECTORIES = ("/usr/lib/x86_64-linux-gnu/*.so*", "/usr/lib/llvm-14/lib/*.so*", "/usr/bin/*",
               "/usr/lib/gcc/x86_64-linux-gnu/*/cc1*")


def text_of(path):
    """Offset and size of .text."""
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=False)
    found = re.search(r"\] \.text\s+PROGBITS\s+\w+ (\w+) (\w+)", sections.stdout)
    return (int(found[1], 16), int(found[2], 16)) if found else None


def choose_files():
    paths = {os.path.realpath(path) for place in DIRECTORIES for path in glob.glob(place)}
    chosen = []
    # the largest: what symbols take is by their number
    for path in sorted(paths, key=lambda path: -os.path.getsize(path)):
        text = text_of(path)
        if text:
            chosen.append((path, text))
        if len(chosen) == FILES:
            break
    return chosen


def main(symbolise):
    random.seed(6)
    files = choose_files()
    requests = []
    for number in range(ADDRESSES):
        path, (offset, size) = files[number % len(files)]
        requests.append(f"{offset + random.randrange(size):#x} {path}\n")
    print(f"{len(requests)} addresses in {len(files)} files,",
          f"{sum(os.path.getsize(path) for path, _ in files) >> 20} MiB")
    for arguments in ([], ["-l"]):
        for state in ("on disk", "in page cache"):
            if state == "on disk":
                for path, _ in files:
                    with open(path, "rb") as file:
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            done = subprocess.run([symbolise, "-s", "-r", "2", *arguments], text=True,
                                  input="".join(requests), capture_output=True, check=True)
            print(" ".join(["symbols", *arguments]) + f", files {state}:")
            print("    " + done.stderr.strip().replace("\n", "\n    "))


if __name__ == "__main__":
    main(*sys.argv[1:])

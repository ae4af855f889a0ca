# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/programs/named.cc, built, stripped, and with its debug information in a file beside."""

import os

from harness import ROOT, need
from symbolise import functions, run, shift

SOURCE = os.path.join(ROOT, "tests", "programs", "named.cc")
GXX = ["g++", "-std=gnu++17", "-O2", "-g"]


def build(context, command, name="named"):
    path = context.file(name)
    need(command[0])
    os.chmod(context.path, 0o755)  # who reads debug information is nobody
    # split DWARF is written beside, and named by a path that the reader is to find
    run(*command, "-o", path, cwd=os.path.dirname(path))
    return path


def strip(path, *options):
    stripped = f"{path}.stripped"
    run("strip", *options, "-o", stripped, path)
    return stripped


def build_id_of(path):
    notes = run("readelf", "-n", path)
    return notes.partition("Build ID: ")[2].split()[0]


def with_debug_file(context):
    """A stripped program, its debug file, and the offset of first_place."""
    path = build(context, [*GXX, SOURCE])
    offset = functions(path)["first_place"][0] - shift(path)
    debug = f"{path}.debug"
    run("objcopy", "--only-keep-debug", path, debug)
    stripped = strip(path)
    run("objcopy", f"--add-gnu-debuglink={debug}", stripped)
    os.unlink(path)
    return stripped, debug, offset


def is_first_place(frame, why, has_file=True):
    if frame.function != "first_place" or has_file != (frame.file is not None):
        return [f"{why}: {frame}"]
    return []

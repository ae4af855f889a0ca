# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference allocator's rules: a program each, and glibc's own answers where they are the rule."""

from harness import Failure, each, fail_if, program
from test_refalloc import environment

OPTIONS = {
    "hybrid": [],
    "brk": ["policy=brk"],
    "mmap": ["policy=mmap"],
    "dynamic": ["dynamic=1"],
    "one_arena": ["arenas=1"],
    "no_cache": ["cache=0"],
    "small_threshold": ["threshold=1000"],
    "no_pad": ["top_pad=0", "trim_threshold=0"],
}


def _answers(context, preloaded):
    output = context.file("answers")
    with open(output, "w", encoding="utf-8") as file:
        context.run([program("refalloc_interface")], stdout=file, environment=preloaded)
    with open(output, encoding="utf-8") as file:
        return file.read().splitlines()


@each(OPTIONS)
def interface(context, options):
    """Every function and corner case is answered as by glibc."""
    expected = _answers(context, {})
    if len(expected) < 5000:
        raise Failure(f"only {len(expected)} answers by glibc")
    found = _answers(context, environment(*options))
    fail_if([f"line {number}: glibc has '{one}', refalloc '{other}'"
             for number, (one, other) in enumerate(zip(expected, found), 1) if one != other])
    if len(found) != len(expected):
        raise Failure(f"{len(found)} answers, glibc has {len(expected)}")

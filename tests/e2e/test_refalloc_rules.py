# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference allocator's rules: a program each, and glibc's own answers where they are the rule."""

import os
import signal
import subprocess

from harness import Failure, each, fail_if, program, test
from test_refalloc import environment

# {rule: options it needs}, of tests/programs/refalloc_rules.c and refalloc_around.c
RULES = {
    "first_heap": [],
    "top_pad": ["top_pad=1m"],
    "no_top_pad": ["top_pad=0"],
    "threshold": [],
    "threshold_set": ["threshold=10000"],
    "mapping_returned": [],
    "small_stays": [],
    "in_order": [],
    "coalesce": [],
    "header": [],
    "trim": [],
    "no_trim": ["trim_threshold=1g"],
    "pinned": [],
    "dynamic": ["dynamic=1"],
    "dynamic_ended": ["dynamic=1"],
    "fixed": [],
    "calloc_fresh": [],
    "realloc_mapping": [],
    "realloc_heap": [],
    "brk": ["policy=brk"],
    "mmap": ["policy=mmap"],
    "mallopt": [],
    "mallinfo": [],
    "malloc_trim": [],
    "alignment": [],
}
AROUND = {
    "arenas": [],
    "one_arena": ["arenas=1"],
    "foreign_break": [],
    "blocked_break": [],
    "refused_mincore": [],
    "limited_space": [],
    "limited_data": [],
    "limited_thread": [],
    "thread_end": [],
    "many_threads": [],
    "fork": [],
    "forks_of_threads": [],
}

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


def _answers(context, preloaded, name="refalloc_interface"):
    output = context.file("answers")
    with open(output, "w", encoding="utf-8") as file:
        context.run([program(name)], stdout=file, environment=preloaded)
    with open(output, encoding="utf-8") as file:
        return file.read().splitlines()


@each(OPTIONS)
def interface(context, options):
    """Every function and corner case is answered as by glibc."""
    _compare(context, _answers(context, environment(*options)))


@test
def static(context):
    """A static program that is linked with the archive has it too, and the same answers."""
    symbols = subprocess.run(["nm", program("refalloc_interface_static")], check=True,
                             capture_output=True, text=True).stdout
    if " arena__take\n" not in symbols or " _int_malloc\n" in symbols:
        raise Failure("the static program's malloc is not the archive's")
    _compare(context, _answers(context, {}, "refalloc_interface_static"))


def _compare(context, found):
    expected = _answers(context, {})
    if len(expected) < 5000:
        raise Failure(f"only {len(expected)} answers by glibc")
    fail_if([f"line {number}: glibc has '{one}', refalloc '{other}'"
             for number, (one, other) in enumerate(zip(expected, found), 1) if one != other])
    if len(found) != len(expected):
        raise Failure(f"{len(found)} answers, glibc has {len(expected)}")


@each({rule: (rule, options) for rule, options in RULES.items()})
def heap(context, row):
    """What is said of the heap, of mappings and of the knobs holds, seen from outside."""
    rule, options = row
    context.run([program("refalloc_rules"), rule], environment=environment(*options))


@each({rule: (rule, options) for rule, options in AROUND.items()})
def around(context, row):
    """It works where others are about: threads, forks, limits, whoever moves the break."""
    rule, options = row
    context.run([program("refalloc_around"), rule], environment=environment(*options))


@test(takes_long=True)
def fork_thousand(context):
    """A threaded program is forked a thousand times, and never hangs."""
    process = context.start([program("refalloc_around"), "fork_thousand"],
                            environment=environment())
    if context.finish(process, 600):
        raise Failure(f"ended with {process.returncode}", context.stderr_of(process))


FREED = "double free: the block is free already"
POINTER = "bad pointer: no block begins there, or its header is overwritten"
HEADER = "overwritten header: the block's size is not what its neighbour says"
MAPPING = "overwritten header: no mapping can be as the block says"
LINKS = "overwritten free block: its links do not lead back to it"
# {case of tests/programs/refalloc_misuse.c: complaint}
MISUSES = {
    **dict.fromkeys(("double_small", "double_large", "double_mapping", "double_mapping_later",
                     "double_mapping_much_later", "double_mapping_64", "double_mapping_page",
                     "double_mapping_huge", "double_mapping_moved",
                     "double_aligned", "double_later", "double_trimmed", "double_coalesced",
                     "double_thread", "realloc_freed", "usable_of_freed"), FREED),
    **dict.fromkeys(("bad_unaligned", "bad_inside", "bad_stack", "bad_static", "bad_text",
                     "bad_realloc", "bad_mapping_inside", "bad_mmap", "over_next_header",
                     "over_next_header_large"), POINTER),
    **dict.fromkeys(("over_by_one", "over_by_one_zero", "over_by_one_large", "over_realloc",
                     "over_next_before", "over_next_low", "size_wild", "size_far", "size_short",
                     "size_nothing", "size_of_large", "arena_wild", "arena_of_large"), HEADER),
    **dict.fromkeys(("mapped_wild", "mapped_before"), MAPPING),
    **dict.fromkeys(("freed_wild", "freed_near", "freed_zero", "cached_wild", "cached_near",
                     "cached_zero"), LINKS),
}


@each({case: (case, complaint) for case, complaint in MISUSES.items()})
def misuse(context, row):
    """It ends with SIGABRT, and one line that names the block and what is wrong with it."""
    case, complaint = row
    output = context.file("address")
    with open(output, "wb") as file:
        process = context.start(["prlimit", "--core=0", program("refalloc_misuse"), case],
                                stdout=file, environment=environment())
    status, said = context.finish(process), context.stderr_of(process)
    with open(output, encoding="utf-8") as file:
        address = file.readline().strip()
    expected = f"refalloc: {address}: {complaint}\n"
    if status != -signal.SIGABRT or said != expected:
        raise Failure(f"status {status}, '{said}', not '{expected}'")


BYTES = "a size in bytes, as 4096, 64k or 1m"
NAMES = "one of policy, threshold, dynamic, top_pad, trim_threshold, arenas, cache, sample, ledger"
COUNT = "a number from 1 to 256"
BAD = {
    "policy=best": "hybrid, brk or mmap",
    "policy=": "hybrid, brk or mmap",
    "policy=mmap2": "hybrid, brk or mmap",
    "threshold=": BYTES,
    "threshold=-1": BYTES,
    "threshold=1x": BYTES,
    "threshold=k": BYTES,
    "threshold=1kk": BYTES,
    "threshold=99999999999999999999": BYTES,
    "threshold=17179869184g": BYTES,
    "trim_threshold=one": BYTES,
    "sample=0": BYTES,
    "top_pad=2g": "a size in bytes, as 64k, of at most 1g",
    "top_pad=-4096": "a size in bytes, as 64k, of at most 1g",
    "dynamic=yes": "0 or 1",
    "cache=2": "0 or 1",
    "arenas=0": COUNT,
    "arenas=257": COUNT,
    "ledger=": "a file's name; %p in it is the pid",
    "treshold=1m": NAMES,
    "=5": NAMES,
    "hybrid": "name=value",
}


@test
def bad_options(context):
    """A bad value is one line that says what is right; the rest is used, and the program runs."""
    wrong = []
    for option, right in BAD.items():
        expected = f"refalloc: REFALLOC: '{option}' is not used: it has to be {right}\n"
        process = context.start([program("refalloc_rules"), "top_pad"],
                                environment=environment(option, "", "top_pad=1m"))
        status, said = context.finish(process), context.stderr_of(process)
        if status or said != expected:
            wrong += [f"{option}: status {status}, '{said}', not '{expected}'"]
    fail_if(wrong)


@test
def two_bad_options(context):
    """A line for each."""
    process = context.start([program("refalloc_rules"), "first_heap"],
                            environment=environment("cache=", "what"))
    if context.finish(process) or context.stderr_of(process).count("refalloc: REFALLOC: '") != 2:
        raise Failure(context.stderr_of(process))


def _without_races(context, threads, steps):
    """What two threads share is locked or read whole: ThreadSanitizer ends with 66 otherwise."""
    for options in ("", "arenas=2", "cache=0,arenas=1"):
        context.run([program("refalloc_stress_tsan"), threads, steps, os.getpid()],
                    fixed_addresses=True, environment={"REFALLOC": options})


@test
def races(context):
    _without_races(context, 4, 500)


@test(takes_long=True)
def more_races(context):
    _without_races(context, 16, 1500)

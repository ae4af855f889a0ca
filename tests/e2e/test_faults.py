# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults by class, case by case against getrusage and smaps (issue 2, 'It holds when' 1).

A case's figures less those of `faults none` are held against the program's window. What happens
before main is not the same in every run (where the kernel puts the stack, what of a file is at
hand), so a few faults are allowed for.
"""

import os
from contextlib import contextmanager
from functools import cache

import compare
from harness import Context, Skip, each, fail_if, program

PAGE = 4096
FAULTS_ALLOWED = 8
BYTES_ALLOWED = FAULTS_ALLOWED * PAGE
HUGE_PAGE = 2 << 20
FILE_BYTES = 4 << 20

CASES = (
    "malloc_write",
    "malloc_read",
    "malloc_read_write",
    "calloc_write",
    "read_into",
    "fork_cow",
    "huge",
    "sbrk_write",
    "stack",
    "thread_stack",
    "arena",
    "file_read",
    "file_private_write",
    "file_shared_write",
    "file_read_write",
    "file_major",
    "moved",
    "dontneed",
    "populate",
    "mlockall",
    "madvise_populate",
    "shmem",
    "race",
    "mprotect",
    "segv",
    "munmap",
    "madv_free",
    "peer_write",
    "hugetlb",
    "threads_huge",
)


def _figures(process):
    """The figures of a process that faults add to, as one flat dict."""
    faults = process["faults"]
    first = faults["first_touch"]
    flat = {name: value for name, value in faults.items() if isinstance(value, int)}
    flat["first_touch"] = first["count"]
    flat["first_touch_bytes"] = first["bytes"]
    for region in compare.REGIONS:
        flat[region] = first[region] or 0
    sizes = {row["bytes"]: row["count"] for row in first["by_bytes"]}
    flat["huge_faults"] = sizes.get(HUGE_PAGE, 0)
    flat["file_private_bytes"] = faults.get("file_private_bytes", faults["file_private"] * PAGE)
    flat["populated_bytes"] = process["populated_bytes"]
    flat["foreign_bytes"] = process["foreign_bytes"]
    flat["touched_bytes"] = sum(row["touched_bytes"] for row in process["touched"] or [])
    flat["touched_requested"] = sum(row["requested_bytes"] for row in process["touched"] or [])
    return flat


def _near(found, name, got, expected, allowed):
    if abs(got - expected) > allowed:
        found.append(f"{name}: {got}, not {expected} (by {got - expected})")


def _check_region(found, truth, got, first_touch):
    region = truth["region"]
    if not truth["region_bytes"] <= got[region] <= first_touch + BYTES_ALLOWED:
        found.append(f"{region}: {got[region]}, not {truth['region_bytes']} to {first_touch}")
    if region == "own_mapping":
        _near(found, "touched: touched_bytes", got["touched_bytes"], truth["region_bytes"],
              BYTES_ALLOWED)
        _near(found, "touched: requested_bytes", got["touched_requested"], truth["region_bytes"], 0)


def _check(truth, got):
    found = []
    window = truth["window"]
    populated, foreign = truth["populated_bytes"], truth["foreign_bytes"]
    private, given_back = truth["file_private_bytes"], truth["given_back_bytes"]
    first_touch = window["anonymous_bytes"] + given_back - populated - foreign - private
    # populating counts in minflt, and is no fault
    _near(found, "faults", got["total"], window["minflt"] + window["majflt"] - populated // PAGE,
          FAULTS_ALLOWED)
    _near(found, "first_touch.bytes", got["first_touch_bytes"], first_touch, BYTES_ALLOWED)
    for name, expected in (
        ("file_private_bytes", private),
        ("populated_bytes", populated),
        ("foreign_bytes", foreign),
    ):
        _near(found, name, got[name], expected, BYTES_ALLOWED)
    _near(found, "growth of Anonymous", got["first_touch_bytes"] + got["file_private_bytes"]
          + got["populated_bytes"] + got["foreign_bytes"] - given_back, window["anonymous_bytes"],
          BYTES_ALLOWED)
    _near(found, "major", got["major"], window["majflt"], FAULTS_ALLOWED)
    _near(found, "faults of 2 MiB", got["huge_faults"], window["huge_bytes"] // HUGE_PAGE, 0)
    for name, least in truth["classes"].items():
        if got[name] < least:
            found.append(f"{name}: {got[name]}, not {least} or more")
    if "region" in truth:
        _check_region(found, truth, got, first_touch)
    return found


def _check_child(truth, process):
    """A forked child's figures begin with it: no difference to take."""
    found = []
    got = _figures(process)
    _near(found, "child: faults", got["total"], truth["window"]["minflt"], FAULTS_ALLOWED)
    _near(found, "child: first_touch.bytes", got["first_touch_bytes"], 0, BYTES_ALLOWED)
    for name, least in truth["classes"].items():
        if got[name] < least:
            found.append(f"child: {name}: {got[name]}, not {least} or more")
    return found


def _make_file(context):
    """Page by page: written at once, the page cache would hold it in huge pages, two faults."""
    path = os.path.join(context.path, "pages")
    with open(path, "wb", buffering=0) as file:
        for _ in range(FILE_BYTES // PAGE):
            file.write(os.urandom(PAGE))
        os.fsync(file.fileno())
    return path


@cache
def _none():
    """What a process of this program has before its main does anything."""
    context = Context()
    try:
        ((_, process),) = context.measure([program("faults"), "none"]).matched()
    finally:
        context.close()
    return _figures(process)


@contextmanager
def _huge_pages(least):
    """Reserves that many, and gives back what it added."""
    path = "/proc/sys/vm/nr_hugepages"
    with open(path, encoding="ascii") as file:
        before = int(file.read())
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(before + least))
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(before))


@each({name: name for name in CASES})
def full(context, name):
    with _huge_pages(4 if name == "hugetlb" else 0):
        case = context.measure([program("faults"), name, _make_file(context)])
    found = compare.books(case) + compare.nothing_lost(case)
    for truth, process in case.matched():
        if "skipped" in truth:
            raise Skip(truth["skipped"])
        if process is None:
            found.append(f"process {truth['pid']} is not in the report")
        elif truth.get("absolute"):
            found += _check_child(truth, process)
        else:
            got, none = _figures(process), _none()
            found += _check(truth, {key: value - none[key] for key, value in got.items()})
    fail_if(found)

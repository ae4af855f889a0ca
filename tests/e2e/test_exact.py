# SPDX-License-Identifier: GPL-2.0-or-later
"""Exact, against programs that know the truth (issue 2, 'It holds when' 1)."""

from functools import cache

import compare
import independent
import workloads
from harness import Context, each, fail_if, program, test


@each(workloads.exact())
def full(context, command):
    """Every count, byte, path, home, release and live figure is the program's own."""
    report = context.measure(command)
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@each({name: workloads.exact()[name] for name in ("calls_edges", "threads_arenas")})
def running(context, command):
    """The same on a process that runs already."""
    report = context.measure_running(command)
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


def _difference(case, none):
    return {
        call: {field: value - none[call][field] for field, value in row.items()}
        for call, row in case.items()
    }


@test
def running_with_unknown_blocks(context):
    """Blocks from before the attachment are released of_unknown, and change no live figure."""
    command = "m:100 m:200000 m:5000 m:100000x5 m:300000 g: f:0 f:1 r:2:9000 r:8:600000 m:50 f:3-7"
    report = context.measure_running([program("calls"), *command.split()], attach_at=2)
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@cache
def _none():
    """The loader's system calls, before main."""
    context = Context()
    try:
        ((_, process),) = context.measure([program("syscalls"), "none"], "kernel").matched()
    finally:
        context.close()
    return process["syscalls"]


@each({name: name for name in workloads.SYSCALLS})
def syscalls(context, name):
    """System calls made directly, at the depth that sees nothing else."""
    report = context.measure([program("syscalls"), name], "kernel")
    ((truth, process),) = report.matched()
    made = {"syscalls": _difference(process["syscalls"], _none())}
    fail_if(
        compare.books(report)
        + compare.nothing_lost(report)
        + compare.truth_of_process({"syscalls": truth["syscalls"]}, made, "kernel")
    )


@each(
    {
        name: workloads.exact()[name]
        for name in (
            "calls_edges",
            "calls_trim_one_by_one",
            "calls_realloc_mapped",
            "calls_aligned_mapped",
            "calls_break_blocked",
            "calls_failed_malloc",
        )
    }
    | {f"syscalls_{name}": [program("syscalls"), name] for name in workloads.SYSCALLS}
)
def strace(context, command):
    """All six calls of a process, the loader's included, as strace counts them."""
    expected = independent.syscalls(context, command)
    report = context.measure(command)
    ((_, process),) = report.matched()
    fail_if(
        compare.truth_of_process({"syscalls": expected}, process, "full") + compare.books(report)
    )


@test
def preloaded_counter(context):
    """The truth itself, against a counter inside the program."""
    found = []
    for name, command in workloads.exact().items():
        images = independent.allocations(context, command)
        for truth in context.run(command):
            same = [
                image
                for image in images
                if image["count"] == truth["requests"]["count"]
                and image["bytes"] == truth["requests"]["bytes"]
                and image["failed"] == truth["requests"]["failed"]
                and image["releases"] == truth["releases"]["count"]
            ]
            if not same:
                found.append(f"{name}: {truth['requests']}, {truth['releases']['count']} releases")
                found.append(f"    but libcount.so: {images}")
    fail_if(found)

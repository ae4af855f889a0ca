# SPDX-License-Identifier: GPL-2.0-or-later
"""Many threads at once: exact, nothing lost, the books balance (issue 2, 'It holds when' 3)."""

import os

import compare
from harness import Failure, each, fail_if, program

LEAST_REQUESTS = 10000


def _kernel_skips_programs():
    """Preempted inside a program, it is skipped for who runs then: seen on 7.3, not on 7.0."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2]) >= (7, 1)


def _check_what_is_left(report, truth, skipped):
    """No more is missing, or under a wrong path, than runs of programs were skipped."""
    (process,) = [row for row in report.processes if row["pid"] == truth["pid"]]
    missing = truth["requests"]["count"] - process["requests"]["count"]
    astray = sum(abs(process["paths"][path]["count"] - row["count"])
                 for path, row in truth["paths"].items()) // 2
    fail_if([] if 0 <= missing <= missing + astray <= skipped else
            [f"{missing} requests are missing and {astray} have a wrong path: "
             f"{skipped} runs of programs were skipped"])


def _check(report):
    ((truth, _),) = report.matched()
    if truth["requests"]["count"] < LEAST_REQUESTS:
        raise Failure(f"only {truth['requests']['count']} requests: that proves little")
    skipped = report.json["cost"]["bpf_skipped"]
    if skipped and _kernel_skips_programs():
        _check_what_is_left(report, truth, skipped)
        return
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@each({"full": "full", "entry": "entry"})
def sixteen(context, depth):
    _check(context.measure([program("threads16"), "2"], depth))


@each({"full": "full"}, takes_long=True)
def sixteen_for_long(context, depth):
    _check(context.measure([program("threads16"), "20"], depth))

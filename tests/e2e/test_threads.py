# SPDX-License-Identifier: GPL-2.0-or-later
"""Many threads at once: exact, nothing lost, the books balance (issue 2, 'It holds when' 3)."""

import compare
from harness import Failure, each, fail_if, program

LEAST_REQUESTS = 10000


def _check(report):
    ((truth, _),) = report.matched()
    if truth["requests"]["count"] < LEAST_REQUESTS:
        raise Failure(f"only {truth['requests']['count']} requests: that proves little")
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))


@each({"full": "full", "entry": "entry"})
def sixteen(context, depth):
    _check(context.measure([program("threads16"), "2"], depth))


@each({"full": "full"}, takes_long=True)
def sixteen_for_long(context, depth):
    _check(context.measure([program("threads16"), "20"], depth))

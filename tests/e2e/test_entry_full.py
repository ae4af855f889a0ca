# SPDX-License-Identifier: GPL-2.0-or-later
"""Depth entry says of sizes and paths what depth full says (issue 2, 'It holds when' 2).

Each run is held against the truth of that very run: threaded programs do not repeat exactly.
"""

import compare
import workloads
from harness import each, fail_if, program


def _check(report, name):
    found = compare.truths(report) + compare.books(report) + compare.nothing_lost(report)
    found += compare.stale_slots(report)
    if name not in workloads.HAVE_ORPHANS:
        found += compare.no_orphans(report)
    return [f"at {report.depth}: {line}" for line in found]


def _rows(table):
    return {name: (name, command) for name, command in table.items()}


@each(_rows(workloads.exact()))
def entry(context, row):
    """That depth full agrees with the same truth, exact.full tests."""
    name, command = row
    fail_if(_check(context.measure(command, "entry"), name))


@each(_rows(workloads.adversaries()))
def both(context, row):
    name, command = row
    one, other = context.measure(command, "entry"), context.measure(command, "full")
    found = _check(one, name) + _check(other, name)
    if any(truth.get("partial") for truth in other.truths):
        # what it does not know of itself, the two depths can still agree on
        ((_, at_entry),) = one.matched()
        ((_, at_full),) = other.matched()
        found += compare.same_requests(at_entry, at_full)
    fail_if(found)


@each({name: [program("calls"), *workloads.CALLS[name].split()] for name in ("edges", "lifo")})
def kernel(context, command):
    """Depth kernel has no requests, and says so; its growth is the truth's."""
    report = context.measure(command, "kernel")
    fail_if(compare.truths(report) + compare.books(report) + compare.nothing_lost(report))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Two profilers at once: another's return probes must not spoil entry-only inference."""

import signal

from compare import books, no_orphans, nothing_lost, truths
from harness import ALLOCPATH, fail_if, program, test


@test
def entry_beside_full(context):
    """While another run has return probes in the process, its slots hold trampolines."""
    other = context.start(
        [ALLOCPATH, "hist", "--json", "-o", context.file("other.json"), "--probes", "full",
         "-n", "calls"]
    )
    bystander = context.start(["sleep", "60"])
    context.wait_attached(other, bystander.pid, "full")
    operations = ["m:100", "m:200000", "r:1:400000", "m:100000x30", "c:3:70000", "f:0-10"]
    report = context.measure([program("calls"), *operations], depth="entry")
    other.send_signal(signal.SIGINT)
    context.finish(other)
    fail_if(books(report) + nothing_lost(report) + truths(report) + no_orphans(report))

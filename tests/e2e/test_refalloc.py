# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference allocator by itself: its rules, its checks, its ledger."""

import os

from harness import BUILD, each, program

LIBRARY = os.path.join(BUILD, "librefalloc.so")
WALKED = os.path.join(BUILD, "walked", "librefalloc.so") # the same, and the walk of its heap
POLICIES = {policy: policy for policy in ("hybrid", "brk", "mmap")}


def environment(*options):
    return {"LD_PRELOAD": WALKED, "REFALLOC": ",".join(options)}


def _stress(context, policy, threads, steps):
    context.run([program("refalloc_stress"), threads, steps, os.getpid()],
                environment=environment(f"policy={policy}"))


@each(POLICIES)
def stress(context, policy):
    """Random calls with contents checked; one thread has its heap walked after every step."""
    _stress(context, policy, 1, 3000)
    _stress(context, policy, 4, 5000)


@each(POLICIES, takes_long=True)
def much_stress(context, policy):
    _stress(context, policy, 1, 50000)
    _stress(context, policy, 16, 50000)

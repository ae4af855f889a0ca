#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF programs as this kernel loads them: instructions, those that the verifier walks, run time.

With the switches that make the most of them (tests/e2e/test_object.py), while a program asks for
memory. As root.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import harness  # noqa: E402
import loaded  # noqa: E402


def main():
    context = harness.Context()
    try:
        rows = loaded.programs(context)
    finally:
        context.close()
    print("instructions   verified      runs   ns a run  program")
    for name, row in sorted(rows.items(), key=lambda item: -item[1].verified):
        run = f"{row.run_ns / row.runs:10.0f}" if row.runs else f"{'-':>10}"
        print(f"{row.instructions:12} {row.verified:10} {row.runs:9} {run}  {name}")


main()

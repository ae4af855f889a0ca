#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the end-to-end tests: run.py [--list] [PART OF A NAME...]

A line a test: "ok NAME 1.2s", "not ok NAME" with what is wrong below it, or "skip NAME why". Ends
with the counts; exit 1 if a test failed. LONG=1: also what takes longer. O: the build directory,
ALLOCPATH: the program. Needs root; writes nothing outside a temp directory.
"""

import contextlib
import glob
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402


def load_tests():
    here = os.path.dirname(os.path.abspath(__file__))
    for path in sorted(glob.glob(os.path.join(here, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[: -len(".py")])
    return harness.tests


def why_impossible():
    if os.geteuid():
        return "the tests need root"
    if not os.access(harness.ALLOCPATH, os.X_OK):
        return f"{harness.ALLOCPATH} is not there: make"
    if not os.access(harness.program("calls"), os.X_OK):
        return f"{harness.PROGRAMS} has no programs: make programs"
    return None


def run_one(test):
    """Prints the test's line and returns which of the three it was."""
    context = harness.Context()
    begin = time.monotonic()
    why = None
    try:
        test.run(context)
    except harness.Skip as skip:
        print(f"skip {test.name} {skip}", flush=True)
        return "skipped"
    except harness.Failure as failure:
        why = failure.lines
    except Exception:  # pylint: disable=broad-except
        # a report that lacks a key is a failure of one test, not of the run
        why = traceback.format_exc().splitlines()
    finally:
        context.close()
    if why is None:
        print(f"ok {test.name} {time.monotonic() - begin:.1f}s", flush=True)
        return "passed"
    print(f"not ok {test.name}")
    print("".join(f"    {line}\n" for line in why), end="", flush=True)
    return "failed"


@contextlib.contextmanager
def runnable_by_others():
    """Where others may not go to the build directory, the tests run copies where they may."""
    if not shutil.which("setpriv"):  # as in the guests of tests/kernels
        yield
        return
    setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if not subprocess.run([*setpriv, "test", "-x", harness.ALLOCPATH], check=False).returncode:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="allocpath-program.") as public:
        os.chmod(public, 0o755)
        built = os.path.dirname(harness.ALLOCPATH)
        for name in os.listdir(built):
            if name.startswith("allocpath-experiment") or name == "librefalloc.so":
                shutil.copy(os.path.join(built, name), public)
        harness.ALLOCPATH = shutil.copy(harness.ALLOCPATH, public)
        harness.PROGRAMS = shutil.copytree(harness.PROGRAMS, os.path.join(public, "programs"))
        yield


def main(arguments):
    tests = load_tests()
    words = [word for word in arguments if not word.startswith("-")]
    chosen = [
        test
        for test in tests
        if (not words or any(word in test.name for word in words))
        and (not test.takes_long or os.environ.get("LONG"))
    ]
    if "--list" in arguments:
        print("".join(f"{test.name}\n" for test in chosen), end="")
        return 0
    impossible = why_impossible()
    if impossible:
        print(f"not ok e2e\n    {impossible}")
        return 1
    harness.become_subreaper()
    # as an exception, so that every "finally" ends its processes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with runnable_by_others():
        for test in chosen:
            counts[run_one(test)] += 1
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

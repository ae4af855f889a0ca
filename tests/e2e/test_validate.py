# SPDX-License-Identifier: GPL-2.0-or-later
"""allocpath validate: every claim as its rule says, and a wrong expectation is noticed."""

import glob
import json
import os
import shutil
import signal
import time

import harness
from harness import Failure, each, fail_if, test


def _validate(context, *words, status=0, program=None):
    output = context.file("validate.json")
    tool = context.start([program or harness.ALLOCPATH, "validate", "--json", "-o", output, *words])
    ended = context.finish(tool)
    if ended != status:
        raise Failure(f"validate {' '.join(words)} ended with {ended}, not {status}",
                      *context.stderr_of(tool).splitlines()[-10:])
    with open(output, encoding="utf-8") as report:
        return json.load(report)["claims"]


def _unexpected(claims):
    return [f"{claim['allocator']} {claim['id']}: expected {claim['expected']}, measured "
            f"{claim['measured']}" for claim in claims if not claim["as_expected"]]


# What malloc.md says of the statements: these three are imprecise.
DIFFER = {3, 6, 9}


@test
def glibc(context):
    """All twelve, with the verdicts that they have with a glibc from 2.30 to 2.41."""
    claims = _validate(context)
    wrong = _unexpected(claims)
    if [claim["id"] for claim in claims] != list(range(1, 13)):
        wrong.append(f"claims {[claim['id'] for claim in claims]}")
    for claim in claims:
        verdict = "differs" if claim["id"] in DIFFER else "holds"
        if claim["verdict"] != verdict:
            wrong.append(f"claim {claim['id']} {claim['verdict']}: {claim['measured']}")
    fail_if(wrong)


def _wrong_of(expected):
    """A value that does not meet the relation that "expected" stands for."""
    if isinstance(expected, int):
        return expected + 1
    return 0 if expected.startswith("<=") else 1 << 50


def _wrong_expectations(context, number):
    """Each expectation of a claim, changed: each is noticed, and is the status."""
    (right,) = _validate(context, str(number))
    wrong = [] if right["as_expected"] else [f"claim {number} is not as expected"]
    for key, expected in right["expected"].items():
        (claim,) = _validate(context, str(number), "--expect",
                             f"{number}.{key}={_wrong_of(expected)}", status=1)
        if claim["as_expected"]:
            wrong.append(f"claim {number}: {key} may be anything")
    if len(right["expected"]) < 2:
        wrong.append(f"claim {number} has {len(right['expected'])} expectations")
    fail_if(wrong)


@test
def wrong_expectations(context):
    """One claim's; the others' take longer."""
    _wrong_expectations(context, 5)


@each({str(number): number for number in range(1, 13)}, takes_long=True)
def each_wrong_expectation(context, number):
    """Those of each claim."""
    _wrong_expectations(context, number)


@each({"reference": 3})
def allocator(context, number):
    """The reference allocator under each policy."""
    claims = _validate(context, "--allocator", "reference", "2", "3")
    wrong = _unexpected(claims)
    if len(claims) != 2 * number:
        wrong.append(f"{len(claims)} results")
    wrong += [f"{claim['allocator']} {claim['id']} is not measured: {claim['why']}"
              for claim in claims if claim["verdict"] == "unmeasured"]
    fail_if(wrong)


@test(takes_long=True)
def all_allocators(context):
    """Every allocator that is here, every claim that is about it."""
    claims = _validate(context, "--allocator", "all")
    wrong = _unexpected(claims)
    allocators = dict.fromkeys(claim["allocator"] for claim in claims)
    if len(allocators) != 8 or len(claims) != 96:
        wrong.append(f"{len(claims)} results of {list(allocators)}")
    measured = [claim for claim in claims if claim["verdict"] != "unmeasured"]
    if len(measured) < 12 + 7 * 4:
        wrong.append(f"{len(measured)} measured")
    fail_if(wrong)


@test
def installed(context):
    """From where make install puts it, without the build tree."""
    prefix = context.file("prefix")
    for name, place in (("allocpath", "bin"), ("allocpath-experiment", "libexec/allocpath")):
        os.makedirs(os.path.join(prefix, place))
        shutil.copy(os.path.join(harness.BUILD, name), os.path.join(prefix, place, name))
    claims = _validate(context, "2", program=os.path.join(prefix, "bin", "allocpath"))
    fail_if(_unexpected(claims))


@test
def experiments_are_missing(context):
    """Without its programs it says so, and what to do."""
    alone = context.file("allocpath")
    shutil.copy(harness.ALLOCPATH, alone)
    tool = context.start([alone, "validate", "2"])
    if context.finish(tool) != 1 or "run make" not in context.stderr_of(tool):
        raise Failure(context.stderr_of(tool))


@each({"number": ["13"], "name": ["heap"], "allocator": ["--allocator", "nothing"],
       "expect": ["--expect", "5"]})
def usage(context, words):
    """Wrong words: one line and status 2."""
    tool = context.start([harness.ALLOCPATH, "validate", *words])
    ended = context.finish(tool)
    if ended != 2 or len(context.stderr_of(tool).splitlines()) != 1:
        raise Failure(f"ended with {ended}", context.stderr_of(tool))


CLAIM = {
    "id": int, "name": str, "allocator": str, "says": str, "expected": dict, "measured": dict,
    "as_expected": bool, "verdict": str, "why": str,
}


@test
def schema(context):
    """The document has the fields of schema 1, and no others."""
    output = context.file("validate.json")
    context.finish(context.start([harness.ALLOCPATH, "validate", "--json", "-o", output, "2", "9"]))
    with open(output, encoding="utf-8") as report:
        document = json.load(report)
    wrong = harness.unlike({"schema": int, "host": dict, "claims": list}, document)
    wrong += harness.unlike({"kernel": str, "libc": str}, document["host"])
    for claim in document["claims"]:
        wrong += harness.unlike(CLAIM, claim)
        wrong += [f"{key}: {value!r}" for key, value in claim["measured"].items()
                  if not isinstance(value, int)]
        if claim["verdict"] not in ("holds", "differs", "unmeasured"):
            wrong.append(claim["verdict"])
    if document["schema"] != 1 or [claim["id"] for claim in document["claims"]] != [2, 9]:
        wrong.append(f"{document['schema']}, {len(document['claims'])} claims")
    fail_if(wrong)


@test
def interrupted(context):
    """Ctrl-C: what was measured is told, what was not is said to be, and nothing is left."""
    before = set(glob.glob("/tmp/allocpath-??????"))
    output = context.file("validate.json")
    tool = context.start([harness.ALLOCPATH, "validate", "--json", "--allocator", "all", "-o",
                          output])
    time.sleep(0.8)
    tool.send_signal(signal.SIGINT)
    ended = context.finish(tool)
    with open(output, encoding="utf-8") as report:
        claims = json.load(report)["claims"]
    wrong = _unexpected(claims)
    nr_missed = sum("signal" in claim["why"] for claim in claims)
    if ended != 1 or "a signal came before all was measured" not in context.stderr_of(tool):
        wrong.append(f"ended with {ended}: {context.stderr_of(tool)}")
    if len(claims) != 96 or nr_missed < 12 or nr_missed % 12:
        wrong.append(f"{len(claims)} results, {nr_missed} missed")
    wrong += [f"{path} is left" for path in set(glob.glob("/tmp/allocpath-??????")) - before]
    fail_if(wrong)


@test
def closed_pipe(context):
    """The same line as of any report that cannot be written."""
    reader, writer = os.pipe()
    os.close(reader)
    tool = context.start([harness.ALLOCPATH, "validate", "9"], stdout=writer)
    os.close(writer)
    if context.finish(tool) != 1 or "cannot be written" not in context.stderr_of(tool):
        raise Failure(f"ended with {tool.returncode}", context.stderr_of(tool))

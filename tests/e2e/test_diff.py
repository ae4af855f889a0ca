# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences of two recordings: what changed is found under its name, and nothing else is."""

import gzip
import json
import os
import xml.etree.ElementTree

import harness
from harness import Failure, each, fail_if, program, test

SVG = "{http://www.w3.org/2000/svg}"
SHARES = ("20000", "20000", "2000")


def _record(context, name, command, *options):
    path = context.file(name)
    process = context.start([harness.ALLOCPATH, "record", "-o", path, *options, "--", *command])
    if context.finish(process):
        raise Failure(f"record ended with {process.returncode}", context.stderr_of(process))
    return path


def _shares(context, name, shares, *options):
    return _record(context, name, [program("shares"), *shares], *options)


def _run(context, *arguments):
    """The status, and what was said on stdout and stderr."""
    out = context.file("out")
    with open(out, "wb") as stdout:
        process = context.start([harness.ALLOCPATH, "diff", *arguments], stdout=stdout)
        status = context.finish(process)
    with open(out, encoding="utf-8") as file:
        return status, file.read(), context.stderr_of(process)


def _diff(context, *arguments):
    status, out, said = _run(context, *arguments, "--json")
    if status:
        raise Failure(f"diff ended with {status}", said)
    return json.loads(out)


def _significant(document):
    return [row for row in document["rows"] if row["verdict"] == "significant"]


def _name(row):
    return " < ".join(row.get("frames", [])) or row.get("path") or str(row.get("min", "process"))


@each({
    "counted": ("bytes",), "sampled": ("bytes", "--sample-bytes", "16K"),
    "requests": ("count", "--sample-bytes", "16K"), "faults": ("faults",),
    "touched": ("touched",), "kernel": ("brk", "--probes", "kernel"),
    "no_stacks": ("bytes", "--no-stacks"),
})
def same_program(context, row):
    """Twice the same: nothing significant; sampled stacks do differ, and say that it means nothing."""
    value, *options = row
    a, b = (_shares(context, name, SHARES, *options) for name in ("a.pb.gz", "b.pb.gz"))
    document = _diff(context, a, b, "--by", value)
    wrong = [f"{_name(row)}: {row}" for row in _significant(document)]
    if "--sample-bytes" in options:
        noise = [row for row in document["rows"] if row["verdict"] == "not significant"]
        if not noise:
            wrong.append("two samples are the same")
        # What no sample is of is no estimate and has no interval.
        rest = [row for row in noise if row.get("frames") == ["[not sampled]"]]
        wrong += [f"{_name(row)}: {row}" for row in rest
                  if row["low"] is not None or row["high"] is not None]
        wrong += [f"{_name(row)}: {row}" for row in noise if row not in rest
                  and (row["exact"] or not row["low"] < 0 < row["high"])]
    elif value == "bytes" and document["total"]["change"]:
        wrong.append(f"the program asks for {document['total']['change']} bytes more")
    fail_if(wrong)


@each({
    "counted": (("20000", "22000", "2000"), 10),
    "sampled": (("20000", "30000", "2000"), 50, "--sample-bytes", "4K"),
    "sampled_otherwise": (("20000", "30000", "2000"), 50, "--sample-bytes", "2K"),
    "gone": (("20000", "0", "2000"), -100),
})
def change_is_found(context, row):
    """One function asks for more: its stack is significant, others are not."""
    shares, percent, *options = row
    sampled = ["--sample-bytes", "4K"] if options else []
    a = _shares(context, "a.pb.gz", SHARES, *sampled)
    b = _shares(context, "b.pb.gz", shares, *options)
    document = _diff(context, a, b)
    stacks = [row for row in _significant(document) if row["kind"] == "stack"]
    wrong = [f"{_name(row)}: {row}" for row in stacks if "add_row" not in row["frames"]]
    if len(stacks) - len(wrong) != 1:
        raise Failure("add_row is not found", json.dumps(document["rows"]))
    (found,) = (row for row in stacks if "add_row" in row["frames"])
    truth = 20000 * 1000 * percent / 100
    if not found["low"] <= truth <= found["high"] or found["frames"][:3] != ["ask", "add_row",
                                                                            "repeat"]:
        wrong.append(f"{truth} is the truth: {found}")
    if document["total"]["change"] != truth:
        wrong.append(f"the whole changed by {document['total']['change']}, not {truth}")
    if not sampled and found["change"] != truth:
        wrong.append(f"counted: {found['change']} is not {truth}")
    fail_if(wrong)


@test
def per_second(context):
    """Each over its own duration, as the document has them."""
    a, b = (_shares(context, name, SHARES) for name in ("a.pb.gz", "b.pb.gz"))
    plain, rates = _diff(context, a, b), _diff(context, a, b, "--per-second")
    wrong = []
    for side in "ab":
        wanted = plain["total"][side] / plain[side]["duration_s"]
        if abs(rates["total"][side] - wanted) > 1e-6 * wanted:
            wrong.append(f"{side}: {rates['total'][side]}, not {wanted}")
    fail_if(wrong)


@test
def text_and_picture(context):
    """The text names what changed with its callers; the picture colours it, and only that."""
    a = _shares(context, "a.pb.gz", SHARES)
    b = _shares(context, "b.pb.gz", ("20000", "30000", "2000"))
    status, out, said = _run(context, a, b)
    wrong = [] if not status else [f"ended with {status}: {said}"]
    for words in ("ask < add_row < repeat < main", "+50.0 %", "significant", "+9.54 MiB"):
        if words not in out:
            wrong.append(f"no '{words}' in the text")
    picture = context.file("diff.svg")
    status, _, said = _run(context, a, b, "-o", picture, "--min-width", "0")
    if status:
        raise Failure(f"diff -o ended with {status}", said)
    frames = {frame.get("data-n"): frame for frame in
              xml.etree.ElementTree.parse(picture).getroot().findall(f".//{SVG}g[@data-d]")}
    colours = {name: frame.get("class") for name, frame in frames.items()}
    if colours.get("add_row") != "f more3" or colours.get("read_line") != "f same":
        wrong.append(f"colours: {colours}")
    told = frames["add_row"].find(f"{SVG}title").text
    if "A 19.1 MiB, B 28.6 MiB: +9.54 MiB (+50.0 %)" not in told:
        wrong.append(f"the tooltip says {told}")
    fail_if(wrong, out)


@test
def refusals(context):
    """One line says what cannot be compared, and nothing is written."""
    a = _shares(context, "a.pb.gz", SHARES)
    plain = _shares(context, "plain.pb.gz", SHARES, "--no-stacks")
    kernel = _shares(context, "kernel.pb.gz", SHARES, "--probes", "kernel")
    other, newer, cut = (context.file(name) for name in ("other", "newer", "cut"))
    with open(other, "wb") as file:
        file.write(b"no recording at all")
    with gzip.open(newer, "wb") as file:  # field 1000, with a version of 99
        file.write(b"\xc2\x3e\x02\x08\x63")
    with open(a, "rb") as whole, open(cut, "wb") as file:
        file.write(whole.read()[:-200])
    link = context.file("link.pb.gz")
    os.symlink(a, link)
    picture = context.file("x.svg")
    wrong = []
    for arguments, status, words in (
            ([a], 2, "two recordings"), ([a, plain, a], 2, "two recordings"),
            ([a, a], 2, "one file"), ([a, link], 2, "one file"),
            ([a, plain, "--by", "size"], 2, "no such value"),
            ([a, "/nonexistent"], 1, "cannot read /nonexistent"),
            ([a, os.path.dirname(a)], 1, "cannot read"),
            ([a, other], 1, "no recording"), ([other, a], 1, "no recording"),
            ([a, newer], 1, "version 99"), ([a, cut], 1, "cut short"),
            ([a, kernel], 1, "has no requests"),
            ([a, plain, "-o", picture], 1, "no stacks"),
            ([a, plain, "-o", "/dev/full"], 1, "/dev/full"),
            ([a, plain, "--json", "-o", "/dev/full"], 1, "/dev/full"),
            ([a, plain, "-o", "/nonexistent/x.svg"], 1, "no stacks"),
    ):
        ended, out, said = _run(context, *arguments)
        if ended != status or words not in said or len(said.splitlines()) != 1 or out:
            wrong.append(f"{arguments}: {ended}, not {status}: {said} {out[:200]}")
    if os.path.exists(picture):
        wrong.append("a picture of nothing was written")
    fail_if(wrong)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Budgets: what windows estimate, against programs that count themselves."""

import json
import signal
import time

import harness
import leftovers
import libc_copy
from harness import Failure, each, fail_if, program, test
from workloads import text_check

LARGE = 1000  # bytes


def _paced(context, work_us, seconds, *options, view="hist"):
    """A self-counting program, measured. (its process in the JSON, its truth, the document)"""
    output, said = context.file("output"), context.file("stdout")
    words = [harness.ALLOCPATH, view, "-o", output, *options]
    with open(said, "wb") as stdout:
        tool = context.start([*words, *(["--json"] if view == "hist" else []), "--",
                              program("paced"), work_us, seconds], stdout=stdout)
        if context.finish(tool, 120):
            raise Failure(f"exit status {tool.returncode}", context.stderr_of(tool))
    with open(said, encoding="utf-8") as file:
        truth = json.load(file)
    if view == "record":
        read = context.file("json")
        context.run([harness.ALLOCPATH, "hist", "-i", output, "--json", "-o", read])
        output = read
    with open(output, encoding="utf-8") as file:
        document = json.load(file)
    (process,) = [row for row in document["processes"] if row["comm"] == "paced"]
    return process, truth, document


def _check_total(process, truth, slack, edges=0.0):
    """In the interval, stretched about its middle by slack, or above the bound.

    edges: share of the time in which probes are attached or detached. A program works slower then,
    which at the few percent of a real budget nobody sees.
    """
    requests = process["requests"]
    if requests["counted"] > truth:
        return [f"{requests['counted']} in windows, of {truth}"]
    if requests["at_least"]:
        wrong = requests["count"] > truth or requests["count_ci95"]
        return [f"{truth} is not above {requests}"] if wrong else []
    if not requests["count_ci95"]:
        return [f"no interval: {requests}"]
    low, high = requests["count_ci95"]
    middle, half = (low + high) / 2, (high - low) / 2 * slack + edges * truth
    inside = middle - half <= truth <= middle + half
    return [] if inside else [f"{truth} is not in {slack} times {requests}"]


def _check_share(process, slack):
    if process["requests"]["at_least"]:
        return []
    (row,) = [row for row in process["sizes"] if row["min"] <= LARGE <= row["max"]]
    if not row["share_ci95"]:
        return [] if 0.2 < row["share"] < 0.3 else [f"{row}"]
    low, high = row["share_ci95"]
    middle, half = (low + high) / 2, (high - low) / 2 * slack + 0.01
    return [] if middle - half <= 0.25 <= middle + half else [f"a quarter is not in {row}"]


def _balance(document):
    return [f"ledger.{kind}: {row}" for kind, row in document["ledger"].items()
            if row["seen"] != row["recorded"] + row["filtered"] + row["sampled_out"] + row["lost"]]


def _check_document(document, process):
    found = _balance(document)
    budget = document["budget"]
    lost = document["lost"]["total"] - document["lost"]["open_at_end"]
    if lost or document["lost"]["open_at_end"] > budget["windows"]:
        found.append(f"lost: {document['lost']}")
    if not 0 < document["coverage"] < budget["percent"] / 100:
        found.append(f"coverage {document['coverage']}: {budget}")
    sums = {key: sum(row[key] for row in process["sizes"]) for key in ("count", "bytes")}
    paths = {key: sum(row[key] for row in process["paths"].values()) for key in ("count", "bytes")}
    whole = {key: process["requests"][key] for key in ("count", "bytes")}
    if not sums == paths == whole:
        found.append(f"sizes {sums}, paths {paths}, requests {whole}")
    return found


# At a fifth of the time, so that enough windows come in a few seconds.
@each({"hist": "hist", "record": "record"})
def estimates(context, view):
    """Near the truth; where there is an interval, in it: thrice as wide, not to fail by chance."""
    process, truth, document = _paced(context, 50, 7, "--budget", "20%", view=view)
    requests, windows = process["requests"], document["budget"]["windows"]
    found = _check_document(document, process) + _check_share(process, 3)
    if requests["at_least"] or not 0.8 < requests["count"] / truth["requests"] < 1.25:
        found.append(f"{truth['requests']}, not {requests}")
    if requests["count_ci95"] and windows < 60:
        found.append(f"an interval from {windows} windows: {requests}")
    if requests["count_ci95"]:
        found += _check_total(process, truth["requests"], 3, edges=0.1)
    fail_if(found)


@test
def bound(context):
    """A loop that does nothing else: far more than windows can see, and said to be."""
    process, truth, document = _paced(context, 0, 3, "--budget", "30%")
    found = _check_document(document, process)
    if not process["requests"]["at_least"]:
        found.append(f"no bound: {process['requests']}")
    fail_if(found + _check_total(process, truth["requests"], 1))


@test
def whole_host(context):
    """The default on the whole host: windows, an exact kernel side, nothing left attached."""
    target = text_check(context, environment=libc_copy.copy(context))
    with leftovers.nothing_attached():
        tool = context.start_tool("-a")
        looks = sum(bool(harness.changed_text(target.pid)) for _ in range(20))
        time.sleep(2)
        report = context.end_tool(tool, "entry", with_signal=signal.SIGINT)
    (process,) = report.processes_of(target.pid)
    found = _balance(report.json)
    if not 0.9 < report.json["budget"]["percent"] < 1.1 or report.json["cost"]["detached"]:
        found.append(f"{report.json['budget']}, {report.json['cost']}")
    if looks > 10:
        found.append(f"probes stood in {looks} of 20 looks")
    if process["syscalls"]["mmap"]["calls"] and not process["faults"]["total"]:
        found.append(f"no kernel side: {process}")
    fail_if(found)


def _ns_of_a_request(truth):
    return 1e9 * truth["cpu_s"] / truth["requests"]


@each({"entry": "entry", "full": "full"})
def a_trap_costs_what_is_said(context, depth):
    """With the program in it: within a fifth of what the probed program loses, in one of three."""
    ratios = []
    for _ in range(3):
        said = context.file("alone")
        with open(said, "wb") as stdout:
            context.run([program("paced"), 0, 1], stdout=stdout)
        (alone,) = harness.documents(said)
        process, truth, document = _paced(context, 0, 1, "--probes", depth)
        cost = document["cost"]
        lost = ((_ns_of_a_request(truth) - _ns_of_a_request(alone))
                * process["requests"]["count"] / cost["traps"])
        ratios.append(cost["trap_ns"] / lost)
        if 0.8 < ratios[-1] < 1.25:
            return
    raise Failure(f"the cost that is said is {ratios} of what was lost")


# microseconds of work behind each request
WORKS = [0, 0.1, 0.3, 1, 3, 5, 10, 20, 50, 100]


@each({f"{work}_us": work for work in WORKS}, takes_long=True)
def live(context, work):
    """At ten work lengths: the truth is in the interval, or the figure is a bound."""
    process, truth, document = _paced(context, work, 60, "--budget", "3%")
    found = _check_document(document, process)
    print(f"    {work} us: {truth['requests']}, windows {process['requests']}")
    requests = process["requests"]
    if not requests["at_least"] and not requests["count_ci95"]:
        raise harness.Skip(f"no interval, the host is busy: {requests}")
    fail_if(found + _check_total(process, truth["requests"], 1.5) + _check_share(process, 1.5))

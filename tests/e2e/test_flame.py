# SPDX-License-Identifier: GPL-2.0-or-later
"""Flame: sums are the program's own, names are right, pictures open and can be worked with."""

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import harness
from harness import Failure, each, fail_if, need, parse_truths, program, test

SVG = "{http://www.w3.org/2000/svg}"
WORK = [program("calls"), *"m:100x1000 m:200000x3 c:7x11".split()]

# Appended to a picture: uses it as a person does, and leaves what it saw in the root's attributes.
USER = """
<script><![CDATA[
(function () {
	const svg = document.documentElement;
	const frames = Array.from(svg.querySelectorAll(".f"));
	const shown = () => frames.filter((frame) => !frame.classList.contains("gone")).length;
	const key = (name, target) => (target || svg).dispatchEvent(
		new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
	const narrow = frames[frames.length - 1];
	svg.dataset.before = shown();
	narrow.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
	svg.dataset.told = document.getElementById("status").textContent;
	narrow.dispatchEvent(new MouseEvent("click", { bubbles: true }));
	svg.dataset.zoomed = shown();
	svg.dataset.width = narrow.querySelector("rect").getAttribute("width");
	key("Escape");
	svg.dataset.reset = shown();
	const input = document.getElementById("search");
	input.value = "SEARCHED";
	input.dispatchEvent(new Event("input", { bubbles: true }));
	svg.dataset.found = svg.dataset.matched;
	svg.dataset.hits = svg.querySelectorAll(".hit").length;
	svg.dataset.share = document.getElementById("status").textContent;
	key("Escape");
	key("ArrowDown", frames[0]);
	svg.dataset.focused = document.activeElement.dataset ? document.activeElement.dataset.d : "";
})();
]]></script>
</svg>
"""


def _flame(context, name, command, *options):
    """The file that it wrote, and what the program said."""
    path = context.file(name)
    process = context.start([harness.ALLOCPATH, "flame", "-o", path, *options, "--", *command])
    if context.finish(process):
        raise Failure(f"flame ended with {process.returncode}", context.stderr_of(process))
    return path, context.stderr_of(process)


def _folded(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            stack, value = line.rsplit(" ", 1)
            rows.append((stack.split(";"), int(value)))
    return rows


@each({value: value for value in ("bytes", "count")})
def sums_are_the_programs(context, value):
    path, said = _flame(context, "calls.folded", WORK, "--by", value)
    (truth,) = parse_truths(said)
    total, wanted = sum(row[1] for row in _folded(path)), truth["requests"][value]
    fail_if([] if total == wanted else [f"{total} {value}, the program made {wanted}"])


@test
def names_and_leaves(context):
    """Functions by name from the root on; the allocator's own are folded away unless asked for."""
    path, _ = _flame(context, "stacks.folded", [program("stacks"), program("libstacks.so")])
    stacks = [stack for stack, _ in _folded(path)]
    wrong = []
    if not any(stack[-5:] == ["main", "chain_a", "chain_b", "chain_c", "ask"] for stack in stacks):
        wrong.append("no chain from main to ask")
    wrong += [f"malloc is innermost in {stack}" for stack in stacks if stack[-1] == "malloc"]
    path, _ = _flame(context, "whole.folded", [program("stacks"), program("libstacks.so")],
                     "--keep-allocator")
    if not any(stack[-1] == "malloc" for stack, _ in _folded(path)):
        wrong.append("malloc is not kept")
    path, _ = _flame(context, "reverse.folded", [program("stacks"), program("libstacks.so")],
                     "--reverse")
    if not any(stack[1:6] == ["ask", "chain_c", "chain_b", "chain_a", "main"]
               for stack, _ in _folded(path)):
        wrong.append("no chain from ask to main in reverse")
    fail_if(wrong, *(";".join(stack) for stack in stacks[:20]))


@test
def picture_of_each_process(context):
    """One picture of all, one of each process: XML, with widths that add up."""
    directory = context.file("pictures")
    script = f"{WORK[0]} m:100x1000; {WORK[0]} m:5000x10"
    path, _ = _flame(context, "all.svg", ["sh", "-c", script], "--per-process", directory,
                     "--min-width", "0")
    wrong = []
    for file in [path, *(os.path.join(directory, name) for name in os.listdir(directory))]:
        root = xml.etree.ElementTree.parse(file).getroot()
        frames = root.findall(f".//{SVG}g[@data-d]")
        at_process = [int(frame.get("data-v")) for frame in frames if frame.get("data-d") == "1"]
        if sum(at_process) != int(root.get("data-total")):
            wrong.append(f"{file}: processes have {at_process} of {root.get('data-total')}")
    if len(os.listdir(directory)) < 3:
        wrong.append(f"pictures of {os.listdir(directory)}")
    fail_if(wrong)


@each({
    "by": (["--by", "size", "--", "true"], 2, "no such value"),
    "by_at_kernel": (["--probes", "kernel", "--", "true"], 2, "does not see"),
    "width": (["--min-width", "wide", "--", "true"], 2, "not a share"),
    "directory": (["-o", "/dev/null", "--per-process", "/proc/x", "--", "true"], 125, "directory"),
})
def usage(context, row):
    arguments, status, words = row
    process = context.start([harness.ALLOCPATH, "flame", *arguments])
    ended, said = context.finish(process), context.stderr_of(process)
    if ended != status or words not in said or len(said.splitlines()) != 1:
        raise Failure(f"ended with {ended}, not {status}", said)


@test(takes_long=True)
def in_a_browser(context):
    """Zoom, search with its share, what the pointer tells, keys."""
    need("chromium")
    path, _ = _flame(context, "stacks.svg", [program("stacks"), program("libstacks.so")],
                     "--min-width", "0")
    with open(path, encoding="utf-8") as file:
        picture = file.read()
    used = context.file("used.svg")
    with open(used, "w", encoding="utf-8") as file:
        file.write(picture.replace("</svg>\n", "\0").rsplit("\0", 1)[0].replace("\0", "</svg>\n")
                   + USER.replace("SEARCHED", "^recursion$"))
    directory = context.file("chromium")
    shown = subprocess.run(
        [shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={directory}", "--dump-dom", f"file://{used}"],
        capture_output=True, text=True, check=False, timeout=60).stdout
    root = re.search(r"<svg [^>]*>", shown)
    if not root:
        raise Failure("the picture did not open", shown[:500])
    seen = dict(re.findall(r'data-(\w+)="([^"]*)"', root[0]))
    total = sum(int(value) for value in re.findall(r'data-d="1" data-v="(\d+)"', picture))
    frames = len(re.findall(r"<g class=\"f ", picture))
    wrong = []
    if int(seen["before"]) != frames or seen["reset"] != seen["before"]:
        wrong.append(f"{frames} frames, {seen['before']} shown, {seen['reset']} after Esc")
    if int(seen["zoomed"]) >= frames or seen["width"] != "100%":
        wrong.append(f"zoomed: {seen['zoomed']} frames, of which the chosen is {seen['width']}")
    if not 0 < int(seen["found"]) < total or int(seen["hits"]) < 11:
        wrong.append(f"search: {seen['hits']} frames with {seen['found']} of {total}")
    share = re.search(r"with ([\d.]+) % of the total", seen["share"])
    if not share or abs(float(share[1]) - 100 * int(seen["found"]) / total) > 0.1:
        wrong.append(f"search says {seen['share']}")
    if " %" not in seen["told"]:
        wrong.append(f"the pointer is told {seen['told']}")
    if seen["focused"] != "1":
        wrong.append(f"the down key goes to level {seen['focused']}")
    fail_if(wrong)

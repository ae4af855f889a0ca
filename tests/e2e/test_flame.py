# SPDX-License-Identifier: GPL-2.0-or-later
"""Flame: sums are the program's own, names are right, pictures open and can be worked with."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree
from contextlib import contextmanager

import harness
from harness import Failure, Skip, each, fail_if, need, parse_truths, program, test

SVG = "{http://www.w3.org/2000/svg}"
WORK = [program("calls"), *"m:100x1000 m:200000x3 c:7x11".split()]

# Appended to a picture: uses it as a person does, and leaves what it saw in the root's attributes.
USER = """
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
"""

# Chooses each frame in turn: it is as wide as the picture then, below all its callers, above all
# that it calls; nothing else is there.
EACH_FRAME = """
(function () {
	const svg = document.documentElement;
	const frames = Array.from(svg.querySelectorAll(".f"));
	const level = (frame) => Number(frame.dataset.d);
	const width = (frame) => frame.querySelector("rect").getBoundingClientRect().width;
	const whole = width(frames[0]);
	const wrong = [];
	frames.forEach((chosen, index) => {
		const wanted = new Set([chosen]);
		let above = level(chosen);
		for (let i = index - 1; i >= 0; i--)
			if (level(frames[i]) < above) {
				above = level(frames[i]);
				wanted.add(frames[i]);
			}
		const outer = wanted.size;
		for (let i = index + 1; i < frames.length && level(frames[i]) > level(chosen); i++)
			wanted.add(frames[i]);
		chosen.dispatchEvent(new MouseEvent("click", { bubbles: true }));
		const shown = frames.filter((frame) => getComputedStyle(frame).display !== "none");
		const missing = Array.from(wanted).filter((frame) => !shown.includes(frame));
		const narrow = Array.from(wanted).slice(0, outer).filter(
			(frame) => Math.abs(width(frame) - whole) > 0.5);
		if (missing.length || narrow.length || shown.length !== wanted.size || above !== 0)
			wrong.push(index + " " + chosen.dataset.n + ": " + shown.length + " shown, " +
				missing.length + " missing, " + narrow.length + " narrow");
	});
	svg.dataset.chosen = frames.length;
	svg.dataset.whole = whole;
	svg.dataset.wrong = wrong.slice(0, 5).join("; ");
})();
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


MIB = 1 << 20
# What tests/programs/origins.c touches of what each function asked for, and leaves untouched.
ORIGINS = {
    "ask_mapped": (8 * MIB // 2, 8 * MIB // 2),
    "ask_cleared": (4 * MIB, 0),
    "ask_heap": (40 * 100000, 0),
    "ask_unused": (0, 40 * 100000),
    "ask_small": (40000 * 80, 0),
}


def _by_asker(path):
    found = {}
    for stack, value in _folded(path):
        found[stack[-1]] = found.get(stack[-1], 0) + value
    return found


@each({"each": 0, "sampled": 65536})
def origins_of_touches(context, sample_bytes):
    """Pages are due to who asked for them, whoever touched them; sampled, they are estimates."""
    options = ["--sample-bytes", str(sample_bytes)]
    path, _ = _flame(context, "o.folded", [program("origins")], "--by", "touched-by-origin",
                     *options)
    touched = _by_asker(path)
    path, _ = _flame(context, "n.folded", [program("origins")], "--by", "never-touched", *options)
    never = _by_asker(path)
    # a page or two of each block are a header's or a neighbour's; of a sampled one also its like
    share = 0.35 if sample_bytes else 0.03
    wrong = []
    for asker, wanted in ORIGINS.items():
        for what, found, bytes_ in (("touched", touched, wanted[0]), ("never", never, wanted[1])):
            seen = found.get(asker, 0)
            if abs(seen - bytes_) > share * bytes_ + 2 * 40 * 4096:
                wrong.append(f"{asker}: {seen} bytes {what}, it is {bytes_}")
    wrong += [f"{asker} left nothing untouched, it is told of {never[asker]} bytes"
              for asker in ("ask_cleared", "ask_heap", "ask_small") if never.get(asker)]
    if "touch" in touched:
        wrong.append("what touches is told of as what asked")
    fail_if(wrong)


@test
def origins_add_up(context):
    """In a recording they are a value of their own, and add up to what was first touched."""
    need("go")
    recording = context.file("origins.pb.gz")
    process = context.start([harness.ALLOCPATH, "record", "--probes", "full", "-o", recording, "--",
                             program("origins")])
    if context.finish(process):
        raise Failure(f"record ended with {process.returncode}")
    totals = {}
    for by in ("touched", "touched-by-origin"):
        path = context.file(f"{by}.json")
        subprocess.run([harness.ALLOCPATH, "flame", "-i", recording, "--by", by, "-o", path],
                       check=True)
        with open(path, encoding="utf-8") as file:
            totals[by] = json.load(file)["value"]
    shown = subprocess.run(["go", "tool", "pprof", "-top", "-sample_index=touched_by_origin_space",
                            recording], capture_output=True, text=True, check=False).stdout
    wrong = [] if len(set(totals.values())) == 1 else [f"totals differ: {totals}"]
    if not re.search(r"ask_mapped", shown):
        wrong.append("pprof does not show ask_mapped")
    fail_if(wrong, shown)


@test
def origins_need_depth_full(context):
    recording = context.file("entry.pb.gz")
    subprocess.run([harness.ALLOCPATH, "record", "-o", recording, "--", *WORK], check=True,
                   capture_output=True)
    wrong = []
    for arguments, status, part in (
        (["-a", "-d", "1s"], 2, "--probes full"),
        (["--probes", "entry", "--", *WORK], 2, "--probes full"),
        (["-i", recording], 1, "was not recorded at --probes full"),
    ):
        done = subprocess.run([harness.ALLOCPATH, "flame", "--by", "never-touched", *arguments],
                              capture_output=True, text=True, check=False)
        lines = done.stderr.strip().splitlines()
        if done.returncode != status or len(lines) != 1 or part not in lines[0] or done.stdout:
            wrong.append(f"{arguments}: {done.returncode}, {done.stderr!r}")
    fail_if(wrong)


JIT_BYTES = 1000 * 1000  # of each process of tests/programs/jit.c


def _of_jit(stacks):
    """{process and innermost frame: bytes} of the code that a program made."""
    found = {}
    for stack, value in stacks:
        if stack[-2] == "run" and value >= JIT_BYTES:
            key = stack[0].split(" ")[0], stack[-1]
            found[key] = found.get(key, 0) + value
    return found


@each({how: how for how in ("leave", "remove", "apart")})
def perf_maps_are_kept(context, how):
    """Code that a program makes has its name when program and map are gone."""
    path, _ = _flame(context, "jit.folded", [program("jit"), how])
    stacks = _folded(path)
    if how == "leave":
        os.unlink(f"/tmp/perf-{re.search(r'jit .([0-9]+).;', ';'.join(stacks[0][0]))[1]}.map")
    if _of_jit(stacks) != {("jit", "made_at_run_time"): JIT_BYTES}:
        raise Failure("the code has no name", *(f"{';'.join(stack)} {n}" for stack, n in stacks))


@test
def perf_maps_are_each_processs_own(context):
    """Two have other code at one address; where they are one row it has neither's name."""
    recording = context.file("jit.pb.gz")
    process = context.start([harness.ALLOCPATH, "record", "-o", recording, "--", program("jit"),
                             "twice", "remove"])
    if context.finish(process):
        raise Failure(f"record ended with {process.returncode}")
    said = subprocess.run([harness.ALLOCPATH, "flame", "-i", recording], capture_output=True,
                          text=True, check=True)
    rows = [line.rsplit(" ", 1) for line in said.stdout.splitlines()]
    found = _of_jit([(stack.split(";"), int(value)) for stack, value in rows])
    wrong = []
    if found != {("jit", "one"): JIT_BYTES, ("jit", "two"): JIT_BYTES}:
        wrong.append(f"names are {found}")
    said = subprocess.run([harness.ALLOCPATH, "hist", "-i", recording, "--group-by", "comm",
                           "--stacks", "5"], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in said.stdout.splitlines()]
    if "one" in lines or "two" in lines or not any(line.startswith("[jit]+0x") for line in lines):
        wrong.append("of both together it has a name")
    fail_if(wrong, said.stdout)


READ_BYTES = 16 * MIB  # of tests/programs/faults.c read_into, into fresh memory


@contextmanager
def _hidden_addresses(hidden):
    """The kernel's addresses are nobody's to see."""
    path = "/proc/sys/kernel/kptr_restrict"
    if not hidden:
        yield
        return
    with open(path, encoding="ascii") as file:
        before = file.read()
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("2")
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


@each({"live": ("k.folded", False), "recorded": ("k.pb.gz", False), "hidden": ("k.folded", True)})
def kernel_frames(context, row):
    """Of a fault in read(2) the kernel's functions stand above those of the program, with -k."""
    name, hidden = row
    command = [program("faults"), "read_into", "/dev/null"]
    with _hidden_addresses(hidden):
        path, said = _flame(context, name, command, "-k", "--by", "touched", "--probes", "kernel")
    if name.endswith(".gz"):
        recording, path = path, context.file("read.folded")
        subprocess.run([harness.ALLOCPATH, "flame", "-i", recording, "--by", "touched", "-o", path],
                       check=True, timeout=60)
    wanted = ["[kernel]"] if hidden else ["ksys_read_[k]", "vfs_read_[k]"]
    wrong, found = [], 0
    for stack, value in _folded(path):
        kernel = [frame for frame in stack if frame.endswith("_[k]") or frame == "[kernel]"]
        if kernel and stack[-len(kernel):] != kernel:
            wrong.append(f"the kernel is not innermost in {';'.join(stack)}")
        at = len(stack) - len(kernel)
        if "read_into" not in stack[:at]:
            continue
        if stack[at - 1].lstrip("_").removeprefix("libc_") == "read":
            found += value
            wrong += [f"no {frame} in {';'.join(stack)}" for frame in wanted if frame not in kernel]
    # Where there are very many a second some stand for others.
    if not 0.9 * READ_BYTES < found < 1.1 * READ_BYTES:
        wrong.append(f"{found} bytes first touched in read(2), it was given {READ_BYTES}")
    told = said.count("kptr_restrict")
    if told != hidden:
        wrong.append(f"that names are hidden is said {told} times")
    fail_if(wrong)


@test
def kernel_frames_are_asked_for(context):
    path, _ = _flame(context, "plain.folded", [program("faults"), "read_into", "/dev/null"],
                     "--by", "touched", "--probes", "kernel")
    with open(path, encoding="utf-8") as file:
        fail_if(["frames of the kernel without -k"] if "[k" in file.read() else [])


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
def names_outlive_the_program(context):
    """A recording has them: another program at the same path later changes nothing."""
    copy = context.file("renamed")
    shutil.copy(program("stacks"), copy)
    path, _ = _flame(context, "kept.pb.gz", [copy])
    folded = context.file("before.folded"), context.file("after.folded")
    for file in folded:
        subprocess.run([harness.ALLOCPATH, "flame", "-i", path, "-o", file], check=True,
                       timeout=60)
        if os.path.exists(copy):
            os.unlink(copy)
            shutil.copy(program("calls"), copy + ".new")
            os.rename(copy + ".new", copy)
    before, after = (_folded(file) for file in folded)
    fail_if([] if before == after else ["names are others after a rebuild"],
            *(";".join(stack) for stack, _ in after[:20]))
    if not any(stack[-5:] == ["main", "chain_a", "chain_b", "chain_c", "ask"]
               for stack, _ in after):
        raise Failure("no chain from main to ask", *(";".join(stack) for stack, _ in after[:20]))


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
        drawn = {frame.find(f"{SVG}title").text for frame in frames}
        legend = {text.text for text in root.findall(f".//{SVG}text[@class='legend']")}
        wrong += [f"{file}: {name} is drawn, and not in the legend {legend}"
                  for name in ("calls", "libc.so.6")
                  if name not in legend and any(name in text for text in drawn)]
    if len(os.listdir(directory)) < 3:
        wrong.append(f"pictures of {os.listdir(directory)}")
    fail_if(wrong)


@each({
    "by": (["--by", "size", "--", "true"], 2, "no such value"),
    "by_at_kernel": (["--probes", "kernel", "--", "true"], 2, "does not see"),
    "kernel_frames": (["-k", "--", "true"], 2, "has none"),
    "width": (["--min-width", "wide", "--", "true"], 2, "not a share"),
    "directory": (["-o", "/dev/null", "--per-process", "/proc/x", "--", "true"], 125, "directory"),
})
def usage(context, row):
    arguments, status, words = row
    process = context.start([harness.ALLOCPATH, "flame", *arguments])
    ended, said = context.finish(process), context.stderr_of(process)
    if ended != status or words not in said or len(said.splitlines()) != 1:
        raise Failure(f"ended with {ended}, not {status}", said)


def _browse(context, *arguments):
    """The document at an address, once its scripts have run."""
    need("chromium")
    return subprocess.run(
        [shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={context.file('chromium')}", "--dump-dom", *arguments],
        capture_output=True, text=True, check=False, timeout=60).stdout


def _use(context, picture, script):
    """What a script appended to a picture left in the root's attributes."""
    used = context.file("used.svg")
    with open(used, "w", encoding="utf-8") as file:
        file.write(picture[:picture.rindex("</svg>")] + f"<script><![CDATA[{script}]]></script>\n"
                   + "</svg>\n")
    shown = _browse(context, f"file://{used}")
    root = re.search(r"<svg [^>]*>", shown)
    if not root:
        raise Failure("the picture did not open", shown[:500])
    return dict(re.findall(r'data-(\w+)="([^"]*)"', root[0]))


def _picture(context, command):
    path, _ = _flame(context, "picture.svg", command, "--min-width", "0")
    with open(path, encoding="utf-8") as file:
        picture = file.read()
    return picture, len(re.findall(r"<g class=\"f ", picture))


@test(takes_long=True)
def in_a_browser(context):
    """Zoom, search with its share, what the pointer tells, keys."""
    picture, frames = _picture(context, [program("stacks"), program("libstacks.so")])
    seen = _use(context, picture, USER.replace("SEARCHED", "^recursion$"))
    total = sum(int(value) for value in re.findall(r'data-d="1" data-v="(\d+)"', picture))
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


@each({
    "many": [program("stacks"), program("libstacks.so")],
    "narrow": [WORK[0], *"m:1x1 m:3x7 c:100:3 r:0:200 m:1000000x333".split()],
}, takes_long=True)
def each_frame_in_a_browser(context, command):
    """Whichever frame is chosen, however narrow: its callers and what it calls are all there."""
    picture, frames = _picture(context, command)
    seen = _use(context, picture, EACH_FRAME)
    fail_if([seen["wrong"]] if seen["wrong"] else [])
    if int(seen["chosen"]) != frames or frames < 5 or float(seen["whole"]) < 500:
        raise Failure(f"{frames} frames in the file, the browser has {seen}")


def _speedscope(context):
    """Its page, as npm has it; what npm keeps of it stays in its own cache."""
    need("npm")
    directory = context.file("speedscope")
    os.mkdir(directory)
    try:
        said = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline",
             "--prefix", directory, "speedscope"],
            capture_output=True, text=True, check=False, timeout=120, cwd=directory)
    except subprocess.TimeoutExpired:
        raise Skip("npm has no answer within two minutes") from None
    page = f"{directory}/node_modules/speedscope/dist/release/index.html"
    if said.returncode or not os.path.exists(page):
        raise Skip("npm has no speedscope: " + " ".join(said.stderr.split())[:200])
    return page


def _speedscope_table(context, path):
    """{name: (total, self)} of speedscope's table of functions, in bytes."""
    page, script = _speedscope(context), context.file("profile.js")
    with open(path, "rb") as profile, open(script, "w", encoding="ascii") as file:
        # It draws the rows that are seen, once it has seen how high its window is.
        file.write(f'speedscope.loadFileFromBase64("{os.path.basename(path)}", '
                   f'"{base64.b64encode(profile.read()).decode()}");\n'
                   'setInterval(() => window.dispatchEvent(new Event("resize")), 200);\n')
    shown = _browse(context, "--window-size=1600,20000", "--virtual-time-budget=10000",
                    f"file://{page}#view=sandwich&localProfilePath={script}")
    units = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
    table = {}
    for cells in re.findall("<tr[^>]*>" + 3 * "<td[^>]*>(.*?)</td>" + "</tr>", shown):
        *values, name = (html.unescape(re.sub("<[^>]*>", "", cell)) for cell in cells)
        parts = [re.match(r"([\d,.]+) ?([KMG]?B|) \(", value) for value in values]
        table[name] = [float(part[1].replace(",", "")) * units[part[2]] for part in parts]
    return table


@each({"folded": "profile.folded", "pprof": "profile.pb.gz"}, takes_long=True)
def in_speedscope(context, name):
    """It opens both forms, with every function under its name and with its bytes."""
    need("chromium")
    command = [program("stacks"), program("libstacks.so")]
    path, _ = _flame(context, name, command, "--keep-allocator")
    folded, inlined = path, set()
    if name.endswith(".gz"):
        folded = context.file("read.folded")
        subprocess.run([harness.ALLOCPATH, "flame", "-i", path, "--keep-allocator", "-o", folded],
                       check=True, timeout=60)
        # Of functions at one address it shows the outermost alone.
        said = subprocess.run([harness.ALLOCPATH, "hist", "-i", path, "--lines", "--stacks", "1000",
                               "--json"], capture_output=True, text=True, check=True, timeout=60)
        inlined = set(re.findall(r'"name": ?"([^"]*)"[^{}]*"inlined": ?true', said.stdout))
    table = _speedscope_table(context, path)
    wanted = {}
    for stack, value in _folded(folded):
        # A pprof profile has the process as a label.
        frames = stack if folded == path else stack[1:]
        for frame in set(frames):
            wanted.setdefault(frame, [0, 0])[0] += value
        wanted[frames[-1]][1] += value
    wrong = [f"{frame} is missing" for frame in wanted
              if frame not in table and frame not in inlined]
    wrong += [f"{frame} has {table[frame]}, not {values}" for frame, values in wanted.items()
              if frame in table and any(abs(ours - theirs) > 0.006 * max(ours, 1)
                                        for ours, theirs in zip(values, table[frame]))]
    fail_if(wrong, *(f"{frame} {values}" for frame, values in table.items()))
    if not {"main", "ask", "recursion", "malloc"} <= set(wanted):
        raise Failure(f"functions are {sorted(wanted)}")

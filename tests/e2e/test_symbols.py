# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols: each name is what addr2line and gdb say, or it is none; never a neighbour's."""

import json
import os
import re
import time

import harness
from harness import ROOT, Failure, Skip, each, fail_if, need, program, test
from named import GXX, SOURCE, build, build_id_of, is_first_place, strip, with_debug_file
from symbolise import (NOWHERE, addr2line, addresses_of, functions, gdb_symbols, one, plain, run,
                       sections, shift, symbolise)

RUST_SOURCE = os.path.join(ROOT, "tests", "programs", "named.rs")

# {what is built: command without -o FILE}; each has a symbol table and debug information
BUILDS = {
    "dwarf5": [*GXX, SOURCE],
    "dwarf4": [*GXX, "-gdwarf-4", SOURCE],
    "no_pie": [*GXX, "-no-pie", SOURCE],
    "compressed": [*GXX, "-gz", SOURCE],
    "no_aranges": [*GXX, "-gno-as-loc-support", "-ffunction-sections", SOURCE],
    "split": [*GXX, "-gsplit-dwarf", SOURCE],
    "static": [*GXX, "-static", SOURCE],
    "clang": ["clang++", "-std=gnu++17", "-O2", "-g", SOURCE],
    "rust": ["rustc", "-O", "-g", RUST_SOURCE],
}


def _rows(frames):
    """A file without a line is the symbol table's guess."""
    return [(plain(frame.function), (os.path.basename(frame.file), frame.line)
             if frame.file and frame.line else None) for frame in frames]


def _oracle(path, addresses):
    """What addr2line of binutils and of LLVM say: neither is right everywhere."""
    need("llvm-addr2line")
    return list(zip(addr2line(path, addresses), addr2line(path, addresses, "llvm-addr2line")))


def _compare(path, addresses, found, wanted):
    """The functions that are in each other, and where each is. Returns what is wrong."""
    wrong = []
    for address, ours, (theirs, llvms) in zip(addresses, found, wanted):
        if _rows(ours) not in (_rows(theirs), _rows(llvms)):
            wrong.append(f"{address:#x}: {ours}, but addr2line: {theirs}, LLVM: {llvms}")
    if wrong:
        wrong.insert(0, f"{len(wrong)} of {len(addresses)} differ in {path}:")
    return wrong[:6]


# of what is in the file beside its own code only a part is looked at
OWN = {"static": re.compile("first_place|shop|leak_array|Shelf|calls_inlined"),
       "rust": re.compile("named|_start$")}
QUICK = ("dwarf5", "split", "clang", "rust")


def _as_addr2line(context, kind):
    path = build(context, BUILDS[kind])
    addresses = addresses_of(path, OWN.get(kind, re.compile("")).search)
    found, stats = symbolise([(address - shift(path), path) for address in addresses], "-l")
    wrong = _compare(path, addresses, found, _oracle(path, addresses))
    if max(len(frames) for frames in found) < 2:
        wrong.append("nothing is inlined")
    if stats["lines-gave-up"] or stats["named"] != stats["frames"]:
        wrong.append(f"{stats}")
    fail_if(wrong)


@each({kind: kind for kind in QUICK})
def inlined_and_lines_are_as_addr2line_has_them(context, kind):
    _as_addr2line(context, kind)


@each({kind: kind for kind in BUILDS if kind not in QUICK}, takes_long=True)
def inlined_and_lines_of_other_builds(context, kind):
    _as_addr2line(context, kind)


@each({name: BUILDS[name] for name in ("dwarf5", "rust")})
def names_are_as_gdb_has_them(context, command):
    need("gdb")
    path = build(context, command)
    starts = [address for address, _ in functions(path).values()]
    only = {name for name, (address, _) in functions(path).items() if starts.count(address) == 1}
    addresses = addresses_of(path, lambda name: name in only, 250)
    found, _ = symbolise([(address - shift(path), path) for address in addresses])
    wanted = gdb_symbols(path, addresses)
    if len(wanted) != len(addresses):
        raise Failure(f"gdb answers {len(wanted)} of {len(addresses)}")
    wrong = [f"{address:#x}: {ours[0].function}, but gdb: {theirs}"
             for address, ours, theirs in zip(addresses, found, wanted)
             if theirs and plain(ours[0].function) != plain(theirs)]
    fail_if([f"{len(wrong)} of {len(addresses)}:", *wrong[:5]] if wrong else [])


@test
def what_has_no_symbol_has_no_name(context):
    """Between functions, behind the last, and in all that was stripped."""
    path = build(context, BUILDS["dwarf5"])
    names = functions(path)
    start, size = names["first_place"]
    move = shift(path)
    stripped = strip(path)
    frame = one(start - move, path)
    fail_if([f"{frame}"] if frame.function != "first_place" else [])
    # one without size reaches to the next
    starts = sorted(address for address, _ in names.values())
    covered = [(address, address + length if length else
                min((next_one for next_one in starts if next_one > address), default=address))
               for address, length in names.values()]
    _, text, text_size = sections(path)[".text"]
    gaps = [offset for offset in range(text, text + text_size)
            if not any(low <= offset + move < high for low, high in covered)]
    named = [f"{offset:#x} {frames}" for offset, frames in
             zip(gaps, symbolise([(offset, path) for offset in gaps], "-l")[0])
             if frames[-1].is_named() or frames[-1].file]
    if not gaps:
        raise Failure("no gap between functions to look at")
    addresses = addresses_of(path, lambda name: name in names)
    bare, stats = symbolise([(address - move, stripped) for address in addresses], "-l",
                            "-d", NOWHERE)
    exported = run("readelf", "--dyn-syms", "-W", stripped)
    wrong = [f"{address:#x} {frames}" for address, frames in zip(addresses, bare)
             if frames[-1].is_named() and plain(frames[-1].function) not in exported]
    wanted = f"{os.path.basename(stripped)}+{start - move:#x} [{build_id_of(path)}]"
    frame = one(start - move, stripped, "-d", NOWHERE)
    if frame.function != wanted:
        wrong.append(f"{frame}, not {wanted}")
    if stats["debug"]:
        wrong.append(f"{stats}")
    fail_if(named[:5] + wrong[:5])


@test
def a_signal_trampoline_is_named_as_a_caller(context):
    """Its address less 1 lies before it, and its frame description begins there."""
    path = build(context, [*BUILDS["static"], "-Wl,--eh-frame-hdr"])
    offset = functions(path)["__restore_rt"][0] - shift(path)
    found = [frames[0] for frames in
             symbolise([(offset + move, path) for move in (-2, -1, 0)])[0]]
    if found[0].is_named() or [frame.function for frame in found[1:]] != ["__restore_rt"] * 2:
        raise Failure(f"{found}")


@test
def debug_files_are_found_and_checked(context):
    stripped, debug, offset = with_debug_file(context)
    root = context.file("root")
    build_id = build_id_of(stripped)
    places = [debug, os.path.join(os.path.dirname(debug), ".debug", os.path.basename(debug)),
              root + debug, f"{root}/.build-id/{build_id[:2]}/{build_id[2:]}.debug"]
    wrong = []
    for place in places:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if place != debug:
            os.rename(debug, place)
        frames, stats = symbolise([(offset, stripped)], "-l", "-d", root)
        wrong += is_first_place(frames[0][-1], place)
        if stats["debug"] != 1:
            wrong.append(f"{place}: {stats}")
        if place != debug:
            os.rename(place, debug)
    # another checksum, and the right one with another build id
    with open(debug, "ab") as file:
        file.write(b"more")
    wrong += [f"another checksum: {frame}" for frame in [one(offset, stripped, "-d", root)]
              if frame.is_named()]
    run("objcopy", "--remove-section=.note.gnu.build-id", debug)
    run("objcopy", "--remove-section=.gnu_debuglink", stripped)
    run("objcopy", f"--add-gnu-debuglink={debug}", stripped)
    wrong += [f"no build id: {frame}" for frame in [one(offset, stripped, "-d", root)]
              if frame.is_named()]
    run("objcopy", "--remove-section=.note.gnu.build-id", stripped)
    wrong += is_first_place(one(offset, stripped, "-l", "-d", root), "neither has a build id")
    fail_if(wrong)


@test
def mini_debug_information_is_read(context):
    need("xz")
    path = build(context, BUILDS["dwarf5"])
    name = next(name for name in functions(path) if "leak_array" in name and "ELm" not in name)
    offset = functions(path)[name][0] - shift(path)
    mini = context.file("mini")
    stripped = strip(path)
    run("objcopy", "-S", "--remove-section", ".gdb_index", "--keep-symbol", name,
        "--keep-symbol", "first_place", path, mini)
    run("xz", mini)
    before = one(offset, stripped, "-d", NOWHERE)
    run("objcopy", "--add-section", f".gnu_debugdata={mini}.xz", stripped)
    after = one(offset, stripped, "-d", NOWHERE)
    if before.is_named() or "leak_array" not in after.function:
        raise Failure(f"without: {before}", f"with: {after}")


@test(takes_long=True)
def dwz_files_are_followed(context):
    need("dwz")
    paths = [build(context, [*GXX, "-gdwarf-4", f"-DCOPY={copy}", SOURCE], f"named{copy}")
             for copy in range(2)]
    wanted, wrong = [], []
    for path in paths:
        addresses = addresses_of(path)
        wanted.append((addresses, _oracle(path, addresses)))
    run("dwz", "-m", context.file("shared.dwz"), "-r", *paths)
    for path, (addresses, frames) in zip(paths, wanted):
        if ".gnu_debugaltlink" not in sections(path):
            raise Skip("this dwz shares nothing")
        found, _ = symbolise([(address - shift(path), path) for address in addresses], "-l")
        wrong += _compare(path, addresses, found, frames)
    fail_if(wrong)


@test
def plt_entries_are_named(context):
    path = build(context, BUILDS["dwarf5"])
    listing = run("objdump", "-dC", "--no-show-raw-insn", path)
    requests, wanted = [], []
    for line in listing.splitlines():
        address, _, name = line.partition(" <")
        if name.endswith("@plt>:"):
            requests.append((int(address, 16) + 3 - shift(path), path))
            wanted.append(name.removesuffix("@plt>:").partition("@")[0] + "@plt")
    found = [frames[-1].function for frames in symbolise(requests)[0]]
    wrong = [f"{ours}, not {theirs}" for ours, theirs in zip(found, wanted) if ours != theirs]
    fail_if(wrong[:5] if wanted else ["there are none"])


@test
def another_version_of_a_file_is_refused(context):
    path = build(context, BUILDS["dwarf5"])
    build_id = build_id_of(path)
    offset = functions(path)["first_place"][0] - shift(path)
    right = one(offset, path, "-b", build_id)
    wrong_id = build_id[::-1]
    frame = one(offset, path, "-b", wrong_id, "-d", NOWHERE)
    wrong = is_first_place(right, "right", has_file=False)
    if frame.function != f"{os.path.basename(path)}+{offset:#x} [{wrong_id}]":
        wrong.append(f"{frame}")
    fail_if(wrong)


@test
def perf_maps_name_code_made_at_run_time(context):
    """The one in its own namespaces, if it is its own or root's; what is newest wins."""
    sleeper = context.start(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
                             "mount -t tmpfs tmpfs /tmp && touch /tmp/ready && exec sleep 60"])
    pid = _inner_child(sleeper.pid, "sleep")
    path = f"/proc/{pid}/root/tmp/perf-1.map"
    with open(path, "w", encoding="utf-8") as file:
        file.write("1000 100 old\n1000 100 LazyCompile:*hot /app.js:3\nno line\n"
                   "0x2000 10 with prefix\n3000 0 empty\n4000 10 \x1b[31mred\n5000 10 cut short")
    offsets = [0x1000, 0x10ff, 0x1100, 0x2008, 0x3000, 0x4000, 0x5000]
    found = [frames[0].function for frames in
             symbolise([(offset, f"jit:{pid}") for offset in offsets])[0]]
    wanted = ["LazyCompile:*hot /app.js:3", "LazyCompile:*hot /app.js:3", None, "with prefix",
              None, "?[31mred", None]
    wrong = [f"{offset:#x}: {ours}, not {theirs}"
             for offset, ours, theirs in zip(offsets, found, wanted)
             if (ours != theirs if theirs else "+0x" not in ours)]
    os.chown(path, 65534, 65534)
    others = one(0x1000, f"jit:{pid}").function
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    link = one(0x1000, f"jit:{pid}").function
    if "+0x" not in others:
        wrong.append(f"another's: {others}")
    if "+0x" not in link:
        wrong.append(f"a link: {link}")
    fail_if(wrong)


def _inner_child(pid, name):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                    comm, _, rest = stat.read().partition("(")[2].rpartition(")")
                if comm == name and int(rest.split()[1]) == pid:
                    return int(entry)
            except (OSError, ValueError, IndexError):
                continue
        time.sleep(0.05)
    raise Failure(f"{name} did not start")


@test
def the_kernels_functions_are_named(context):
    """As kallsyms has them; the vdso's as nm has them."""
    del context
    requests, wanted = [], []
    with open("/proc/kallsyms", encoding="utf-8") as symbols:
        rows = [line.split() for line in symbols]
    if not any(int(row[0], 16) for row in rows):
        raise Skip("the kernel hides its addresses")
    by_address = {}
    for row in rows:
        by_address.setdefault(int(row[0], 16), []).append(row)
    for address, names in sorted(by_address.items())[5000:50000:500]:
        if all(row[1] in "tTwW" for row in names):
            requests.append((address, "[kernel]"))
            wanted.append([row[2] for row in names])
    found = [frames[0].function.partition(" [")[0] for frames in symbolise(requests)[0]]
    wrong = [f"{ours}, not {names}" for ours, names in zip(found, wanted) if ours not in names]
    vdso = [frames[0].function for frames in
            symbolise([(offset, "[vdso]") for offset in range(0, 0x1400, 16)])[0]]
    if not any("clock_gettime" in name for name in vdso):
        wrong.append(f"vdso: {vdso[:9]}")
    fail_if(wrong[:5])


@test
def a_recording_has_the_names_of_callers(context):
    """pprof's own tool shows them without the files: functions, what is inlined, and lines."""
    need("go")
    process = context.start([program("named"), "20000", "5"])
    path = context.file("recording.pb.gz")
    recorder = context.start([harness.ALLOCPATH, "record", "-d", "500ms", "-p", str(process.pid),
                              "-o", path])
    if context.finish(recorder):
        raise Failure("record failed", context.stderr_of(recorder))
    raw = run("go", "tool", "pprof", "-symbolize=none", "-raw", path,
              env={**os.environ, "PPROF_TMPDIR": context.path, "HOME": context.path})
    wanted = [r"inner_inlined \S*named\.cc:\d+ s=0\n\s+outer_inlined \S*named\.cc:\d+ s=0\n"
              r"\s+calls_inlined\(unsigned long\) \S*named\.cc:\d+",
              r"M=\d+ strdup ", r"M=\d+ operator new\(unsigned long\) ",
              r"/named [0-9a-f]{40} \[FN\]\[FL\]\[LN\]\[IN\]"]
    fail_if([f"there is no {pattern}" for pattern in wanted if not re.search(pattern, raw)], raw)


def _named_stacks(context, path, *options):
    """[the names in a stack, innermost first, and what has none by its place] of each stack."""
    output = context.file("report.json")
    process = context.start([harness.ALLOCPATH, "hist", "--json", "--stacks", "1000", *options,
                             "-o", output, "--", path, "20"])
    if context.finish(process):
        raise Failure("hist failed", context.stderr_of(process))
    with open(output, encoding="utf-8") as report:
        document = json.load(report)
    stacks = []
    for stack in document["processes"][0]["stacks"]["top"]:
        names = []
        for frame in stack["frames"]:
            names += [function["name"] for function in frame["functions"]] or [
                f"{os.path.basename(frame['file'] or '')}+{frame['offset']:#x}"]
        stacks.append(names)
    return stacks


def _has_chain(stacks, *patterns):
    """Is there a stack with these in a row?"""
    for names in stacks:
        for start in range(len(names) - len(patterns) + 1):
            if all(re.search(pattern, name)
                   for pattern, name in zip(patterns, names[start:])):
                return True
    return False


@test
def stacks_have_names(context):
    """A library function called from three places, an inlined one, templates, a lambda."""
    stacks = _named_stacks(context, program("named"), "--lines")
    wanted = [("^malloc$", "strdup", f"^{place}_place$", "^main$")
              for place in ("first", "second", "third")]
    wanted += [("^malloc$", "^inner_inlined$", "^outer_inlined$", "^calls_inlined", "^main$"),
               ("^operator new", r"leak_array<long>\(", "^main$"),
               ("^operator new", r"leak_array<short>\(", "^main$"),
               ("^operator new", r"^shop::Till::Till\(int\)", "^main$"),
               ("^malloc$", r"^main::\{lambda\(int\)#1\}", "", "^main$")]
    fail_if([f"no stack has {chain}" for chain in wanted if not _has_chain(stacks, *chain)],
            *map(str, stacks[:8]))


@test
def stacks_of_a_stripped_program_have_places(context):
    """What was stripped is its offset, what others export still has its name; none is wrong."""
    path = build(context, BUILDS["dwarf5"])
    stripped = strip(path)
    low, size = functions(path)["first_place"]
    stacks = _named_stacks(context, stripped)
    base = os.path.basename(stripped)
    places = [int(name.rpartition("+")[2], 16) + shift(path)
              for names in stacks for name in names if name.startswith(f"{base}+")]
    wrong = [f"{name}" for names in stacks for name in names
             if re.search("_place|calls_inlined|leak_array|Till|Shelf", name)]
    if not any(low <= place < low + size for place in places):
        wrong.append("first_place is nowhere")
    if not _has_chain(stacks, "^malloc$", "strdup", f"^{re.escape(base)}"):
        wrong.append("strdup has lost its name")
    fail_if(wrong, *map(str, stacks[:8]))


@test
def stacks_of_a_rust_program_have_names(context):
    path = build(context, BUILDS["rust"])
    stacks = _named_stacks(context, path, "--lines")
    wanted = [("^malloc$", "", "^named::leak_here", "^named::main"),
              ("leak_here", "^named::main")]
    if not any(_has_chain(stacks, *chain) for chain in wanted):
        raise Failure("leak_here is nowhere", *map(str, stacks[:8]))
    fail_if([f"hashes: {name}" for names in stacks for name in names
             if re.search("17h[0-9a-f]{16}E|^_R", name)])

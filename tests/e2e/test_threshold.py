# SPDX-License-Identifier: GPL-2.0-or-later
"""The followed threshold against glibc's own, which gdb reads (issue 8, 'It holds when' 2, 3)."""

import os
import random
import signal
import time

import harness
import thresholds
from harness import Failure, each, fail_if, program, test

RANDOM = {"one_thread": "11 4000 1 3", "threads": "12 1500 4 3", "mallopt": "13 4000 1 3 set"}
MANY_RANDOM = {
    f"{name}_{seed}": f"{seed} {words}"
    for seed in range(20, 26)
    for name, words in {
        "alone": "8000 1 6", "threads": "3000 6 6", "set": "8000 1 6 set",
        "set_threads": "3000 4 6 set",
    }.items()
}


def _random(context, words):
    thresholds.need_gdb()
    words = words.split()
    tool = thresholds.start(context, "--no-read", command=[program("moves"), *words])
    pid = thresholds.child_of(context, tool, "moves")
    moments = []
    for _ in range(int(words[3]) + 1):
        context.wait_for(lambda: thresholds.state_of(pid) in ("T", "Z", ""), "moves to stop")
        if thresholds.state_of(pid) != "T":
            raise Failure("moves has ended before its last stop")
        thresholds.look_while_stopped(context, pid, moments)
    document = thresholds.finish(context, tool)
    process = next(one for one in document["processes"] if one["comm"] == "moves")
    wrong = thresholds.judged_all(process)
    if process["judged"] < 100:
        wrong.append(f"only {process['judged']} requests were judged")
    # a free that was stopped before its munmap, or beside another's or a mallopt
    doubts = len(moments) // 2 if int(words[2]) > 1 else 0
    wrong += thresholds.compare_moments(document, process, moments, doubts)
    wrong += thresholds.compare_end(process, moments[-1][1])
    if process["read"] is not None:
        wrong.append("read with --no-read")
    settings = [move for move in process["moves"] if move["by"] == "mallopt"]
    if bool(settings) != ("set" in words):
        wrong.append(f"{len(settings)} moves by mallopt")
    thresholds.tell(moments, process)
    fail_if(wrong, *context.stderr_of(tool).splitlines()[-5:])


@each(RANDOM)
def random_program(context, words):
    """Random sizes around the threshold: each moment is right, each request explained."""
    _random(context, words)


@each(MANY_RANDOM, takes_long=True)
def many_random_programs(context, words):
    """More of them."""
    _random(context, words)


SET_AND_STOP = """
import ctypes, os, random, signal
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
random.seed(SEED)
for i in range(40):
    block = libc.malloc(ctypes.c_size_t(random.randrange(3000000)))
    if PARAMETER and i == 20:
        libc.mallopt(PARAMETER, random.randrange(1, 400000))
    libc.free(ctypes.c_void_p(block))
os.kill(os.getpid(), signal.SIGSTOP)
"""


@each({"none": 0, "threshold": -3, "trim": -1, "top_pad": -2, "maps": -4})
def mallopt_at_the_end(context, parameter):
    """mallopt in the middle: what is predicted at the end is what gdb reads there, and pinned."""
    thresholds.need_gdb()
    code = SET_AND_STOP.replace("SEED", str(parameter)).replace("PARAMETER", str(parameter))
    tool = thresholds.start(context, "--no-read",
                            command=["/usr/bin/python3", "-I", "-S", "-c", code])
    pid = thresholds.child_of(context, tool, "python3")
    context.wait_for(lambda: thresholds.state_of(pid) == "T", "python3 to stop")
    truth = thresholds.gdb_threshold(pid)
    os.kill(pid, signal.SIGCONT)
    document = thresholds.finish(context, tool)
    process = next(one for one in document["processes"] if one["comm"] == "python3")
    wrong = thresholds.judged_all(process)
    if process["predicted"] != truth:
        wrong.append(f"gdb reads {truth}, predicted {process['predicted']}")
    if process["verdict"].startswith("pinned") != bool(parameter):
        wrong.append(f"verdict {process['verdict']!r} after mallopt({parameter})")
    fail_if(wrong)


ENVIRONMENTS = {
    "variable": {"MALLOC_MMAP_THRESHOLD_": "65536"},
    "hexadecimal": {"MALLOC_MMAP_THRESHOLD_": "0x30000"},
    "trim": {"MALLOC_TRIM_THRESHOLD_": "1000000"},
    "tunables": {"GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.malloc.mmap_threshold=300000"},
    "maps": {"MALLOC_MMAP_MAX_": "0"},
    "another": {"MALLOC_TEST": "1"},
}


def _calls_with(context, environment, command, words=()):
    document = thresholds.run(context, "--no-read", *words, command=command,
                              environment=environment)
    return next(one for one in document["processes"] if one["comm"] == "calls")


@each(ENVIRONMENTS)
def environment(context, variables):
    """Settings of the environment are in force from the first request on."""
    command = [program("calls"), *"m:40000 m:70000 m:200000 f:2 m:200000 m:400000 f:4".split()]
    process = _calls_with(context, variables, command)
    expected = {"65536": 65536, "0x30000": 196608, "1": 401408}.get(
        next(iter(variables.values())), 131072)
    if "GLIBC_TUNABLES" in variables:
        expected = 300000
    wrong = thresholds.judged_all(process)
    if process["predicted"] != expected:
        wrong.append(f"predicted {process['predicted']}, not {expected}: {process['verdict']}")
    fail_if(wrong)


@test
def environment_of_a_descendant(context):
    """One that a descendant sets is read from it."""
    shell = f"MALLOC_MMAP_THRESHOLD_=70000 exec {program('calls')} m:1 g: m:40000 m:100000"
    tool = thresholds.start(context, command=["/bin/sh", "-c", shell],
                            environment={"TRUTH_WAIT": "1"}, stdin=-1)
    context.wait_for(lambda: "ready\n" in context.stderr_of(tool), "calls to be ready")
    time.sleep(0.3)
    tool.stdin.write(b"gg")
    tool.stdin.close()
    document = thresholds.finish(context, tool)
    process = next(one for one in document["processes"] if one["comm"] == "calls")
    if process["predicted"] != 70000:
        raise Failure(f"predicted {process['predicted']}: {process['verdict']}")


NUMBER = (int, type(None))
PROCESS = {
    "pid": int, "comm": str, "allocator": str, "exited": bool, "default": NUMBER,
    "predicted": NUMBER, "read": NUMBER, "trim_threshold": NUMBER, "read_trim_threshold": NUMBER,
    "largest_not_mapped": NUMBER, "smallest_mapped": NUMBER, "requests": int, "judged": int,
    "agree": int, "disagree": dict, "unexplained": int, "undecided": int, "crossings": int,
    "bracket": dict, "nr_moves": int, "moves": list, "verdict": str, "mapped_per_s": (int, float),
    "refaulted_bytes": int, "advice": (dict, type(None)),
}
MOVE = {
    "t_ns": int, "done_ns": NUMBER, "by": str, "parameter": (str, type(None)), "from": NUMBER,
    "to": NUMBER, "low": NUMBER, "high": NUMBER, "caller": (str, type(None)), "stack": object,
}


@test
def schema(context):
    """The document has the fields of schema 1; others are allowed to be there besides."""
    command = [program("calls"), *"m:200000 f:0 m:200000 f:1".split()]
    document = thresholds.run(context, command=command)
    process = next(one for one in document["processes"] if one["comm"] == "calls")
    wrong = harness.unlike({"schema": int, "duration_s": float, "lost": int, "processes": list},
                           document, more=True)
    wrong += harness.unlike(PROCESS, process, more=True)
    if document["schema"] != 1 or len(process["moves"]) != 1:
        wrong.append(f"schema {document['schema']}, moves {process['moves']}")
    for move in process["moves"]:
        wrong += harness.unlike(MOVE, move, more=True)
    fail_if(wrong)


@test
def forked(context):
    """A forked child goes on with its parent's threshold."""
    code = ("import os\nx = bytearray(3000000)\nx = None\n"
            "pid = os.fork()\ny = bytearray(4000000)\ny = None\n"
            "if pid: os.wait()\n")
    document = thresholds.run(context, "--no-read",
                              command=["/usr/bin/python3", "-I", "-S", "-c", code])
    processes = [one for one in document["processes"] if one["comm"] == "python3"]
    wrong = [] if len(processes) == 2 else [f"{len(processes)} processes"]
    for process in processes:
        wrong += thresholds.judged_all(process)
        if process["predicted"] != 4005888 - 4096:
            wrong.append(f"predicted {process['predicted']}: {process['verdict']}")
    fail_if(wrong)


@test
def attached_late(context):
    """Of a process that ran before, the bracket holds what is read; nothing is predicted."""
    target = context.start([program("moves"), "31", "30000", "1", "1"])
    context.wait_for(lambda: thresholds.state_of(target.pid) == "T", "moves to stop")
    tool = thresholds.start(context, "-d", "2s", "-v", "-p", target.pid)
    context.wait_for(lambda: "allocpath: measuring\n" in context.stderr_of(tool), "measuring")
    os.kill(target.pid, signal.SIGCONT)
    time.sleep(0.5)
    os.kill(target.pid, signal.SIGSTOP)
    document = thresholds.finish(context, tool)
    process = next(one for one in document["processes"] if one["pid"] == target.pid)
    os.kill(target.pid, signal.SIGCONT)
    target.kill()
    wrong = []
    if process["read"] is None or process["predicted"] is not None:
        wrong.append(f"read {process['read']}, predicted {process['predicted']}")
    else:
        wrong += thresholds.outside_bracket(process, process["read"])
    if not process["verdict"].startswith("unknown: attached after start"):
        wrong.append(process["verdict"])
    fail_if(wrong)


@test
def recorded(context):
    """threshold -i FILE says what threshold would have said."""
    path = context.file("recording.pb.gz")
    command = [program("calls"), *"m:200000 f:0 m:200000 m:5000000 f:2 m:3000000".split()]
    tool = context.start([harness.ALLOCPATH, "record", "-o", path, "--probes", "full", "--",
                          *command])
    context.finish(tool)
    document = thresholds.run(context, "-i", path)
    process = document["processes"][0]
    moves = [(move["from"], move["to"]) for move in process["moves"]]
    if moves != [(131072, 200704), (200704, 5001216)] or process["predicted"] != 5001216:
        raise Failure(f"predicted {process['predicted']}, moves {moves}")
    fail_if(thresholds.judged_all(process))


THRASHING = {
    # environment of the first run, arguments of thrash, words of the setting
    "variable": ({"MALLOC_MMAP_THRESHOLD_": "131072"}, "map 400", "MALLOC_MMAP_THRESHOLD_="),
    "tunable": ({"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}, "map 400",
                "GLIBC_TUNABLES=glibc.malloc.mmap_threshold="),
    "mallopt": ({}, "-o -3 131072 map 400", "mallopt(M_MMAP_THRESHOLD, "),
    "no_moving": ({"MALLOC_TOP_PAD_": "131072"}, "mixed 600", "MALLOC_MMAP_THRESHOLD_="),
    "mixed": ({}, "mixed 2000", "MALLOC_TRIM_THRESHOLD_="),
    "sawtooth": ({}, "lifo 1", "MALLOC_TRIM_THRESHOLD_="),
    "sawtooths": ({}, "lifo 3", "MALLOC_TRIM_THRESHOLD_="),
    "fifo": ({}, "fifo 8", "MALLOC_TRIM_THRESHOLD_="),
}


@each(THRASHING)
def advice(context, case):
    """The advice's setting, applied, saves the calls, faults and bytes that it said, by strace."""
    environment, words, setting = case
    command = [program("thrash"), *words.split()]
    document = thresholds.run(context, command=command, environment=environment)
    told = next(one for one in document["processes"] if one["comm"] == "thrash")["advice"]
    if not told or setting not in told["setting"]:
        raise Failure(f"the advice is {told}")
    before = thresholds.costs(context, command, environment)
    after = thresholds.costs(context, *thresholds.applied(command, environment, told["setting"]))
    wrong = []
    for what, least in {"calls": 40, "faults": 100}.items():
        saved = before[what] - after[what]
        if abs(saved - told["saves"][what]) > max(saved / 4, least):
            wrong.append(f"{what}: {before[what]} before, {after[what]} after, so {saved} are "
                         f"saved, not {told['saves'][what]}")
    if told["saves"]["bytes"] // 4096 != told["saves"]["faults"]:
        wrong.append(f"{told['saves']}")
    fail_if(wrong, told["setting"])


@test
def host(context):
    """-a: those that thrash come first in the table, whose lines fit into 80 columns."""
    thrashing = [
        context.start([program("thrash"), "lifo", "1000000"]),
        context.start([program("thrash"), "map", "100000000"],
                      environment={"MALLOC_MMAP_THRESHOLD_": "131072"}),
    ]
    output = context.file("threshold.txt")
    tool = context.start([harness.ALLOCPATH, "threshold", "-a", "-d", "2s", "-o", output],
                         environment={"COLUMNS": "80"})
    if context.finish(tool):
        raise Failure("threshold -a has failed", context.stderr_of(tool))
    for process in thrashing:
        process.kill()
    with open(output, encoding="utf-8") as report:
        lines = report.read().splitlines()
    wrong = [f"longer than 80 columns: {line}" for line in lines if len(line) > 80]
    header = next(at for at, line in enumerate(lines) if line.split()[:2] == ["pid", "comm"])
    # a pinned threshold shows in what is zeroed anew: whose mappings they are nobody knows here
    for at, process in enumerate(thrashing):
        words = lines[header + 1 + at].split()
        if words[:2] != [str(process.pid), "thrash"]:
            wrong.append(f"line {at + 1} is not that of {process.pid}: {' '.join(words)}")
    if not wrong and "MALLOC_TRIM_THRESHOLD_=" not in "".join(lines):
        wrong.append("no advice")
    if not wrong and "only --probes full tells malloc's" not in " ".join(" ".join(lines).split()):
        wrong.append("advice on mappings is denied")
    fail_if(wrong, *lines[:header + 6])


CALM = {
    "grows": "calm 1",
    "moves": "map 400",  # the first free moves the threshold: the rest comes from the heap
    "once": "fifo 1",
}


@each(CALM)
def no_advice(context, words):
    """A program that no setting would help gets none."""
    document = thresholds.run(context, command=[program("thrash"), *words.split()])
    process = next(one for one in document["processes"] if one["comm"] == "thrash")
    if process["advice"] is not None:
        raise Failure(f"advice {process['advice']}")
    fail_if(thresholds.judged_all(process))


def _python(rounds):
    """Keeps some of many buffers; now and then one of 40 MiB, mapped whatever the threshold."""
    return ["/usr/bin/python3", "-I", "-S", "-c", (
        f"import random\nrandom.seed(5)\nkeep = []\nfor i in range({rounds}):\n"
        "    if i % 1000 == 999: bytearray(40 << 20)\n"
        "    keep.append(bytearray(random.randrange(600000)))\n"
        "    if len(keep) > 20: keep.pop(random.randrange(20))\n")]


def _real_programs(context):
    """{name: (comm, command)}"""
    source = context.file("t.c")
    with open(source, "w", encoding="utf-8") as file:
        for i in range(400):
            file.write(f"int f{i}(int a, int b) {{ int s = {i}; for (int i = 0; i < a; i++) "
                       f"s += (i * b) ^ (s >> {i % 13}); return s; }}\n")
    sql = context.file("s.sql")
    with open(sql, "w", encoding="utf-8") as file:
        file.write("create table t(a, b);\nbegin;\n")
        for i in range(8000):
            file.write(f"insert into t values({i}, '{'x' * (i % 300)}');\n")
        file.write("commit;\nselect count(*) from t a join t b on a.a = b.a where "
                   "a.b > b.b;\nselect length(group_concat(b)) from t;\n")
    return {
        "cc1": ("cc1", [harness.cc1(), "-quiet", "-O2", source, "-o", "/dev/null"]),
        "sqlite3": ("sqlite3", ["/bin/sh", "-c", f"exec sqlite3 :memory: < {sql}"]),
        "git": ("git", ["git", "-C", context.path, "log", "--stat"]),
        "python3": ("python3", _python(12000)),
    }


def _make_repository(context):
    big = "x" * 700000
    os.system(f"cd {context.path} && git init -q . && for i in $(seq 60); do "
              f"echo {big[:1000]}$i > f$i; head -c 1500000 /dev/urandom | base64 > big; "
              "git add f$i big; git -c user.name=t -c user.email=t@t commit -q -m $i; done")


@each({name: name for name in ("python3", "cc1", "sqlite3", "git")}, takes_long=True)
def real_program(context, name):
    """gdb at random moments: what is predicted is what glibc has, and all is explained."""
    thresholds.need_gdb()
    if name == "git":
        _make_repository(context)
    comm, command = _real_programs(context)[name]
    moments, processes = [], []
    random.seed(name)
    for _ in range(3):
        tool = thresholds.start(context, "--no-read", command=command)
        pid = thresholds.child_of(context, tool, comm)
        looked = []
        while len(looked) < 3:
            time.sleep(random.uniform(0.01, 0.25))
            if not thresholds.stop(context, pid):
                break
            thresholds.look_while_stopped(context, pid, looked)
        document = thresholds.finish(context, tool)
        process = [one for one in document["processes"] if one["comm"] == comm][-1]
        fail_if(thresholds.judged_all(process)
                + thresholds.compare_moments(document, process, looked))
        moments += looked
        processes.append(process)
    thresholds.tell(moments, *processes)
    if len(moments) < 4:
        raise Failure(f"only {len(moments)} moments were looked at")


def _attach_late(context, pid):
    """(its process in a report, gdb's threshold at the report's end) of a program at work."""
    tool = thresholds.start(context, "--no-read", "-v", "-p", pid)
    context.wait_for(lambda: "allocpath: measuring\n" in context.stderr_of(tool)
                     or tool.poll() is not None, "measuring")
    time.sleep(random.uniform(0.5, 1.2))
    if not thresholds.stop(context, pid):
        tool.kill()
        return None, None
    truth = thresholds.gdb_threshold(pid)
    tool.send_signal(signal.SIGINT)
    document = thresholds.finish(context, tool)
    os.kill(pid, signal.SIGCONT)
    found = [one for one in document["processes"] if one["pid"] == pid]
    return (found[0], truth) if found else (None, None)


# 34 MB are mapped, whatever the threshold, and their free does not move it: an upper bound
LATE_SQL = """create table n(i);
create table t(b);
with recursive r(i) as (select 1 union all select i + 1 from r where i < 20000)
 insert into n select i from r;
"""


def _late_python(context):
    del context
    return _python(300000)


def _late_sqlite3(context):
    """Strings that grow, and rows that raise the break and are deleted."""
    sql = context.file("late.sql")
    with open(sql, "w", encoding="utf-8") as file:
        file.write(LATE_SQL)
        for i in range(20000):
            file.write(f"select length(group_concat(hex(randomblob({random.randrange(50, 200)}))))"
                       f" from (select i from n limit {random.randrange(20, 2000)});\n")
            if i % 10 == 9:
                file.write("insert into t select randomblob(300) from n; delete from t;\n"
                           "select length(zeroblob(34000000) || 'x');\n")
    return ["/bin/sh", "-c", f"exec sqlite3 :memory: < {sql}"]


def _late_cc1(context):
    """Files are read whole: headers of many sizes, again and again."""
    for i in range(40):
        with open(os.path.join(context.path, f"h{i}.h"), "w", encoding="utf-8") as file:
            file.write(f"/* {'x' * 70} */\n" * (random.randrange(40000, 1500000) // 77))
    with open(os.path.join(context.path, "large.h"), "w", encoding="utf-8") as file:
        file.write((" " * 99 + "\n") * 340000)
    source = context.file("late.c")
    with open(source, "w", encoding="utf-8") as file:
        for i in range(4000):
            file.write(f'#include "h{random.randrange(40)}.h"\n')
            if i % 10 == 9:
                file.write('#include "large.h"\n')
    return [harness.cc1(), "-quiet", "-O0", source, "-o", "/dev/null"]


def _late_git(context):
    """Searches each file of a commit, again and again."""
    for i in range(40):
        with open(os.path.join(context.path, f"f{i}"), "wb") as file:
            file.write(os.urandom(1000) * (random.randrange(40000, 1500000) // 1000))
    with open(os.path.join(context.path, "large"), "wb") as file:
        file.write(bytes(34000000))
    os.system(f"cd {context.path} && git init -q . && git add f* large && "
              "git -c user.name=t -c user.email=t@t commit -q -m large")
    return ["git", "-C", context.path, "grep", "-c", "no such text", *["HEAD"] * 3000]


LATE = {  # name: (what makes it, does it raise its break while it works)
    "python3": (_late_python, True), "sqlite3": (_late_sqlite3, True),
    "cc1": (_late_cc1, False), "git": (_late_git, False),
}
NR_LATE = 6


@each({name: name for name in LATE}, takes_long=True)
def real_program_attached_late(context, name):
    """-p on a program at work, again and again: the bracket holds what gdb reads at its end."""
    thresholds.need_gdb()
    random.seed(name)
    make, grows = LATE[name]
    command = make(context)
    wrong, processes, target = [], [], None
    for _ in range(3 * NR_LATE):
        if len(processes) == NR_LATE:
            break
        if not target or target.poll() is not None:
            target = context.start(command)
            context.wait_for(lambda: thresholds.comm_of(target.pid) == name, f"{name} to run")
        time.sleep(random.uniform(0.3, 0.8))
        process, truth = _attach_late(context, target.pid)
        if process:
            wrong += thresholds.outside_bracket(process, truth)
            processes.append(process)
    thresholds.tell(processes, *processes)
    brackets = [process["bracket"] for process in processes]
    print(f"    bounded from below {sum(one['low'] > 0 for one in brackets)} times, from above "
          f"{sum(one['high'] is not None for one in brackets)} times: "
          f"{[(one['low'], one['high']) for one in brackets]}", flush=True)
    if len(processes) < NR_LATE:
        wrong.append(f"only {len(processes)} moments were looked at")
    nr_high = sum(one["high"] is not None for one in brackets)
    nr_low = sum(one["low"] > 0 for one in brackets)
    # at times there is nothing to see in a second: cc1 may be at work on what it has read
    if nr_high < NR_LATE // 2 or (grows and nr_low < NR_LATE // 2):
        wrong.append(f"what it did does not bound it: {brackets}")
    fail_if(wrong)

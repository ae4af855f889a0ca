# SPDX-License-Identifier: GPL-2.0-or-later
"""CMD is started as without us, and nothing is left of a measurement (issue 2, 5)."""

import json
import os
import pwd
import re
import signal
import subprocess
import time

import harness
import leftovers
import libc_copy
from harness import Failure, changed_text, each, fail_if, program, test
from workloads import text_check

# everything that a program can see of how it was started but its signals, which python3 changes
ASKS = """
import os, sys
print(sys.argv[1:], repr(sys.stdin.read()), os.getcwd(), sorted(os.environ.items()))
print({name: os.readlink(f"/proc/self/fd/{name}").split("[")[0] for name in ("0", "1", "2")})
print(sorted(os.listdir("/proc/self/fd")), os.getpriority(os.PRIO_PROCESS, 0))
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getsid(0), os.getpgid(0))
print(open("/proc/self/limits").read(), open("/proc/self/personality").read())
wanted = ("Cap", "Umask", "NoNewPrivs", "Seccomp")
print([line for line in open("/proc/self/status") if line.startswith(wanted)])
sys.stderr.write("to stderr\\n")
sys.exit(42)
"""
ARGUMENTS = ["two words", "", "-d", "--", "'quoted'", "*", "\\", "ü"]


def _see(context, words, output):
    """What CMD says on stdout and stderr, and the status."""
    with open(output, "wb") as stdout:
        process = context.start(words, stdin=subprocess.PIPE, stdout=stdout)
        try:
            process.stdin.write(b"a line\nand another, with no end")
            process.stdin.close()
        except BrokenPipeError:
            pass  # it did not wait for its input
        status = context.finish(process)
    with open(output, encoding="utf-8") as text:
        return status, text.read(), context.stderr_of(process)


PREFIXES = {"plain": [], "nohup": ["nohup"], "no_sigpipe": ["env", "--ignore-signal=PIPE"],
            "blocked": ["env", "--block-signal=USR1"], "nice": ["nice", "-n", "5"]}
SEE = {"words": (["/usr/bin/python3", "-I", "-S", "-c", ASKS, *ARGUMENTS], 42),
       "signals": (["grep", "^Sig[BIC]", "/proc/self/status"], 0)}


@each({f"{name}_{see}": (prefix, *row) for name, prefix in PREFIXES.items()
       for see, row in SEE.items()})
def as_without(context, row):
    """CMD sees what it would see without allocpath: descriptors, signals, rights, limits, words."""
    prefix, command, status = row
    output = context.file("stdout")
    tool = [harness.ALLOCPATH, "hist", "-o", context.file("report"), "--"]
    without = _see(context, [*prefix, *command], output)
    under = _see(context, [*prefix, *tool, *command], output)
    found = [] if without[0] == under[0] == status else [f"status {under[0]}, not {status}"]
    for one, other in zip(without[1:], under[1:]):
        pairs = zip((one + "\n").split("\n"), (other + "\n").split("\n"))
        found += [f"without: {line}\nunder:   {changed}" for line, changed in pairs
                  if re.sub(r"\d+-stderr", "", line) != re.sub(r"\d+-stderr", "", changed)]
        if len(one.split("\n")) != len(other.split("\n")):
            found.append(f"{one!r}, under allocpath {other!r}")
    fail_if(found)


# {name: (what CMD does, exit status)}
STATUSES = {
    "0": ("exit 0", 0),
    "1": ("exit 1", 1),
    "255": ("exit 255", 255),
    "killed": ("kill -KILL $$", 128 + signal.SIGKILL),
    "terminated": ("kill -TERM $$", 128 + signal.SIGTERM),
    "crashed": ("kill -SEGV $$", 128 + signal.SIGSEGV),
}


@each(STATUSES)
def exit_status(context, row):
    script, status = row
    context.measure(["sh", "-c", script], "entry", status=status)


@test
def sudo_user(context):
    """As root for somebody: CMD is theirs, with their groups, and cannot get back."""
    nobody = pwd.getpwnam("nobody")
    user = {"SUDO_UID": str(nobody.pw_uid), "SUDO_GID": str(nobody.pw_gid),
            "SUDO_USER": "nobody"}
    script = ("import os; print(os.getresuid(), os.getresgid(), os.getgroups());"
              "print([line.split()[1] for line in open('/proc/self/status')"
              " if line.startswith(('CapEff', 'CapPrm'))])")
    output = context.file("stdout")
    with open(output, "wb") as stdout:
        report = context.measure(["/usr/bin/python3", "-I", "-S", "-c", script], "entry",
                                 environment=user, stdout=stdout)
    with open(output, encoding="utf-8") as text:
        said = text.read().splitlines()
    uid, gid = nobody.pw_uid, nobody.pw_gid
    groups = os.getgrouplist("nobody", gid)
    expected = [f"({uid}, {uid}, {uid}) ({gid}, {gid}, {gid}) {groups}",
                "['0000000000000000', '0000000000000000']"]
    if said != expected:
        raise Failure(f"{said}, not {expected}")
    if [process["uid"] for process in report.processes] != [uid]:
        raise Failure(f"uid in the report: {[row['uid'] for row in report.processes]}")


@test
def duration_ends_before_command(context):
    """-d: the report comes, CMD goes on, not probed, to its own end."""
    output, report = context.file("stdout"), context.file("report.json")
    libc = libc_copy.copy(context)
    with leftovers.nothing_attached(), open(output, "wb") as stdout:
        begin = time.monotonic()
        tool = context.start(
            [harness.ALLOCPATH, "hist", "--json", "-o", report, "-d", "500ms", "--", "sh", "-c",
             f"{program('text_check')} 2>/dev/null; echo still here; exit 3"],
            stdin=subprocess.PIPE, stdout=stdout, environment=libc)
        if context.finish(tool):
            raise Failure(f"exit status {tool.returncode}")
    if time.monotonic() - begin > 20:
        raise Failure(f"it took {time.monotonic() - begin} s")
    (shell,) = harness.children_of(os.getpid())  # it was given to us
    (target,) = harness.children_of(shell)
    context.wait_for(lambda: not changed_text(target), "the text to be the file's again")
    tool.stdin.close()
    _, status = os.waitpid(shell, 0)
    with open(output, encoding="utf-8") as text:
        said = text.read()
    if said != "still here\n" or os.waitstatus_to_exitcode(status) != 3:
        raise Failure(f"CMD said {said!r} and ended with {status}")
    with open(report, encoding="utf-8") as file:
        document = json.load(file)
    running = [process for process in document["processes"] if not process["exited"]]
    if not 0.5 <= document["duration_s"] < 2 or len(running) != 2:
        raise Failure(f"{document['duration_s']} s, {len(running)} still running")


TARGETS = {
    "host": lambda target: ["-a"],
    "process": lambda target: ["--probes", "full", "-p", target.pid],
    "command": lambda target: ["--probes", "full", "--", program("text_check")],
}
SIGNALS = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM,
           "hung_up": signal.SIGHUP, "killed": signal.SIGKILL}


@each({f"{target}_{name}": (make, number) for target, make in TARGETS.items()
       for name, number in SIGNALS.items()})
def ended(context, row):
    """Nothing attached, no process, no file but a whole report, however it ends."""
    make, number = row
    target = text_check(context)
    directory = os.path.join(context.path, "reports")
    os.mkdir(directory)
    path = os.path.join(directory, "report.json")
    with leftovers.nothing_attached(), leftovers.no_process():
        tool = context.start(
            [harness.ALLOCPATH, "hist", "-v", "--json", "-o", path, *make(target)],
            stdin=subprocess.PIPE)
        context.wait_for(lambda: "allocpath: measuring\n" in context.stderr_of(tool), "allocpath")
        time.sleep(0.2)
        tool.send_signal(number)
        status = context.finish(tool)
        tool.stdin.close()  # CMD goes on until then
    killed = number == signal.SIGKILL
    if status != (-number if killed else 0):
        raise Failure(f"exit status {status}", *context.stderr_of(tool).splitlines()[-10:])
    left = os.listdir(directory)
    if left != ([] if killed else ["report.json"]):
        raise Failure(f"files: {left}")
    if not killed:
        harness.documents(path)


@each(TARGETS)
def closed_pipe(context, make):
    """A reader that is gone when the report comes."""
    target = text_check(context)
    with leftovers.nothing_attached(), leftovers.no_process():
        reader, writer = os.pipe()
        os.close(reader)
        words = make(target)
        is_command = "--" in words
        tool = context.start([harness.ALLOCPATH, "hist", "-d", "300ms", *words],
                             stdin=subprocess.PIPE, stdout=writer)
        os.close(writer)
        status = context.finish(tool)
        tool.stdin.close()
    lines = [line for line in context.stderr_of(tool).splitlines()
             if line != "ready" and "allocation probes detached" not in line]
    if status != (125 if is_command else 1) or len(lines) != 1 or "Broken pipe" not in lines[0]:
        raise Failure(f"exit status {status}", *lines)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: one clear line, the right exit status, nothing left behind (issue 2, item 7)."""

import os
import subprocess
import sys
import threading

import harness
import leftovers
from harness import Failure, Skip, each, fail_if, need, test

USAGE = 2
FAILED = 1
FAILED_WITH_CMD = 125
CANNOT_RUN = 126
NOT_FOUND = 127

NO_PID = "4194304"  # more than the kernel's largest

# Words for {}: a process that runs (LIVE), one that is gone (GONE), the test's and a thread of it
# (SELF, THREAD), a directory (DIR), a script without its right (PLAIN), one whose interpreter is
# not there (ORPHAN).

# {name: (words after "allocpath hist", exit status, what the line says)}
ROWS = {
    "option_unknown": (["--nope"], USAGE, "there is no option '--nope'"),
    "option_unknown_letter": (["-x"], USAGE, "there is no option '-x'"),
    "option_without_value": (["-d"], USAGE, "-d needs a value"),
    "option_with_value": (["--json=yes"], USAGE, "--json takes no value"),
    "word": (["sleep"], USAGE, "'sleep' is no option"),
    "no_command": (["--"], USAGE, "no command after --"),
    "pid_zero": (["-p", "0"], USAGE, "process numbers are positive"),
    "pid_negative": (["-p", "-1"], USAGE, "process numbers are positive"),
    "pid_word": (["-p", "init"], USAGE, "process numbers are positive"),
    "pid_list": (["-p", "1,,2"], USAGE, "process numbers are positive"),
    "pid_huge": (["-p", "99999999999999999999"], USAGE, "process numbers are positive"),
    "duration_word": (["-d", "soon"], USAGE, "not a time"),
    "duration_no_unit": (["-d", "10"], USAGE, "not a time"),
    "duration_zero": (["-d", "0s"], USAGE, "out of range"),
    "duration_negative": (["-d", "-1s"], USAGE, "not a time"),
    "duration_huge": (["-d", "99999999999999h"], USAGE, "out of range"),
    "interval_word": (["--interval", "often"], USAGE, "not a time"),
    "count_zero": (["--interval", "1s", "--count", "0"], USAGE, "not a positive number"),
    "size_word": (["--min-size", "big"], USAGE, "not a size"),
    "size_negative": (["--max-size", "-5"], USAGE, "not a size"),
    "size_huge": (["--max-size", "99999999999G"], USAGE, "too large"),
    "top_word": (["--top", "all"], USAGE, "not a number"),
    "probes_unknown": (["--probes", "deep"], USAGE, "there are kernel, entry and full"),
    "group_unknown": (["--group-by", "user"], USAGE, "there are pid, comm, exe and cgroup"),
    "sort_unknown": (["--sort", "age"], USAGE, "no such key"),
    "comm_long": (["-n", "a-name-of-sixteen"], USAGE, "too long"),
    "output_empty": (["-o", ""], USAGE, "no file"),
    # contradictions
    "two_targets": (["-p", "{LIVE}", "-a"], USAGE, "two targets"),
    "pid_and_command": (["-p", "{LIVE}", "--", "true"], USAGE, "two targets"),
    "count_alone": (["--count", "3"], USAGE, "give --interval"),
    "sizes_crossed": (["--min-size", "2K", "--max-size", "1K"], USAGE, "no request is both"),
    "sizes_at_kernel": (["--probes", "kernel", "--min-size", "1"], USAGE, "use --probes entry"),
    "full_host": (["--probes", "full"], USAGE, "refused system-wide"),
    "children_of_all": (["--children"], USAGE, "--children goes with -p only"),
    "children_of_command": (["--children", "--", "true"], USAGE, "--children goes with -p only"),
    # targets
    "pid_not_there": (["-p", NO_PID], FAILED, f"there is no process {NO_PID}"),
    "pid_gone": (["-p", "{GONE}"], FAILED, "there is no process"),
    "pid_one_of_two": (["-p", "{LIVE},{GONE}"], FAILED, "there is no process"),
    "pid_kernel_thread": (["-p", "2"], FAILED, "no memory of its own"),
    "thread": (["-p", "{THREAD}"], FAILED, "is a thread of process {SELF}: give -p {SELF}"),
    "cgroup_not_there": (["--cgroup", "/no/such/group"], FAILED, "there is no cgroup"),
    "cgroup_no_cgroup": (["--cgroup", "{DIR}"], FAILED, "is no cgroup of the v2 hierarchy"),
    # commands, as env(1) has it
    "command_not_found": (["--", "no-such-program"], NOT_FOUND, "cannot run 'no-such-program'"),
    "command_path_not_found": (["--", "/no/such"], NOT_FOUND, "cannot run '/no/such'"),
    "command_directory": (["--", "{DIR}"], CANNOT_RUN, "Permission denied"),
    "command_no_right": (["--", "{PLAIN}"], CANNOT_RUN, "Permission denied"),
    "command_no_interpreter": (["--", "{ORPHAN}"], NOT_FOUND, "cannot run"),
    # outputs
    "output_no_directory": (["-d", "100ms", "-o", "{DIR}/no/such"], FAILED, "cannot write"),
    "output_directory": (["-d", "100ms", "-o", "{DIR}"], FAILED, "cannot write"),
    "output_full": (["-p", "{LIVE}", "-d", "100ms", "-o", "/dev/full"], FAILED, "No space left"),
    "output_full_json": (
        ["-p", "{LIVE}", "-d", "100ms", "--json", "-o", "/dev/full"],
        FAILED,
        "No space left",
    ),
    "output_full_with_command": (["-o", "/dev/full", "--", "true"], FAILED_WITH_CMD, "No space"),
    "output_no_directory_with_command": (
        ["-o", "{DIR}/no/such", "--", "true"],
        FAILED_WITH_CMD,
        "cannot write",
    ),
}


def _words(context):
    """What the rows' {} stand for."""
    gone = context.start(["true"])
    context.finish(gone)
    files = {"PLAIN": ("#!/bin/sh\n", 0o644), "ORPHAN": ("#!/no/such/shell\n", 0o755)}
    words = {"LIVE": context.start(["sleep", "60"]).pid, "GONE": gone.pid, "SELF": os.getpid(),
             "DIR": os.path.join(context.path, "directory")}
    os.mkdir(words["DIR"])
    for name, (text, mode) in files.items():
        words[name] = os.path.join(context.path, name)
        with open(words[name], "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(words[name], mode)
    return words


def _one_line(context, command, status, says, **options):
    """What is wrong: one line goes to stderr, nothing to stdout, and nothing is left."""
    output = context.file("stdout")
    with leftovers.nothing_attached(), leftovers.no_process(), open(output, "wb") as stdout:
        before = leftovers.files_in(context.path)
        process = context.start(command, stdout=stdout, **options)
        ended = context.finish(process)
        after = leftovers.files_in(context.path)
    stderr = after.pop(os.path.basename(process.stderr_path))
    lines = context.stderr_of(process).splitlines()
    found = []
    if ended != status:
        found.append(f"exit status {ended}, not {status}")
    if len(lines) != 1 or not lines[0].startswith("allocpath: ") or says not in lines[0]:
        found.append(f"not one line with '{says}' ({stderr} bytes):")
        found += lines
    if os.path.getsize(output):
        found.append(f"{os.path.getsize(output)} bytes on stdout")
    if before != after:
        found.append(f"files: {sorted(after)}, before: {sorted(before)}")
    return found


@each(ROWS)
def bad(context, row):
    arguments, status, says = row
    words = _words(context)
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    words["THREAD"] = thread.native_id
    try:
        command = [harness.ALLOCPATH, "hist", *[word.format(**words) for word in arguments]]
        fail_if(_one_line(context, command, status, says.format(**words)))
    finally:
        end.set()
        thread.join()


# {name: words after "allocpath"}
COMMANDS = {"none": [], "unknown": ["histogram"], "option": ["--nope"]}


@each(COMMANDS)
def command(context, words):
    fail_if(_one_line(context, [harness.ALLOCPATH, *words], USAGE, "there is no command"))


# {name: what takes the rights away}
NO_RIGHTS = {
    "nobody": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"],
    "root_without_capabilities": ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
}

# {name: (words after "allocpath hist", exit status)}
ONCE_STARTED = {
    "host": (["-d", "100ms"], FAILED),
    "process": (["-d", "100ms", "-p", "{LIVE}"], FAILED),
    "command": (["--", "true"], FAILED_WITH_CMD),
}


def _with_prefixes(prefixes):
    return {f"{name}_{target}": (prefix, *row) for name, prefix in prefixes.items()
            for target, row in ONCE_STARTED.items()}


@each(_with_prefixes(NO_RIGHTS))
def no_rights(context, row):
    prefix, arguments, status = row
    need("setpriv")
    if subprocess.run([*prefix, "test", "-x", harness.ALLOCPATH], check=False).returncode:
        raise Skip(f"{harness.ALLOCPATH} cannot be run by others")
    words = _words(context)
    command = [*prefix, harness.ALLOCPATH, "hist", *[word.format(**words) for word in arguments]]
    fail_if(_one_line(context, command, status, "run as root"))


@each(ONCE_STARTED)
def no_btf(context, row):
    """A kernel without BTF, as far as a mount can make one."""
    arguments, status = row
    need("unshare")
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"']
    if subprocess.run([*hide, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("/sys/kernel/btf cannot be hidden here")
    words = _words(context)
    command = [*hide, harness.ALLOCPATH, "hist", *[word.format(**words) for word in arguments]]
    fail_if(_one_line(context, command, status, "has no BTF"))


@test
def stdout_full(context):
    """The report goes nowhere: also where it is a file system that is full."""
    target = context.start(["sleep", "60"])
    for arguments, status in ((["-p", target.pid], FAILED), (["--", "true"], FAILED_WITH_CMD)):
        with open("/dev/full", "wb") as full:
            process = context.start([harness.ALLOCPATH, "hist", "-d", "100ms", *arguments],
                                    stdout=full)
            ended = context.finish(process)
        lines = context.stderr_of(process).splitlines()
        if ended != status or len(lines) != 1 or "No space left" not in lines[0]:
            raise Failure(f"exit status {ended}, not {status}", *lines)


@test
def output_is_whole_or_not_there(context):
    """A report that cannot be finished leaves the file of before as it was."""
    path = os.path.join(context.path, "report")
    with open(path, "w", encoding="utf-8") as report:
        report.write("of yesterday\n")
    process = context.start([harness.ALLOCPATH, "hist", "-o", path, "--", "no-such-program"])
    if context.finish(process) != NOT_FOUND:
        raise Failure(f"exit status {process.returncode}")
    with open(path, encoding="utf-8") as report:
        if report.read() != "of yesterday\n":
            raise Failure("the report of before is gone")


@test
def target_exits(context):
    """A process that ends during the run: the report comes all the same."""
    target = context.start([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    tool = context.start_tool("-p", target.pid, "-d", "60s")
    target.stdin.close()
    context.finish(target)
    report = context.end_tool(tool, "entry", with_signal=None)
    (process,) = report.processes
    if process["pid"] != target.pid or not process["exited"]:
        raise Failure(f"pid {process['pid']}, exited {process['exited']}")


@test
def report_to_closed_stdout(context):
    """stdout closed before the start, as by >&-."""
    command = ["sh", "-c", 'exec "$0" "$@" >&-', harness.ALLOCPATH, "hist", "-d", "100ms", "-p"]
    target = context.start(["sleep", "60"])
    process = context.start([*command, target.pid])
    ended = context.finish(process)
    lines = context.stderr_of(process).splitlines()
    if ended != FAILED or len(lines) != 1:
        raise Failure(f"exit status {ended}, not {FAILED}", *lines)
